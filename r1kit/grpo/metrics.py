"""What the groups of a rollout batch look like in figures."""

from __future__ import annotations

from r1kit.config.rl import GrpoAlgorithm
from r1kit.grpo.batch import RlBatch
from r1kit.grpo.collect import Collected
from r1kit.rl.metrics import rollout_metrics


def batch_metrics(collected: Collected, batch: RlBatch, algorithm: GrpoAlgorithm) -> dict[str, float]:
    """`rollout_metrics` and groups without signal; of everything that was sampled, also of replaced groups."""
    groups = collected.all_groups
    metrics = rollout_metrics(groups)
    # Scores that could not be had are those of the batch: what was replaced had none of its own to lose.
    metrics["rollout/num_unscored"] = float(batch.num_unscored)
    num_uniform = batch.num_uniform_groups + len(collected.discarded)
    metrics["group/no_signal_rate"] = num_uniform / len(groups)
    if algorithm.mask_truncated:
        metrics["rollout/num_masked"] = float(batch.num_masked)
    if algorithm.resample_groups:
        metrics["group/num_discarded"] = float(len(collected.discarded))
        metrics["group/num_missing"] = float(collected.num_missing)
    return metrics
