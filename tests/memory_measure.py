"""What a real forward and backward pass holds: tensors that autograd saves, and the allocator's own record."""

from __future__ import annotations

import gc
from collections.abc import Callable
from pathlib import Path

import torch
from tiny_models import tiny_tokenizer
from torch.autograd.graph import saved_tensors_hooks
from torch.profiler import ProfilerActivity, profile
from transformers import AutoModelForCausalLM, Gemma2Config, LlamaConfig, Phi3Config, Qwen2Config
from transformers.utils import logging

from r1kit.models.hidden import hidden_states
from r1kit.models.policy import Policy
from r1kit.ops.trees import Tree
from r1kit.training.forward import tree_batch

_MIDDLE = {
    "hidden_size": 256,
    "intermediate_size": 1344,
    "num_hidden_layers": 2,
    "num_attention_heads": 8,
    "num_key_value_heads": 2,
    "vocab_size": 320,
    "max_position_embeddings": 2048,
    "pad_token_id": None,
    "bos_token_id": None,
    "eos_token_id": None,
}
_CONFIGS = {
    "qwen2": lambda: Qwen2Config(**_MIDDLE),
    "llama": lambda: LlamaConfig(**_MIDDLE),
    "gemma2": lambda: Gemma2Config(**_MIDDLE, head_dim=32, sliding_window=64),
    "phi3": lambda: Phi3Config(**_MIDDLE),
}


def write_middle_model(folder: Path, family: str) -> Path:
    """Write a random model of `family` with the proportions of a real one, a hundredth of its width."""
    logging.disable_progress_bar()
    AutoModelForCausalLM.from_config(_CONFIGS[family]()).save_pretrained(folder)
    logging.enable_progress_bar()
    tiny_tokenizer().save_pretrained(folder)
    return folder


def random_tree(prompt: int, completion: int, branches: int) -> Tree:
    """A prompt with `branches` completions, all of the given lengths."""
    generator = torch.Generator().manual_seed(0)

    def ids(length: int) -> tuple[int, ...]:
        return tuple(torch.randint(3, 270, (length,), generator=generator).tolist())

    return Tree(ids(prompt), tuple(ids(completion) for _ in range(branches)))


def hidden_sum(policy: Policy, tree: Tree) -> torch.Tensor:
    """The sum of the last hidden states, as the training forward computes them."""
    return hidden_states(policy, tree_batch(policy, [tree]).packed).sum()


def saved_bytes(policy: Policy, tree: Tree) -> int:
    """Bytes of the distinct storages that autograd saves in a forward pass, weights and buffers left out."""
    weights = {t.untyped_storage().data_ptr() for t in (*policy.model.parameters(), *policy.model.buffers())}
    found: dict[int, int] = {}
    alive = []

    def pack(tensor: torch.Tensor) -> torch.Tensor:
        storage = tensor.untyped_storage()
        if storage.data_ptr() not in weights:
            found[storage.data_ptr()] = storage.nbytes()
            alive.append(tensor)
        return tensor

    with saved_tensors_hooks(pack, lambda tensor: tensor):
        hidden_sum(policy, tree)
    return sum(found.values())


def peak_bytes(work: Callable[[], object]) -> int:
    """The most bytes that were allocated at once on the CPU while `work` ran, above what there was before."""
    work()
    gc.collect()
    with profile(activities=[ProfilerActivity.CPU], profile_memory=True) as record:
        work()
    events = record.profiler.kineto_results.events()
    now = top = 0
    for _, change in sorted((e.start_ns(), e.nbytes()) for e in events if e.name() == "[memory]"):
        now += change
        top = max(top, now)
    return top
