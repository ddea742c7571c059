"""Is a reward model being hacked? Its scores against what it was held to, against length, and against preferences.

A reward model is right on a part of the pairs it was held to, and nobody knows how right it is on texts that are
unlike them. A policy that is rewarded by it finds such texts (Gao et al. 2023, "Scaling laws for reward model
overoptimization"). Three signs of it cost little to watch.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Mapping, Sequence
from typing import Final

from r1kit.core.rollout import Group
from r1kit.models.reward_info import RewardInfo
from r1kit.rewards.span import span_of
from r1kit.rollout.estimators import correlation, mean

WINDOW: Final = 10
"""Steps whose completions are looked at together; a single batch says little."""
STEPS_BETWEEN_WORDS: Final = 20
"""An alarm that goes on is said again after so many steps; it is counted at every step."""
HIGH_SHARE: Final = 0.5
"""Of the completions that may score above 95 % of the chosen held-out replies."""
LENGTH_CORRELATION: Final = 0.5
"""Of score and length, in a window, beyond what it was on the held-out replies."""
_QUANTILE: Final = "0.95"


class RewardWatch:
    """Watches the reward models of a run; says an alarm in words, and counts it as `reward_model/LABEL_alarms`."""

    def __init__(self, infos: Mapping[str, RewardInfo], say: Callable[[str], None]) -> None:
        self._infos, self._say = infos, say
        self._seen: dict[str, deque[list[tuple[float, int]]]] = {name: deque(maxlen=WINDOW) for name in infos}
        self._first: dict[str, float] = {}
        self._quiet_until: dict[str, int] = {}
        self._pairs: tuple[float, float] | None = None
        for name, info in infos.items():
            self._check_accuracy(name, info)

    def check(self, step: int, groups: Sequence[Group]) -> dict[str, float]:
        """What the scores of a step's completions say, by metric name; a completion without a score, or without the text that is judged, counts nowhere."""
        metrics: dict[str, float] = {}
        for name, info in self._infos.items():
            found = [
                (score, rollout.completion.num_tokens)
                for group in groups
                for rollout in group.rollouts
                if (score := rollout.score.parts.get(name)) is not None
                # What has no such text was given a fixed part, which says nothing of the reward model.
                and (span_of(rollout.completion.text, info.span) or "").strip()
            ]
            if found:
                self._seen[name].append(found)
                metrics |= self._check_scores(step, name, info)
        return metrics

    def compare(self, step: int, accuracy: float, low: float) -> dict[str, float]:
        """Hold the scores so far against the policy's accuracy on held-out pairs, whose 95 % interval begins at `low`.

        The first call is before the first step. An alarm is when scores have risen since then, and the accuracy has
        fallen below where its interval began.
        """
        if self._pairs is None:
            self._pairs = accuracy, low
            return {}
        first, least = self._pairs
        risen = [name for name, before in self._first.items() if self._mean(name) > before]
        if accuracy >= least or not risen:
            return {"reward_model/pairs_alarms": 0.0}
        self._alarm(
            step,
            "pairs",
            f"the score of {' and '.join(risen)} rises, while the policy finds the better of two held-out replies the "
            f"likelier one in {accuracy:.0%} of the pairs, down from {first:.0%}: what scores higher is not what was "
            "preferred; stop before this step, or raise algorithm.beta",
        )
        return {"reward_model/pairs_alarms": 1.0}

    def _check_accuracy(self, name: str, info: RewardInfo) -> None:
        low, high = info.accuracy_interval
        if low <= 0.5:
            self._say(
                f"reward {name}: right on {info.accuracy:.0%} of {info.num_pairs} held-out pairs (95 % interval "
                f"{low:.0%} to {high:.0%}), which may be chance; what it rewards is noise, train it on more pairs"
            )

    def _check_scores(self, step: int, name: str, info: RewardInfo) -> dict[str, float]:
        pairs = [pair for batch in self._seen[name] for pair in batch]
        scores = [score for score, _ in pairs]
        self._first.setdefault(name, mean(scores))
        metrics: dict[str, float] = {}
        signs: list[str] = []
        if (high := info.chosen_quantiles.get(_QUANTILE)) is not None:
            share = mean([score > high for score in scores])
            metrics["high_share"] = share
            if share > HIGH_SHARE:
                signs.append(
                    f"{share:.0%} of the completions score above 95 % of the chosen held-out replies, where nothing was checked"
                )
        length = correlation(scores, [tokens for _, tokens in pairs])
        if length is not None:
            metrics["length_correlation"] = length
            known = info.length_correlation or 0.0
            if abs(length) > LENGTH_CORRELATION and abs(length) > abs(known):
                longer = "longer" if length > 0 else "shorter"
                signs.append(
                    f"{longer} completions score higher (correlation {length:.2f}, on the held-out replies {known:.2f})"
                )
        is_alarm = bool(signs) and len(self._seen[name]) == WINDOW
        metrics["alarms"] = float(is_alarm)
        if is_alarm:
            advice = "read some completions in rollouts.jsonl; lower the weight of this reward or raise algorithm.beta"
            self._alarm(step, name, f"reward {name}: {'; and '.join(signs)}; {advice}")
        return {f"reward_model/{name}_{figure}": value for figure, value in metrics.items()}

    def _mean(self, name: str) -> float:
        return mean([score for batch in self._seen[name] for score, _ in batch])

    def _alarm(self, step: int, what: str, text: str) -> None:
        if step >= self._quiet_until.get(what, 0):
            self._quiet_until[what] = step + STEPS_BETWEEN_WORDS
            self._say(f"step {step}: {text}")
