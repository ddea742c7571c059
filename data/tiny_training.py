"""Pretrains the tiny base: a Llama of 377,472 parameters, Muon on its layer matrices, AdamW on the rest."""

from __future__ import annotations

import itertools
import random
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy
from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast

from r1kit.tasks.arithmetic.corpus import documents


@dataclass(frozen=True)
class TrainingPlan:
    """Everything that decides the weights; learning rates are peaks."""

    seed: int = 0
    steps: int = 3600
    documents_per_step: int = 64
    row_tokens: int = 128
    muon_lr: float = 0.01
    adamw_lr: float = 4e-3
    warmup_steps: int = 100
    flat_until: float = 0.4
    final_factor: float = 0.02

    def factor(self, step: int) -> float:
        """Share of the peak learning rate: linear warm-up, flat, then linear down to `final_factor`."""
        warm = min(1.0, (step + 1) / self.warmup_steps)
        left = min(1.0, (self.steps - step) / (self.steps * (1 - self.flat_until)))
        return warm * max(self.final_factor, left)


@dataclass(frozen=True)
class PackedBatch:
    """Documents packed into R rows of L tokens.

    Ids, positions that restart with each document, and labels (the next token, -100 for none) are [R, L].
    The mask is [R, 1, L, L], True where a place may attend, and keeps documents apart.
    """

    input_ids: Tensor
    position_ids: Tensor
    attention_mask: Tensor
    labels: Tensor


def build_model(tokenizer: PreTrainedTokenizerFast, seed: int) -> LlamaForCausalLM:
    """The untrained model, in float32."""
    torch.manual_seed(seed)
    return LlamaForCausalLM(
        LlamaConfig(
            vocab_size=len(tokenizer),
            hidden_size=128,
            intermediate_size=256,
            num_hidden_layers=2,
            num_attention_heads=4,
            max_position_embeddings=tokenizer.model_max_length,
            initializer_range=0.04,
            tie_word_embeddings=True,
            bos_token_id=None,
            eos_token_id=tokenizer.eos_token_id,
            pad_token_id=tokenizer.pad_token_id,
        )
    )


def train(model: LlamaForCausalLM, tokenizer: PreTrainedTokenizerFast, plan: TrainingPlan) -> None:
    """Trains `model` in place and prints the loss (nats a token) now and then to stderr."""
    optimizers = build_optimizers(model, plan)
    schedules = [torch.optim.lr_scheduler.LambdaLR(each, plan.factor) for each in optimizers]
    model.train()
    started = time.monotonic()
    for step, batch in enumerate(itertools.islice(batches(tokenizer, plan), plan.steps), start=1):
        loss = packed_loss(model, batch)
        torch.autograd.backward(loss)
        nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        for optimizer, schedule in zip(optimizers, schedules, strict=True):
            optimizer.step()
            optimizer.zero_grad(set_to_none=True)
            schedule.step()
        if step % 100 == 0:
            seconds = time.monotonic() - started
            print(
                f"step {step}/{plan.steps} loss {loss.item():.4f} {seconds:.0f}s", file=sys.stderr, flush=True
            )
    model.train(False)


def build_optimizers(model: LlamaForCausalLM, plan: TrainingPlan) -> list[torch.optim.Optimizer]:
    """Muon for the matrices inside the layers, AdamW for the embedding and the norms."""
    matrices = [each for each in model.model.layers.parameters() if each.ndim == 2]
    chosen = {id(each) for each in matrices}
    rest = [each for each in model.parameters() if id(each) not in chosen]
    return [
        torch.optim.Muon(matrices, lr=plan.muon_lr, weight_decay=0.0),
        torch.optim.AdamW(rest, lr=plan.adamw_lr, betas=(0.9, 0.95), weight_decay=0.0),
    ]


def packed_loss(model: LlamaForCausalLM, batch: PackedBatch) -> Tensor:
    """Mean cross-entropy over every token that has a predecessor in its own document."""
    logits = model(
        input_ids=batch.input_ids,
        position_ids=batch.position_ids,
        attention_mask=batch.attention_mask,
        use_cache=False,
    ).logits
    return cross_entropy(logits.flatten(0, 1), batch.labels.flatten(), ignore_index=-100)


def batches(tokenizer: PreTrainedTokenizerFast, plan: TrainingPlan) -> Iterator[PackedBatch]:
    """Packed batches of fresh documents, without end."""
    source = documents(random.Random(plan.seed))
    while True:
        texts = list(itertools.islice(source, plan.documents_per_step))
        ids = tokenizer(texts, add_special_tokens=False).input_ids
        yield pack(first_fit(ids, plan.row_tokens), plan.row_tokens)


def first_fit(ids: list[list[int]], row_tokens: int) -> list[list[list[int]]]:
    """Documents dealt into rows, each into the first with room. None may be longer than a row."""
    rows: list[list[list[int]]] = []
    for document in ids:
        fitting = (row for row in rows if sum(map(len, row)) + len(document) <= row_tokens)
        row = next(fitting, None)
        if row is None:
            rows.append(row := [])
        row.append(document)
    return rows


def pack(rows: list[list[list[int]]], row_tokens: int) -> PackedBatch:
    """The tensors for rows of documents; empty places attend to each other and predict nothing."""
    shape = (len(rows), row_tokens)
    input_ids = torch.zeros(shape, dtype=torch.long)
    position_ids = torch.zeros(shape, dtype=torch.long)
    owner = torch.full(shape, -1, dtype=torch.long)
    labels = torch.full(shape, -100, dtype=torch.long)
    for index, row in enumerate(rows):
        start = 0
        for number, document in enumerate(row):
            end = start + len(document)
            input_ids[index, start:end] = torch.tensor(document)
            position_ids[index, start:end] = torch.arange(len(document))
            owner[index, start:end] = number
            labels[index, start : end - 1] = torch.tensor(document[1:])
            start = end
    same_document = owner[:, None, :, None] == owner[:, None, None, :]
    mask = same_document & torch.ones(row_tokens, row_tokens, dtype=torch.bool).tril()
    return PackedBatch(input_ids, position_ids, mask, labels)
