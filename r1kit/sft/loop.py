"""Supervised fine-tuning: the mean cross entropy of completion tokens, packed, with warm-up and decay."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Any

import torch
from torch import Tensor

from r1kit.config.data import SftData
from r1kit.config.stages import SftConfig
from r1kit.models.device import resolve_device
from r1kit.models.load import find_model, load_policy
from r1kit.models.policy import Policy
from r1kit.objectives.aggregate import Normalizer
from r1kit.objectives.sft import sft_loss
from r1kit.rollout.estimators import first_and_last_tenth
from r1kit.rollout.setup import left_out_in_words
from r1kit.sft.examples import SftExample, token_batches, tokenize_all
from r1kit.sft.worst_case import worst_case_examples
from r1kit.tasks.conversations import LoadedConversations, load_conversations
from r1kit.tracking.tracker import Tracker
from r1kit.training.forward import TokenBatch, trained_logprobs
from r1kit.training.memory import cap_memory, prove, resolve_sizes
from r1kit.training.optimizer import Optimizer, peak_learning_rate
from r1kit.training.recovery import MicroBatchSize
from r1kit.training.sampler import shuffled_batches


def run(config: SftConfig) -> dict[str, Any]:
    """Train a policy as `config` says; the run's summary, as written to `summary.json`.

    Raises:
        R1KitError: data or model cannot be used (nothing was trained), or training diverged.
    """
    texts = load_conversations(config.data)
    eval_texts = load_conversations(config.eval_data) if config.eval_data else None
    find_model(config.model)
    with Tracker(
        config.output, stage="sft", config=config.model_dump(mode="json"), seed=config.seed
    ) as tracker:
        return tracker.finish(_train(config, texts, eval_texts, tracker))


def _train(
    config: SftConfig, texts: LoadedConversations, eval_texts: LoadedConversations | None, tracker: Tracker
) -> dict[str, Any]:
    cap_memory(config.memory, resolve_device(config.model.device))
    policy = load_policy(config.model, train=True, seed=config.seed, say=tracker.say)
    examples = _tokenize(policy, texts, config, config.data, tracker)
    eval_examples = (
        _tokenize(policy, eval_texts, config, config.eval_data, tracker)
        if eval_texts and config.eval_data
        else []
    )
    batch_size = min(config.batch_size, len(examples))
    if batch_size < config.batch_size:
        tracker.say(f"batch_size {config.batch_size} is more than there are texts; {batch_size} are taken")
    num_steps = config.steps or max(1, round(config.epochs * len(examples) / batch_size))
    longest = max(map(len, (*examples, *eval_examples)))
    sizes = resolve_sizes(config.model_copy(update={"max_length": longest}), policy, tracker.say)
    size = MicroBatchSize(sizes.micro_batch_tokens, tracker.say)
    trainer = SftTrainer(config, policy, _optimizer(config, policy, num_steps), tracker, eval_examples, size)
    if policy.device.type == "cuda":
        size.tokens = prove(lambda tokens: trainer.rehearse(tokens, longest), size.tokens, tracker.say)
    figures = trainer.evaluate(step=0)
    batches = shuffled_batches(len(examples), batch_size, config.seed)
    losses: list[float] = []
    with tracker.progress("sft", total=num_steps, unit="step") as progress:
        for step, indices in enumerate(islice(batches, num_steps), start=1):
            metrics = trainer.step(step, [examples[i] for i in indices])
            losses.append(metrics["sft/loss"])
            if step == num_steps or (config.eval_every and step % config.eval_every == 0):
                figures |= trainer.evaluate(step)
            progress.advance(loss=metrics["sft/loss"], grad=metrics["optim/grad_norm"])
    first, last = first_and_last_tenth(losses)
    tracker.say(f"{num_steps} steps on {len(examples)} texts: loss {first:.3f} -> {last:.3f}")
    policy.save(config.output / policy.saved_as, stage="sft", seed=config.seed)
    return {
        **metrics,
        **figures,
        "sft/loss": last,
        "sft/loss_before": first,
        "num_examples": len(examples),
        "num_steps": num_steps,
    }


def _tokenize(
    policy: Policy, texts: LoadedConversations, config: SftConfig, data: SftData, tracker: Tracker
) -> list[SftExample]:
    examples, num_long = tokenize_all(policy, texts.conversations, config.max_length, data.path)
    tokens = sum(len(example.completion_ids) for example in examples)
    reasons = dict(texts.dropped)
    if num_long:
        reasons[f"longer than {policy.longest_text(config.max_length)[1]}"] = num_long
    said = left_out_in_words(len(examples), f"texts ({tokens} tokens to learn)", reasons)
    tracker.say(f"{data.path}: {said}")
    return examples


def _optimizer(config: SftConfig, policy: Policy, num_steps: int) -> Optimizer:
    return Optimizer(
        policy.trainable_parameters(),
        config.optim,
        learning_rate=peak_learning_rate(config.optim, "sft", config.model),
        num_steps=num_steps,
    )


@dataclass(frozen=True, slots=True)
class SftTrainer:
    """Everything a step needs."""

    config: SftConfig
    policy: Policy
    optimizer: Optimizer
    tracker: Tracker
    eval_examples: Sequence[SftExample]
    size: MicroBatchSize

    def step(self, step: int, examples: Sequence[SftExample]) -> dict[str, float]:
        """One optimizer update on `examples`, whatever micro-batches they fall into; the step's metrics."""
        started = time.perf_counter()
        normalizer = self._normalizer(examples)
        loss, stats = self.size.recover(
            lambda: (self._accumulate(examples, normalizer), self.optimizer.step()),
            reset=self.optimizer.clear_gradient,
        )
        metrics = {
            "sft/loss": loss,
            "sft/num_tokens": float(normalizer.num_tokens),
            "optim/grad_norm": stats.grad_norm,
            "optim/learning_rate": stats.learning_rate,
            "memory/micro_batch_tokens": float(self.size.tokens),
            "memory/num_oom": float(self.size.num_oom + self.optimizer.num_oom),
            "time/step_seconds": time.perf_counter() - started,
        }
        self.tracker.metrics(step, metrics)
        return metrics

    def evaluate(self, step: int) -> dict[str, float]:
        """Mean cross entropy on the held-out texts, logged; nothing when there are none."""
        if not self.eval_examples:
            return {}
        normalizer = self._normalizer(self.eval_examples)
        with self.policy.sampling():
            loss = self.size.recover(
                lambda: sum(loss.item() for loss in self._losses(self.eval_examples, normalizer)),
                reset=lambda: None,
            )
        self.tracker.metrics(step, {"sft/eval_loss": loss})
        self.tracker.say(f"step {step}: evaluation loss {loss:.4f}")
        name = "sft/eval_loss_before" if step == 0 else "sft/eval_loss"
        return {name: loss}

    def rehearse(self, max_tokens: int, longest: int) -> None:
        """The largest micro-batch of `max_tokens` in texts of `longest`, forward and backward; nothing changes."""
        examples = worst_case_examples(self.policy, max_tokens, longest)
        try:
            [batch] = token_batches(self.policy, examples, max(max_tokens, longest))
            self._loss(batch, self._normalizer(examples)).backward()
        finally:
            self.optimizer.clear_gradient()

    def _normalizer(self, examples: Sequence[SftExample]) -> Normalizer:
        return Normalizer.from_lengths(
            [len(e.completion_ids) for e in examples], max_tokens=self.config.max_length
        )

    def _accumulate(self, examples: Sequence[SftExample], normalizer: Normalizer) -> float:
        """Add the gradient of `examples` to the parameters; their loss."""
        total = 0.0
        for loss in self._losses(examples, normalizer):
            loss.backward()
            total += loss.item()
        self.size.running(0, 0)
        return total

    def _losses(self, examples: Sequence[SftExample], normalizer: Normalizer) -> Iterator[Tensor]:
        """The share of each micro-batch in the loss, one after the other."""
        for batch in token_batches(self.policy, examples, self.size.tokens):
            self.size.running(len(batch.lengths), len(batch.packed.input_ids))
            yield self._loss(batch, normalizer)

    def _loss(self, batch: TokenBatch, normalizer: Normalizer) -> Tensor:
        logprobs = trained_logprobs(self.policy, batch).logprobs[None]
        return sft_loss(logprobs, torch.ones_like(logprobs, dtype=torch.bool), normalizer)
