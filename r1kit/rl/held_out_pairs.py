"""The policy's own opinion on held-out preference pairs, while training goes on."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from r1kit.config.rl import RlConfig
from r1kit.core.errors import DataError
from r1kit.models.policy import Policy
from r1kit.models.texts import text_ids
from r1kit.rl.passes import measured_logprobs
from r1kit.rl.reward_watch import RewardWatch
from r1kit.rl.rows import RlRow
from r1kit.rollout.estimators import wilson_interval
from r1kit.rollout.setup import left_out_in_words
from r1kit.tasks.preferences import LoadedPreferences, PreferencePair
from r1kit.tracking.tracker import Tracker
from r1kit.training.recovery import MicroBatchSize


@dataclass(slots=True)
class HeldOutPairs:
    """Compares every `pairs.every` steps, or never without pairs; remembers the first and the last figure."""

    config: RlConfig
    policy: Policy
    pairs: Sequence[PreferencePair]
    tracker: Tracker
    watch: RewardWatch
    size: MicroBatchSize
    first: dict[str, float] = field(default_factory=dict)
    last: dict[str, float] = field(default_factory=dict)

    def evaluate(self, step: int) -> None:
        """Measure and log when it is `step`'s turn: before the first, every so many, after the last."""
        plan = self.config.pairs
        if plan is None or (step % plan.every != 0 and step != self.config.steps):
            return
        accuracy = preference_accuracy(self.policy, self.pairs, self.size)
        low, high = wilson_interval(accuracy * len(self.pairs), len(self.pairs))
        self.last = {"accuracy": accuracy, "accuracy_low": low, "accuracy_high": high}
        self.first = self.first or self.last
        metrics = {f"pairs/{name}": value for name, value in self.last.items()}
        self.tracker.metrics(step, metrics | self.watch.compare(step, accuracy, low))
        self.tracker.say(
            f"step {step}: the better of two held-out replies is the likelier one in {accuracy:.1%}"
        )

    def summary(self) -> dict[str, float]:
        """The first and the last figures, as `pairs/NAME` and `pairs_before/NAME`."""
        after = {f"pairs/{name}": value for name, value in self.last.items()}
        return {f"pairs_before/{name}": value for name, value in self.first.items()} | after


def usable_pairs(
    policy: Policy, loaded: LoadedPreferences, source: str, say: Callable[[str], None]
) -> list[PreferencePair]:
    """The pairs whose texts fit the model's context; how many there are and what was left out is said.

    Raises:
        DataError: none is left.
    """
    dropped = Counter(loaded.dropped)
    context = policy.context_length
    kept = [
        pair
        for number, pair in enumerate(loaded.pairs)
        if context is None or max(map(len, _rows(policy, pair, number))) <= context
    ]
    if len(kept) < len(loaded.pairs):
        dropped[f"longer than the model's context of {context} tokens"] += len(loaded.pairs) - len(kept)
    said = left_out_in_words(len(kept), "pairs", dropped)
    if not kept:
        raise DataError(f"{source}: no pair can be used ({said})")
    say(f"{source}: {said}")
    return kept


def preference_accuracy(policy: Policy, pairs: Sequence[PreferencePair], size: MicroBatchSize) -> float:
    """The share of `pairs` whose chosen reply is the likelier one, a token on the mean; ties count a half.

    On the mean of its tokens and not on their sum, so that a short reply is not preferred for being short.
    """
    rows = [row for number, pair in enumerate(pairs) for row in _rows(policy, pair, number)]
    with policy.sampling():
        means = [values.mean().item() for values in measured_logprobs(policy, rows, 1.0, size)]
    won = [
        1.0 if chosen > rejected else 0.5 if chosen == rejected else 0.0
        for chosen, rejected in zip(means[::2], means[1::2], strict=True)
    ]
    return sum(won) / len(won)


def _rows(policy: Policy, pair: PreferencePair, number: int) -> list[RlRow]:
    texts = [
        text_ids(policy.tokenizer, policy.eos_token_ids[0], pair.messages, reply)
        for reply in (pair.chosen, pair.rejected)
    ]
    return [
        RlRow(2 * number + place, number, text.prompt_ids, text.completion_ids, ())
        for place, text in enumerate(texts)
    ]
