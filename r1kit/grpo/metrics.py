"""What a rollout batch looks like in figures."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from r1kit.config.stages import GrpoAlgorithm
from r1kit.core.rollout import FinishReason, Verdict
from r1kit.grpo.batch import RlBatch
from r1kit.grpo.collect import Collected
from r1kit.rollout.estimators import first_and_last_tenth, mean
from r1kit.rollout.summary import count_results, count_verdicts

_TOTALS = (
    "rollout/num_unscored",
    "rollout/num_masked",
    "group/num_discarded",
    "group/num_missing",
    "policy/sampling_gap_alarms",
)
_LAST = ("memory/num_oom", "memory/micro_batch_tokens")


def rollout_metrics(collected: Collected, batch: RlBatch, algorithm: GrpoAlgorithm) -> dict[str, float]:
    """Rewards (their sum and each part), verdicts, how code ended, lengths and groups without signal, by metric name.

    Of everything that was sampled, also of groups that were replaced.
    """
    groups = collected.all_groups
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
    results = count_results(rollouts)
    metrics |= {f"result/{name}_rate": count / results.total() for name, count in sorted(results.items())}
    truncated = [r.completion.finish_reason is FinishReason.LENGTH for r in rollouts]
    logprobs = [logprob for r in rollouts for logprob in r.completion.logprobs]
    if algorithm.mask_truncated:
        metrics["rollout/num_masked"] = float(batch.num_masked)
    if algorithm.resample_groups:
        metrics["group/num_discarded"] = float(len(collected.discarded))
        metrics["group/num_missing"] = float(collected.num_missing)
    num_uniform = batch.num_uniform_groups + len(collected.discarded)
    return metrics | {
        "completion/mean_tokens": mean([r.completion.num_tokens for r in rollouts]),
        "completion/truncated_rate": mean(truncated),
        "group/no_signal_rate": num_uniform / len(groups),
        "rollout/num_unscored": float(batch.num_unscored),
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
    if name in _TOTALS:
        return sum(values)
    return values[-1] if name in _LAST else first_and_last_tenth(values)[1]
