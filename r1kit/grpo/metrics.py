"""What a rollout batch looks like in figures."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from r1kit.core.rollout import FinishReason, Group, Verdict
from r1kit.grpo.batch import RlBatch
from r1kit.rollout.estimators import first_and_last_tenth, mean
from r1kit.rollout.summary import count_verdicts


def rollout_metrics(groups: Sequence[Group], batch: RlBatch) -> dict[str, float]:
    """Rewards (their sum and each part), verdicts, lengths and groups without signal, by metric name."""
    rollouts = [rollout for group in groups for rollout in group.rollouts]
    rewards = [r.score.reward for r in rollouts if r.score.reward is not None]
    metrics: dict[str, float] = {}
    if rewards:
        metrics["reward/mean"] = mean(rewards)
    for name in rollouts[0].score.parts:
        values = [value for r in rollouts if (value := r.score.parts[name]) is not None]
        if values:
            metrics[f"reward/{name}"] = mean(values)
    verdicts = count_verdicts(groups)
    if verdicts:
        metrics |= {f"verdict/{v}_rate": verdicts[v] / verdicts.total() for v in Verdict}
    truncated = [r.completion.finish_reason is FinishReason.LENGTH for r in rollouts]
    logprobs = [logprob for r in rollouts for logprob in r.completion.logprobs]
    return metrics | {
        "completion/mean_tokens": mean([r.completion.num_tokens for r in rollouts]),
        "completion/truncated_rate": mean(truncated),
        "group/no_signal_rate": batch.num_uniform_groups / len(groups),
        "rollout/num_unscored": float(batch.num_unscored),
        # A sampled token's surprise is an unbiased estimate of the entropy it was drawn with.
        "policy/entropy": -mean(logprobs),
    }


def last_tenth(history: Sequence[Mapping[str, float]]) -> dict[str, float]:
    """The mean of each metric over the last tenth of the steps that have it, so that no single batch decides.

    `rollout/num_unscored` is the total of all steps instead: each of them is a rollout that was lost.
    """
    names = dict.fromkeys(name for metrics in history for name in metrics)
    columns = {name: [metrics[name] for metrics in history if name in metrics] for name in names}
    means = {name: first_and_last_tenth(values)[1] for name, values in columns.items()}
    return means | {"rollout/num_unscored": sum(columns["rollout/num_unscored"])}
