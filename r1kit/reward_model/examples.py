"""Preference pairs as token ids, and which of them are held out."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from r1kit.config.reward_model import RewardModelConfig
from r1kit.core.errors import DataError
from r1kit.core.problem import Message
from r1kit.core.seeds import derive_seed
from r1kit.models.policy import Policy
from r1kit.models.texts import text_ids
from r1kit.rewards.span import Span, span_of
from r1kit.rollout.setup import left_out_in_words
from r1kit.tasks.preferences import LoadedPreferences, PreferencePair

Prompt = tuple[Message, ...]


@dataclass(frozen=True, slots=True)
class PairIds:
    """A pair as token ids; both replies end with the token that ends a turn."""

    id: str
    prompt_ids: tuple[int, ...]
    chosen_ids: tuple[int, ...]
    rejected_ids: tuple[int, ...]
    margin: float | None = None

    @property
    def num_tokens(self) -> int:
        """The tokens of its longer text."""
        return len(self.prompt_ids) + max(len(self.chosen_ids), len(self.rejected_ids))


def split_pairs(
    config: RewardModelConfig, loaded: LoadedPreferences, eval_loaded: LoadedPreferences | None
) -> tuple[LoadedPreferences, LoadedPreferences]:
    """The pairs to train on and the held-out ones; no prompt is on both sides.

    Pairs of `eval_loaded` are held out where there are any, and what shares a prompt with them is not trained on. Else a
    share of the prompts is held out with all their pairs; which ones depends on the seed alone.

    Raises:
        DataError: nothing is left to train on, or too few prompts are there to hold one out.
    """
    loaded = _with_span(loaded, config.span, config.data.path)
    if eval_loaded is None:
        return _hold_out(config, loaded)
    eval_loaded = _with_span(eval_loaded, config.span, (config.eval_data or config.data).path)
    held_out = {pair.messages for pair in eval_loaded.pairs}
    train = [pair for pair in loaded.pairs if pair.messages not in held_out]
    if not train:
        raise DataError(
            f"{config.data.path}: every prompt is also in eval_data, so nothing is left to train on"
        )
    dropped = Counter(loaded.dropped)
    if len(train) < len(loaded.pairs):
        dropped["the prompt is in eval_data"] += len(loaded.pairs) - len(train)
    return LoadedPreferences(train, dict(dropped)), eval_loaded


def _with_span(loaded: LoadedPreferences, span: Span, source: str) -> LoadedPreferences:
    """The pairs whose replies have what is judged, and differ in it; the others are counted."""
    dropped = Counter(loaded.dropped)
    kept: list[PreferencePair] = []
    for pair in loaded.pairs:
        chosen, rejected = span_of(pair.chosen, span), span_of(pair.rejected, span)
        if chosen is None or rejected is None:
            dropped["a reply has no summary"] += 1
        elif chosen == rejected:
            dropped["equal summaries"] += 1
        else:
            kept.append(pair)
    if not kept:
        raise DataError(f"{source}: no pair can be used ({left_out_in_words(0, 'pairs', dropped)})")
    return LoadedPreferences(kept, dict(dropped))


def _hold_out(
    config: RewardModelConfig, loaded: LoadedPreferences
) -> tuple[LoadedPreferences, LoadedPreferences]:
    by_prompt: dict[Prompt, list[PreferencePair]] = {}
    for pair in loaded.pairs:
        by_prompt.setdefault(pair.messages, []).append(pair)
    if len(by_prompt) < 2:
        raise DataError(
            f"{config.data.path}: all pairs are about one prompt, so none can be held out; give eval_data, or pairs "
            "about more prompts"
        )
    prompts = list(by_prompt)
    random.Random(derive_seed(config.seed, "reward-model", "held out")).shuffle(prompts)
    wanted = max(1, round(config.held_out_share * len(loaded.pairs)))
    held_out: set[Prompt] = set()
    num_pairs = 0
    for prompt in prompts[:-1]:
        if num_pairs >= wanted:
            break
        held_out.add(prompt)
        num_pairs += len(by_prompt[prompt])
    # both keep the order of the rows
    train = [pair for pair in loaded.pairs if pair.messages not in held_out]
    kept = [pair for pair in loaded.pairs if pair.messages in held_out]
    return LoadedPreferences(train, loaded.dropped), LoadedPreferences(kept, {})


def tokenize_pairs(
    policy: Policy,
    loaded: LoadedPreferences,
    config: RewardModelConfig,
    source: str,
    say: Callable[[str], None],
) -> list[PairIds]:
    """The pairs of `loaded` as the reward model is to see them; what is left out is counted and said.

    Raises:
        DataError: none is left.
    """
    longest, limit = policy.longest_text(config.max_length)
    left_out = Counter(loaded.dropped)
    kept: list[PairIds] = []
    for pair in loaded.pairs:
        ids = _tokenize(policy, pair, config.span)
        if ids.num_tokens > longest:
            left_out[f"longer than {limit}"] += 1
        else:
            kept.append(ids)
    said = left_out_in_words(len(kept), "pairs", left_out)
    if not kept:
        raise DataError(f"{source}: no pair can be used ({said})")
    say(f"{source}: {said}{_margins_in_words(kept, config.margin_weight)}")
    return kept


def _tokenize(policy: Policy, pair: PreferencePair, span: Span) -> PairIds:
    one, two = (
        text_ids(policy.tokenizer, policy.eos_token_ids[0], pair.messages, span_of(text, span) or "")
        for text in (pair.chosen, pair.rejected)
    )
    return PairIds(pair.id, one.prompt_ids, one.completion_ids, two.completion_ids, pair.margin)


def _margins_in_words(pairs: Sequence[PairIds], weight: float) -> str:
    num = sum(pair.margin is not None for pair in pairs)
    if num and not weight:
        return f"; {num} have a margin, which margin_weight 0 leaves unused"
    if weight and num < len(pairs):
        return f"; {len(pairs) - num} have no margin, which counts as 0"
    return ""
