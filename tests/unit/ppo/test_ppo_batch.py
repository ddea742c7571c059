"""Groups as a batch of PPO: which rows are in it, what each token is told, and how it is cut."""

from __future__ import annotations

from collections import Counter

import pytest
import torch
from test_ppo_update import make_groups
from torch import Tensor

from r1kit.config.ppo import PpoAlgorithm
from r1kit.ppo.batch import build_batch, minibatches, trained_rows
from r1kit.rl.rows import RlRow

PLAIN = PpoAlgorithm(group_size=2, problems_per_step=3, whiten_advantages=False, minibatches=1)


def constant(rows: list[RlRow], value: float) -> list[Tensor]:
    return [torch.full((len(row.completion_ids),), value) for row in rows]


def test_a_completion_without_a_reward_is_left_out():
    assert [row.index for row in trained_rows(make_groups(), PLAIN)] == [0, 1, 2, 3, 5]


def test_cut_off_completions_are_left_out_where_it_is_asked_for():
    masked = PLAIN.model_copy(update={"mask_truncated": True})
    assert [row.index for row in trained_rows(make_groups(), masked)] == [0, 2, 3, 5]


def test_with_lambda_1_an_advantage_is_the_reward_less_the_value():
    algorithm = PLAIN.model_copy(update={"lam": 1.0})
    rows = trained_rows(make_groups(), algorithm)
    batch, metrics = build_batch(make_groups(), rows, constant(rows, 0.25), None, algorithm)
    for target, reward, row in zip(batch.targets, [1.0, 0.0, 0.25, 1.25, 0.75], rows, strict=True):
        assert target.advantages.tolist() == pytest.approx([reward - 0.25] * len(row.completion_ids))
        assert target.returns.tolist() == pytest.approx([reward] * len(row.completion_ids))
    assert "policy/kl" not in metrics
    assert metrics["value/mean"] == 0.25
    assert metrics["value/explained_variance"] == pytest.approx(0, abs=1e-6)


def test_a_cut_off_completion_has_no_value_behind_its_last_token():
    algorithm = PLAIN.model_copy(update={"lam": 0.0})
    rows = trained_rows(make_groups(), algorithm)
    batch, _ = build_batch(make_groups(), rows, constant(rows, 0.25), None, algorithm)
    assert rows[1].is_truncated
    assert batch.targets[1].returns.tolist() == [0.25, 0.25, 0.25, 0.25, 0.0]


def test_the_kl_is_taken_off_the_reward_of_every_token():
    algorithm = PLAIN.model_copy(update={"lam": 1.0, "beta": 0.5})
    rows = trained_rows(make_groups(), algorithm)
    references = [torch.tensor(row.sampled_logprobs) - 0.1 for row in rows]
    batch, metrics = build_batch(make_groups(), rows, constant(rows, 0.0), references, algorithm)
    assert metrics["policy/kl"] == pytest.approx(0.1, abs=1e-6)
    length = len(rows[0].completion_ids)
    expected = [1.0 - 0.05 * (length - token) for token in range(length)]
    assert batch.targets[0].returns.tolist() == pytest.approx(expected)


def test_advantages_are_whitened_over_all_rows_and_returns_are_not():
    rows = trained_rows(make_groups(), PLAIN)
    plain, before = build_batch(make_groups(), rows, constant(rows, 0.1), None, PLAIN)
    white, after = build_batch(
        make_groups(), rows, constant(rows, 0.1), None, PLAIN.model_copy(update={"whiten_advantages": True})
    )
    advantages = torch.cat([target.advantages for target in white.targets])
    assert (advantages.mean().item(), advantages.var().item()) == (
        pytest.approx(0, abs=1e-6),
        pytest.approx(1),
    )
    for one, other in zip(plain.targets, white.targets, strict=True):
        assert torch.equal(one.returns, other.returns)
    assert before == after


@pytest.mark.parametrize("count", [1, 2, 4, 5, 7])
def test_every_row_is_in_one_minibatch_and_their_sizes_differ_by_one_at_most(count):
    rows = trained_rows(make_groups(), PLAIN)
    parts = minibatches(rows, count, seed=0)
    assert sorted(place for part in parts for place in part) == list(range(5))
    sizes = [len(part) for part in parts]
    assert len(sizes) == count
    assert max(sizes) - min(sizes) <= 1


def test_minibatches_are_drawn_anew_from_another_seed_and_keep_groups_together():
    rows = [RlRow(index, index // 4, (1,), (2,), (0.0,)) for index in range(32)]
    one, same, other = (minibatches(rows, 4, seed) for seed in (1, 1, 2))
    assert one == same != other
    for part in one:
        assert Counter(rows[place].group for place in part).most_common()[-1][1] == 4
