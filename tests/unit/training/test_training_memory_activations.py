"""The formulas against what autograd and the allocator really hold on CPU."""

from __future__ import annotations

import pytest
from memory_measure import hidden_sum, peak_bytes, random_tree, saved_bytes, write_middle_model
from transformers import GPT2Config

from r1kit.config.model import LoraConfig, ModelConfig
from r1kit.models.layouts import without_wrapper
from r1kit.models.load import load_policy
from r1kit.models.quiet import quiet_libraries
from r1kit.models.shapes import shapes_of
from r1kit.training.memory.activations import (
    _distinct_inputs,
    activation_bytes,
    layout_of,
    passing_bytes,
    working_bytes,
)
from r1kit.training.memory.sizes import shapes_of_policy

TREES = {"text": (50, 150, 1), "tree": (64, 64, 4)}
"""Tokens of the prompt and of each completion, and how many completions."""


@pytest.fixture(scope="module")
def folders(tmp_path_factory):
    made = {}

    def folder_of(family):
        if family not in made:
            made[family] = write_middle_model(tmp_path_factory.mktemp("model") / family, family)
        return made[family]

    return folder_of


def load(folder, targets="all-linear", **fields):
    lora = LoraConfig(rank=4, alpha=8, targets=targets)
    return load_policy(ModelConfig(path=str(folder), lora=lora, **fields), train=True)


def assert_close(calculated, measured):
    """Within 15 %, and never more than 5 % below."""
    assert 0.95 * measured <= calculated <= 1.15 * measured, f"{calculated} calculated, {measured} measured"


class Update:
    """A forward and backward pass of one tree, measured and calculated; without the head."""

    def __init__(self, policy, tree, *, checkpointing=False):
        prompt, completion, branches = tree
        self.policy, self.tree = policy, random_tree(*tree)
        self.tokens = prompt + branches * completion
        self.shapes = shapes_of_policy(policy)
        self.layout = layout_of(self.tokens, prompt, completion, branches, self.shapes.window)
        self.config = policy.config.model_copy(update={"gradient_checkpointing": checkpointing})
        self.dtype = policy.dtype.itemsize
        if checkpointing:
            with quiet_libraries():
                without_wrapper(policy.model).gradient_checkpointing_enable({"use_reentrant": False})

    def kept(self):
        return activation_bytes(self.shapes, self.config, self.dtype, self.tokens, self.layout)

    def peak(self):
        return self.kept() + working_bytes(self.shapes, self.config, self.dtype, self.tokens, self.layout)

    def measured_kept(self):
        return saved_bytes(self.policy, self.tree)

    def measured_peak(self):
        # The gradients of the weights are a part of their own: they are there before.
        return peak_bytes(lambda: hidden_sum(self.policy, self.tree).backward())


@pytest.mark.parametrize(
    ("family", "dtype"),
    [("qwen2", "float32"), ("qwen2", "bfloat16"), ("gemma2", "bfloat16"), ("phi3", "float32")],
)
def test_an_update_holds_what_the_formulas_say(family, dtype, folders):
    policy = load(folders(family), dtype=dtype)
    for tree in TREES.values():
        update = Update(policy, tree)
        assert_close(update.kept(), update.measured_kept())
    assert_close(update.peak(), update.measured_peak())
    for tree in TREES.values():
        update = Update(policy, tree, checkpointing=True)
        assert_close(update.peak(), update.measured_peak())


@pytest.mark.parametrize(
    "fields",
    [{"tuning": "full"}, {"quantization": "int8"}],
    ids=str,
)
def test_so_does_an_update_of_other_weights(fields, folders):
    policy = load(folders("qwen2"), **fields)
    for checkpointing in (False, True):
        update = Update(policy, TREES["text"], checkpointing=checkpointing)
        assert_close(update.peak(), update.measured_peak())


def test_the_four_layers_of_a_gpt2_block_read_four_inputs():
    shapes = shapes_of(GPT2Config(n_embd=64, n_layer=2, n_head=4, vocab_size=320), "gpt2")
    assert _distinct_inputs(shapes.linears) == 2 * (64 + 64 + 64 + 256)


def test_adapters_on_attention_alone_keep_less(folders):
    update = Update(load(folders("qwen2"), targets="attention", dtype="bfloat16"), TREES["text"])
    assert_close(update.kept(), update.measured_kept())


def test_a_pass_that_keeps_nothing_takes_what_its_widest_layer_does(folders):
    for family in ("qwen2", "phi3"):
        policy = load(folders(family))
        update = Update(policy, TREES["text"])

        def work(update=update):
            with update.policy.sampling():
                hidden_sum(update.policy, update.tree)

        calculated = passing_bytes(update.shapes, update.config, update.dtype, update.tokens, update.layout)
        measured = peak_bytes(work)
        assert 0.95 * measured <= calculated <= 1.25 * measured


def test_a_shared_prompt_is_held_once_and_its_keys_once_a_branch():
    # 4 tokens of prompt, 3 branches of 2: 10 tokens, keys 4 + 3 * 6, pairs 4 * 4 + 3 * 2 * 6.
    shared = layout_of(10, 4, 2, 3, None)
    assert (shared.keys, shared.cells, shared.is_masked) == (2.2, 5.2, True)
    # Room for one branch alone: a plain text, without a mask.
    alone = layout_of(7, 4, 2, 3, None)
    assert (alone.keys, alone.cells, alone.is_masked) == (1.0, 6, False)
    assert layout_of(7, 4, 2, 1, 5).is_masked
