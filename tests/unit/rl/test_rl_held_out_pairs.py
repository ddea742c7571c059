"""The policy's opinion on pairs: by a loop over single texts, and when it is asked."""

from __future__ import annotations

import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch

from r1kit.config.load import validate
from r1kit.config.model import ModelConfig
from r1kit.config.rl import GrpoConfig
from r1kit.core.problem import Message
from r1kit.models.load import load_policy
from r1kit.models.texts import text_ids
from r1kit.rl.held_out_pairs import HeldOutPairs, preference_accuracy
from r1kit.rl.reward_watch import RewardWatch
from r1kit.tasks.preferences import PreferencePair
from r1kit.training.recovery import MicroBatchSize

TINY = Path(__file__).parents[3] / "data" / "tiny_base"
PAIRS = [
    PreferencePair(str(n), (Message("user", prompt),), chosen, rejected)
    for n, (prompt, chosen, rejected) in enumerate(
        [
            ("3+4", "<answer>7</answer>", "the old tree"),
            ("3+4", "the old tree", "<answer>7</answer>"),
            ("where is the dog?", "the quiet dog sleeps in the garden.", "17 18 19"),
            ("where is the dog?", "7", "7"),
        ]
    )
]


@pytest.fixture(scope="module")
def policy() -> Any:
    return load_policy(ModelConfig(path=str(TINY)), train=True)


def mean_logprob(policy: Any, pair: PreferencePair, reply: str) -> float:
    """Of the reply's tokens and the end of the turn, by one plain forward pass."""
    ids = text_ids(policy.tokenizer, policy.eos_token_ids[0], pair.messages, reply)
    tokens = torch.tensor([ids.prompt_ids + ids.completion_ids])
    with torch.no_grad():
        logprobs = policy.model(input_ids=tokens).logits.float().log_softmax(-1)[0]
    first = len(ids.prompt_ids)
    values = [logprobs[place - 1, tokens[0, place]].item() for place in range(first, tokens.shape[1])]
    return sum(values) / len(values)


def test_the_accuracy_is_that_of_a_loop_over_single_texts(policy):
    gaps = [
        mean_logprob(policy, pair, pair.chosen) - mean_logprob(policy, pair, pair.rejected) for pair in PAIRS
    ]
    # the first two are each other's opposite, and the replies of the last are the same
    assert gaps[0] == pytest.approx(-gaps[1])
    assert gaps[0] > 0.1
    expected = (1 + 0 + (gaps[2] > 0) + 0.5) / 4
    for tokens in (10_000, 20):
        assert preference_accuracy(policy, PAIRS, MicroBatchSize(tokens)) == expected
    assert preference_accuracy(policy, PAIRS[:1], MicroBatchSize(99)) == 1.0
    assert preference_accuracy(policy, PAIRS[1:2], MicroBatchSize(99)) == 0.0
    assert policy.model.training


def test_it_is_asked_before_the_first_step_in_turn_and_after_the_last(policy, tmp_path):
    file = tmp_path / "pairs.jsonl"
    rows = [{"prompt": "3+4", "chosen": "7", "rejected": "8"}]
    file.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    values = {
        "model": str(TINY),
        "output": str(tmp_path / "run"),
        "data": "d.jsonl",
        "steps": 7,
        "pairs": {"data": str(file), "every": 3},
    }
    config = validate(GrpoConfig, values, source="test")
    logged: list[tuple[int, dict[str, float]]] = []
    tracker: Any = SimpleNamespace(metrics=lambda step, m: logged.append((step, m)), say=lambda text: None)
    watch = RewardWatch({}, lambda text: None)
    check = HeldOutPairs(config, policy, PAIRS[:2], tracker, watch, MicroBatchSize(1000))
    for step in range(8):
        check.evaluate(step)
    assert [step for step, _ in logged] == [0, 3, 6, 7]
    # one of two: Wilson's interval of 1/2 in 2 trials
    assert logged[0][1] == pytest.approx(
        {"pairs/accuracy": 0.5, "pairs/accuracy_low": 0.0945, "pairs/accuracy_high": 0.9055}, abs=1e-4
    )
    assert logged[1][1]["reward_model/pairs_alarms"] == 0
    assert check.summary()["pairs_before/accuracy"] == check.summary()["pairs/accuracy"] == 0.5
