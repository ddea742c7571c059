"""Which pairs are held out, and what of a pair the reward model sees."""

from __future__ import annotations

from typing import Any

import pytest
from tiny_models import write_tiny_model

from r1kit.config.model import ModelConfig
from r1kit.config.reward_model import RewardModelConfig
from r1kit.core.errors import DataError
from r1kit.core.problem import Message
from r1kit.models.load import load_policy
from r1kit.models.policy import Policy
from r1kit.reward_model.examples import PairIds, split_pairs, tokenize_pairs
from r1kit.tasks.preferences import LoadedPreferences, PreferencePair


def pair(number: int, prompt: str, chosen: str = "good", rejected: str = "bad") -> PreferencePair:
    return PreferencePair(str(number), (Message("user", prompt),), chosen, rejected)


def config(**fields: Any) -> RewardModelConfig:
    return RewardModelConfig(model=ModelConfig(path="unread"), output="out", data="pairs.jsonl", **fields)


PAIRS = LoadedPreferences([pair(i, f"prompt {i // 2}") for i in range(40)], {"equal replies": 3})


def test_a_share_is_held_out_and_no_prompt_is_on_both_sides() -> None:
    train, held_out = split_pairs(config(held_out_share=0.2), PAIRS, None)
    assert (len(train.pairs), len(held_out.pairs)) == (32, 8)
    assert not {p.messages for p in train.pairs} & {p.messages for p in held_out.pairs}
    assert sorted(p.id for p in (*train.pairs, *held_out.pairs)) == sorted(p.id for p in PAIRS.pairs)
    assert train.dropped == {"equal replies": 3}


def test_what_is_held_out_depends_on_the_seed_alone() -> None:
    def held_out(seed: int) -> list[str]:
        return [p.id for p in split_pairs(config(seed=seed), PAIRS, None)[1].pairs]

    assert held_out(0) == held_out(0)
    assert held_out(0) != held_out(1)


def test_what_shares_a_prompt_with_eval_data_is_not_trained_on() -> None:
    given = LoadedPreferences([pair(90, "prompt 3"), pair(91, "elsewhere")], {})
    train, held_out = split_pairs(config(), PAIRS, given)
    assert held_out.pairs == given.pairs
    assert len(train.pairs) == 38
    assert train.dropped == {"equal replies": 3, "the prompt is in eval_data": 2}
    with pytest.raises(DataError, match="every prompt is also in eval_data"):
        split_pairs(config(), given, given)


def test_pairs_about_a_single_prompt_cannot_be_held_out() -> None:
    with pytest.raises(DataError, match="all pairs are about one prompt"):
        split_pairs(config(), LoadedPreferences([pair(0, "p"), pair(1, "p")], {}), None)


@pytest.fixture(scope="module")
def policy(tmp_path_factory: pytest.TempPathFactory) -> Policy:
    folder = write_tiny_model(tmp_path_factory.mktemp("base"))
    return load_policy(ModelConfig(path=str(folder), device="cpu"), train=False)


def tokenize(policy: Policy, pairs: list[PreferencePair], **fields: Any) -> tuple[list[PairIds], str]:
    said: list[str] = []
    settings = config(**fields)
    elsewhere = LoadedPreferences([pair(99, "elsewhere", "<think>a</think>yes", "<think>a</think>no")], {})
    loaded, _ = split_pairs(settings, LoadedPreferences(pairs, {"equal replies": 1}), elsewhere)
    found = tokenize_pairs(policy, loaded, settings, "pairs.jsonl", said.append)
    return found, said[0]


def test_a_summary_is_judged_without_its_reasoning(policy: Policy) -> None:
    pairs = [
        pair(0, "q", "<think>a</think><answer>yes</answer>", "<think>b</think>no"),
        pair(1, "q", "<think>a</think>yes", "<think>b</think>yes"),
        pair(2, "q", "<think>a", "no"),
    ]
    found, said = tokenize(policy, pairs, span="summary")
    assert [policy.tokenizer.decode(ids) for ids in (found[0].chosen_ids, found[0].rejected_ids)] == [
        "yes<|endoftext|>",
        "no<|endoftext|>",
    ]
    assert len(found) == 1
    assert said == (
        "pairs.jsonl: 1 pairs; left out 1: equal replies; left out 1: equal summaries; left out 1: a reply has no summary"
    )
    with pytest.raises(DataError, match=r"no pair can be used .*left out 1: equal summaries"):
        split_pairs(config(span="summary"), LoadedPreferences(pairs[1:2], {}), None)


def test_a_text_beyond_the_models_context_is_left_out_and_counted(policy: Policy) -> None:
    context = policy.context_length or 0
    assert 0 < context < 4096
    found, said = tokenize(policy, [pair(0, "q"), pair(1, "q", rejected="long " * context)], max_length=10**6)
    assert [ids.id for ids in found] == ["0"]
    assert f"left out 1: longer than the model's context of {context} tokens" in said


def test_a_completion_is_judged_as_it_stands(policy: Policy) -> None:
    found, _ = tokenize(policy, [pair(0, "q", "<think>a</think>yes", "<think>a</think>no")])
    assert policy.tokenizer.decode(found[0].chosen_ids) == "<think>a</think>yes<|endoftext|>"
    assert policy.tokenizer.decode(found[0].prompt_ids) == "User: q\n\nAssistant:\n"


def test_a_pair_with_a_text_that_is_too_long_is_left_out_and_counted(policy: Policy) -> None:
    found, said = tokenize(policy, [pair(0, "q"), pair(1, "q", rejected="long " * 90)], max_length=60)
    assert [ids.id for ids in found] == ["0"]
    assert "left out 1: longer than max_length 60" in said
    with pytest.raises(DataError, match="no pair can be used"):
        tokenize(policy, [pair(1, "q", rejected="long " * 90)], max_length=60)


def test_margins_that_are_not_used_or_not_there_are_said(policy: Policy) -> None:
    with_margin = PreferencePair("0", (Message("user", "q"),), "good", "bad", 2.0)
    assert "which margin_weight 0 leaves unused" in tokenize(policy, [with_margin])[1]
    said = tokenize(policy, [with_margin, pair(1, "q")], margin_weight=0.5)[1]
    assert "1 have no margin, which counts as 0" in said
