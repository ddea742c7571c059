"""How good a reward model is on held-out pairs, and what it may be looking at instead."""

from __future__ import annotations

import math
import random
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from r1kit.core.seeds import derive_seed
from r1kit.rollout.estimators import correlation, mean, wilson_interval

NUM_BINS: Final = 10
"""Of the calibration error."""
BIASED_FROM: Final = 0.5
"""An absolute correlation of score and length from which it is said to be a bias."""
_QUANTILES: Final = (0.05, 0.25, 0.5, 0.75, 0.95)
_SMALLEST_STD: Final = 1e-8


@dataclass(frozen=True, slots=True)
class ScoredPair:
    """A held-out pair with its scores as the head says them, and the tokens of both replies."""

    id: str
    chosen: float
    rejected: float
    num_tokens_chosen: int
    num_tokens_rejected: int


@dataclass(frozen=True, slots=True)
class Quality:
    """Figures of a reward model on held-out pairs; see `models.reward_info.RewardInfo` for their meaning."""

    num_pairs: int
    mean: float
    std: float
    loss: float
    accuracy: float
    accuracy_interval: tuple[float, float]
    mean_margin: float
    calibration_error: float
    length_correlation: float | None
    length_rule_accuracy: float
    chosen_quantiles: Mapping[str, float]

    def metrics(self) -> dict[str, float]:
        """The figures for `metrics.jsonl`; what is not defined is left out."""
        low, high = self.accuracy_interval
        figures = {
            "reward_model/accuracy": self.accuracy,
            "reward_model/accuracy_low": low,
            "reward_model/accuracy_high": high,
            "reward_model/eval_loss": self.loss,
            "reward_model/mean_margin": self.mean_margin,
            "reward_model/calibration_error": self.calibration_error,
            "reward_model/length_rule_accuracy": self.length_rule_accuracy,
        }
        if self.length_correlation is not None:
            figures["reward_model/length_correlation"] = self.length_correlation
        return figures


def measure(pairs: Sequence[ScoredPair], seed: int) -> Quality:
    """The figures of at least one held-out pair; `seed` decides which pairs are turned round for the calibration."""
    scores = [score for pair in pairs for score in (pair.chosen, pair.rejected)]
    tokens = [n for pair in pairs for n in (pair.num_tokens_chosen, pair.num_tokens_rejected)]
    centre, spread = _mean_and_std(scores)
    ahead = [pair.chosen - pair.rejected for pair in pairs]
    longer = [float(pair.num_tokens_chosen - pair.num_tokens_rejected) for pair in pairs]
    return Quality(
        num_pairs=len(pairs),
        mean=centre,
        std=spread,
        loss=mean([_softplus(-value) for value in ahead]),
        accuracy=_share_positive(ahead),
        accuracy_interval=wilson_interval(_share_positive(ahead) * len(pairs), len(pairs)),
        mean_margin=mean(ahead) / spread,
        calibration_error=calibration_error(ahead, seed),
        length_correlation=correlation(scores, tokens),
        length_rule_accuracy=_share_positive(longer),
        chosen_quantiles=_quantiles([(pair.chosen - centre) / spread for pair in pairs]),
    )


def calibration_error(ahead: Sequence[float], seed: int) -> float:
    """Expected calibration error of sigmoid(ahead) as the chance that the first of two replies is preferred.

    Ten bins of equal width; in each, the mean chance against the share that came true, weighted by its pairs (Naeini et
    al. 2015). About half of the pairs, drawn by `seed`, are turned round: without that the first reply would always be
    the preferred one.
    """
    draw = random.Random(derive_seed(seed, "reward-model", "calibration"))
    bins: list[list[tuple[float, float]]] = [[] for _ in range(NUM_BINS)]
    for value in ahead:
        turned = draw.random() < 0.5
        chance = math.exp(-_softplus(value if turned else -value))
        bins[min(NUM_BINS - 1, int(chance * NUM_BINS))].append((chance, float(not turned)))
    gaps = [abs(mean([p for p, _ in held]) - mean([y for _, y in held])) * len(held) for held in bins if held]
    return math.fsum(gaps) / len(ahead)


def in_words(quality: Quality) -> str:
    """The figures in one line."""
    low, high = quality.accuracy_interval
    length = (
        "score and length do not go together in any way that can be measured"
        if quality.length_correlation is None
        else f"correlation of score and length {quality.length_correlation:+.2f}"
    )
    return (
        f"{quality.accuracy:.1%} of {quality.num_pairs} held-out pairs right ({low:.1%} to {high:.1%}), calibration error "
        f"{quality.calibration_error:.3f}, {length} (the rule 'longer is better': {quality.length_rule_accuracy:.1%})"
    )


def alarms(quality: Quality) -> Iterator[str]:
    """What a reader should know before a policy is trained on these scores."""
    low, high = quality.accuracy_interval
    if low <= 0.5 <= high:
        yield (
            f"alarm: {quality.num_pairs} held-out pairs do not tell this reward model from a coin ({low:.1%} to {high:.1%} "
            "right); train longer, or on more pairs"
        )
    elif high < 0.5:
        yield (
            f"alarm: the reward model is wrong more often than right ({quality.accuracy:.1%}); are chosen and rejected "
            "the right way round?"
        )
    found = quality.length_correlation
    if found is not None and abs(found) > BIASED_FROM:
        kind = "long" if found > 0 else "short"
        yield (
            f"alarm: score and length correlate by {found:+.2f}: the reward model likes {kind} replies, and a policy "
            f"trained on it will write {kind} ones; balance the pairs by length, or add a length reward"
        )
    if low > 0.5 and quality.length_rule_accuracy >= quality.accuracy:
        yield (
            f"alarm: the rule 'longer is better' is right on {quality.length_rule_accuracy:.1%} of the pairs, no less than "
            "the reward model; the pairs may teach nothing else"
        )


def _mean_and_std(scores: Sequence[float]) -> tuple[float, float]:
    """Of at least two scores; 1 stands for a deviation of nothing, which could not be divided by."""
    centre = mean(scores)
    spread = math.sqrt(math.fsum((score - centre) ** 2 for score in scores) / (len(scores) - 1))
    return centre, spread if spread > _SMALLEST_STD else 1.0


def _share_positive(values: Sequence[float]) -> float:
    """The share above 0; a 0 counts a half."""
    return mean([0.5 if value == 0 else float(value > 0) for value in values])


def _softplus(value: float) -> float:
    return max(value, 0.0) + math.log1p(math.exp(-abs(value)))


def _quantiles(values: Sequence[float]) -> dict[str, float]:
    """Linear between the two values beside the place."""
    ordered = sorted(values)
    found = {}
    for share in _QUANTILES:
        place = share * (len(ordered) - 1)
        low = math.floor(place)
        high = min(low + 1, len(ordered) - 1)
        found[f"{share:g}"] = ordered[low] + (place - low) * (ordered[high] - ordered[low])
    return found
