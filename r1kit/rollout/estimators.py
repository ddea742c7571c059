"""pass@k, cons@k and standard errors from k samples a problem."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence


def pass_at_k(num_samples: int, num_correct: int, k: int) -> float:
    """Unbiased estimate of the chance that at least one of `k` samples is correct.

    1 - C(n - c, k) / C(n, k), from n samples of which c are correct (Chen et al. 2021, "Evaluating Large
    Language Models Trained on Code", eq. 1).

    Raises:
        ValueError: k is not in 1..n, or c not in 0..n.
    """
    if not 1 <= k <= num_samples:
        raise ValueError(f"k must be in 1..{num_samples}, got {k}")
    if not 0 <= num_correct <= num_samples:
        raise ValueError(f"num_correct must be in 0..{num_samples}, got {num_correct}")
    return 1.0 - math.comb(num_samples - num_correct, k) / math.comb(num_samples, k)


def majority_is_correct(answers: Sequence[str | None], correct: Sequence[bool]) -> float:
    """cons@k of one problem: whether the most frequent answer is correct (Wang et al. 2022, self-consistency).

    `answers` are the extracted answers, None where a sample has none (those do not vote). Among equally
    frequent answers each is as likely to be taken, so the value is the share of them that is correct.
    """
    votes = Counter(_normal(answer) for answer in answers if answer is not None)
    if not votes:
        return 0.0
    verdicts = {_normal(a): c for a, c in zip(answers, correct, strict=True) if a is not None}
    top = max(votes.values())
    winners = [answer for answer, count in votes.items() if count == top]
    return sum(verdicts[answer] for answer in winners) / len(winners)


def _normal(answer: str) -> str:
    return "".join(answer.split())


def mean(values: Sequence[float]) -> float:
    """The arithmetic mean of at least one value."""
    return math.fsum(values) / len(values)


def first_and_last_tenth(values: Sequence[float]) -> tuple[float, float]:
    """The means over the first and over the last tenth of at least one value: where a noisy curve began and ended."""
    tenth = max(1, len(values) // 10)
    return mean(values[:tenth]), mean(values[-tenth:])


def standard_error(values: Sequence[float]) -> float | None:
    """Standard error of the mean of independent `values`; None for fewer than two."""
    if len(values) < 2:
        return None
    centre = mean(values)
    variance = math.fsum((value - centre) ** 2 for value in values) / (len(values) - 1)
    return math.sqrt(variance / len(values))


def wilson_interval(num_successes: float, num_trials: int) -> tuple[float, float]:
    """The 95 % interval of a share (Wilson 1927), which stays within 0 and 1 and is right for few trials too.

    `num_successes` may hold halves, as for ties.

    Raises:
        ValueError: there is no trial, or there are more successes than trials.
    """
    if not 0 <= num_successes <= num_trials or num_trials < 1:
        raise ValueError(f"{num_successes} successes of {num_trials} trials are no share")
    z = 1.959963984540054  # the standard normal's 97.5 % quantile
    share = num_successes / num_trials
    centre = share + z * z / (2 * num_trials)
    width = z * math.sqrt(share * (1 - share) / num_trials + (z / (2 * num_trials)) ** 2)
    scale = 1 + z * z / num_trials
    # rounding may put a bound that is the share itself beside it
    return max(0.0, min(share, (centre - width) / scale)), min(1.0, max(share, (centre + width) / scale))


def correlation(first: Sequence[float], second: Sequence[float]) -> float | None:
    """Pearson's correlation of pairs of values; None for fewer than two pairs, or where one side is constant."""
    if len(first) < 2:
        return None
    centre, other = mean(first), mean(second)
    together = math.fsum((a - centre) * (b - other) for a, b in zip(first, second, strict=True))
    spread = math.fsum((a - centre) ** 2 for a in first) * math.fsum((b - other) ** 2 for b in second)
    return together / math.sqrt(spread) if spread > 0 else None
