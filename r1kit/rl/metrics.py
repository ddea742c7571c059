"""What a rollout batch looks like in figures, and what the figures of a run come to."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from r1kit.core.rollout import FinishReason, Group, Verdict
from r1kit.rollout.estimators import first_and_last_tenth, mean
from r1kit.rollout.summary import count_results, count_verdicts, reward_figures

_TOTALS = (
    "rollout/num_unscored",
    "rollout/num_masked",
    "group/num_discarded",
    "group/num_missing",
)
_LAST = ("memory/num_oom", "memory/micro_batch_tokens")


def rollout_metrics(groups: Sequence[Group]) -> dict[str, float]:
    """Rewards (their sum and each part, by kind where there are several), verdicts, how code ended, and lengths, by metric name."""
    rollouts = [rollout for group in groups for rollout in group.rollouts]
    metrics = {f"reward/{name}": value for name, value in reward_figures(groups).items()}
    verdicts = count_verdicts(groups)
    if verdicts:
        metrics |= {f"verdict/{v}_rate": verdicts[v] / verdicts.total() for v in Verdict}
    results = count_results(rollouts)
    metrics |= {f"result/{name}_rate": count / results.total() for name, count in sorted(results.items())}
    truncated = [r.completion.finish_reason is FinishReason.LENGTH for r in rollouts]
    logprobs = [logprob for r in rollouts for logprob in r.completion.logprobs]
    return metrics | {
        "completion/mean_tokens": mean([r.completion.num_tokens for r in rollouts]),
        "completion/truncated_rate": mean(truncated),
        "rollout/num_unscored": float(sum(r.score.reward is None for r in rollouts)),
        # A sampled token's surprise is an unbiased estimate of the entropy it was drawn with.
        "policy/entropy": -mean(logprobs),
    }


def last_tenth(history: Sequence[Mapping[str, float]]) -> dict[str, float]:
    """The mean of each metric over the last tenth of the steps that have it, so that no single batch decides.

    Counts of what was lost or went wrong are totals of all steps instead, and those of the memory the last ones.
    """
    names = dict.fromkeys(name for metrics in history for name in metrics)
    columns = {name: [metrics[name] for metrics in history if name in metrics] for name in names}
    return {name: _condensed(name, values) for name, values in columns.items()}


def _condensed(name: str, values: Sequence[float]) -> float:
    if name in _TOTALS or name.endswith("_alarms"):
        return sum(values)
    return values[-1] if name in _LAST else first_and_last_tenth(values)[1]
