"""Real reward models beside a real policy, from sampling to the reward."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from tiny_models import write_tiny_model

from r1kit.config.data import ProblemData
from r1kit.config.model import LoraConfig, ModelConfig
from r1kit.config.rewards import RewardConfig
from r1kit.config.sampling import EngineConfig, SamplingConfig
from r1kit.core.problem import Problem, ProblemKind
from r1kit.core.rollout import JudgedText
from r1kit.generation import build_engine
from r1kit.models.load import load_policy
from r1kit.models.reward_info import RewardInfo
from r1kit.models.reward_model import load_reward_model, save_reward_model
from r1kit.models.scalar_head import ScalarHead, hidden_size_of
from r1kit.rewards.compose import Scorer, build_scorer
from r1kit.rollout.collect import collect_groups
from r1kit.rollout.prompts import render_problems
from r1kit.rollout.rewarding import Rewarder

PROBLEMS = [
    Problem("poem", "a poem", kind=ProblemKind.GENERAL),
    Problem("sum", "3+4", ("7",)),
    Problem("tale", "a tale", kind=ProblemKind.GENERAL),
]


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_tiny_model(tmp_path_factory.mktemp("rewarding") / "model")


@pytest.fixture(scope="module")
def reward_model(base: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A reward model for summaries, whose adapter and head are drawn by a seed."""
    folder = tmp_path_factory.mktemp("rewarding") / "reward_model"
    config = ModelConfig(path=str(base), device="cpu", lora=LoraConfig(rank=4))
    policy = load_policy(config, train=True)
    generator = torch.Generator().manual_seed(1)
    head = ScalarHead(hidden_size_of(policy.model))
    with torch.no_grad():
        for name, parameter in policy.model.named_parameters():
            if "lora_B" in name:
                parameter.copy_(torch.randn(parameter.shape, generator=generator) * 0.05)
        head.weight.copy_(torch.randn(head.weight.shape, generator=generator))
    info = RewardInfo(
        span="summary",
        mean=0.5,
        std=2.0,
        accuracy=0.8,
        accuracy_interval=(0.7, 0.9),
        num_pairs=50,
        mean_margin=1.0,
        calibration_error=0.1,
        length_correlation=None,
        length_rule_accuracy=0.5,
        eos_token_id=policy.eos_token_ids[0],
        dtype="float32",
    )
    save_reward_model(policy, head, info, folder, seed=0)
    return folder


def scorer(reward_model: Path, **options: object) -> Scorer:
    judge = {
        "name": "reward_model",
        "label": "helpful",
        "clip": None,
        "options": {"path": str(reward_model), **options},
    }
    configs = [RewardConfig.model_validate(each) for each in ("math", "length=0.5", judge)]
    return build_scorer(configs, default_max_tokens=8)


def test_completions_are_rewarded_as_the_reward_model_scores_them_alone(base, reward_model) -> None:
    policy = load_policy(ModelConfig(path=str(base), device="cpu", lora=LoraConfig(rank=4)), train=True)
    said: list[str] = []
    rewarder = Rewarder.open(scorer(reward_model), policy, 256, said.append)
    [judge] = [reward.function for reward in rewarder.scorer.rewards if reward.label == "helpful"]
    assert judge.span == "summary"
    assert len(said) == 1
    assert "helpful" in said[0]
    groups = collect_groups(
        build_engine(policy, EngineConfig()),
        render_problems(policy, PROBLEMS, ProblemData(path="x"))[0],
        group_size=3,
        sampling=SamplingConfig(max_new_tokens=8),
        scoring=rewarder.scoring,
        seed=1,
    )
    finished = rewarder.finish(groups)
    alone = load_reward_model(reward_model, "alone", device="cpu")
    num_scored = 0
    for group in finished:
        for rollout in group.rollouts:
            parts = rollout.score.parts
            if group.problem.kind is ProblemKind.MATH:
                assert set(parts) == {"math", "length"}
                continue
            # Noise of a random model: no think block, so that all of it is the summary.
            summary = rollout.completion.text.strip()
            assert "think>" not in summary
            expected = alone.score([JudgedText(group.messages, summary)])[0] if summary else -3.0
            assert parts["helpful"] == pytest.approx(expected, abs=1e-5)
            assert rollout.score.reward == pytest.approx(parts["length"] * 0.5 + expected, abs=1e-5)
            num_scored += bool(summary)
    assert num_scored >= 4
    assert [[r.completion for r in g.rollouts] for g in finished] == [
        [r.completion for r in g.rollouts] for g in groups
    ]


def test_another_span_than_the_reward_models_own_is_said(base, reward_model) -> None:
    policy = load_policy(ModelConfig(path=str(base), device="cpu"), train=False)
    said: list[str] = []
    rewarder = Rewarder.open(scorer(reward_model, span="completion"), policy, 256, said.append)
    assert rewarder.scorer.rewards[-1].function.span == "completion"
    assert said[1:] == [
        f"reward helpful judges the completion, but {reward_model} was trained on the summary"
    ]


def test_without_reward_models_nothing_is_loaded_or_said(base) -> None:
    policy = load_policy(ModelConfig(path=str(base), device="cpu"), train=False)
    said: list[str] = []
    rules = build_scorer([RewardConfig(name="math")], default_max_tokens=8)
    rewarder = Rewarder.open(rules, policy, 256, said.append)
    assert (said, dict(rewarder.models)) == ([], {})
    assert rewarder.scorer.rewards == rules.rewards
