"""How data sets write down that one reply is preferred to another: a row in, its parts out."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final

from r1kit.config.data import PreferenceColumns, PreferenceData
from r1kit.core.errors import DataError
from r1kit.core.problem import Message
from r1kit.tasks.fields import require, text_in, wrong_type
from r1kit.tasks.messages import messages_in
from r1kit.tasks.rows import Row

_SPEAKER: Final = re.compile(r"(?:^|\n\n)(Human|Assistant):")
_ROLE: Final = {"Human": "user", "Assistant": "assistant"}
_DIFFERENT_PROMPTS: Final = "the conversations differ before their last turn"


@dataclass(frozen=True, slots=True)
class RawPair:
    """What a row says, or the reason (`unusable`) why it cannot be a pair."""

    messages: tuple[Message, ...] = ()
    chosen: str = ""
    rejected: str = ""
    margin: float | None = None
    unusable: str | None = None


def read_pair(row: Row, data: PreferenceData) -> RawPair:
    """The pair in `row`, read as `data.layout` says.

    Raises:
        DataError: a column is missing or holds something else.
    """
    return _READERS[data.layout](row, data.columns)


def _pairs(row: Row, columns: PreferenceColumns) -> RawPair:
    """{"prompt", "chosen", "rejected"}, or two conversations that differ in their last turn."""
    needed = f"{columns.prompt}, {columns.chosen} and {columns.rejected}"
    chosen, rejected = (
        require(row, column, needed, f"columns.{name}")
        for name, column in (("chosen", columns.chosen), ("rejected", columns.rejected))
    )
    margin = _number(row, columns.margin, row.values.get(columns.margin))
    if isinstance(chosen, list) and isinstance(rejected, list):
        before = () if row.values.get(columns.prompt) is None else _prompt(row, columns, needed)
        return _conversations(
            messages_in(row, columns.chosen, chosen),
            messages_in(row, columns.rejected, rejected),
            before,
            margin,
        )
    return RawPair(
        _prompt(row, columns, needed),
        text_in(row, columns.chosen, chosen),
        text_in(row, columns.rejected, rejected),
        margin,
    )


def _prompt(row: Row, columns: PreferenceColumns, needed: str) -> tuple[Message, ...]:
    value = require(row, columns.prompt, needed, "columns.prompt")
    if isinstance(value, list):
        return messages_in(row, columns.prompt, value)
    text = text_in(row, columns.prompt, value)
    if not text.strip():
        raise wrong_type(row, columns.prompt, value, "a prompt")
    return (Message("user", text),)


def _conversations(
    chosen: tuple[Message, ...],
    rejected: tuple[Message, ...],
    before: tuple[Message, ...],
    margin: float | None = None,
) -> RawPair:
    """Two conversations as their common beginning and two replies; `before` is the prompt where they hold none."""
    if chosen[-1].role != "assistant" or rejected[-1].role != "assistant":
        return RawPair(unusable="a conversation does not end with a reply")
    if chosen[:-1] != rejected[:-1]:
        return RawPair(unusable=_DIFFERENT_PROMPTS)
    messages = chosen[:-1] or before
    if not messages:
        return RawPair(unusable="there is nothing before the replies")
    return RawPair(messages, chosen[-1].content, rejected[-1].content, margin)


def _ultrafeedback(row: Row, columns: PreferenceColumns) -> RawPair:
    """Conversations, and a score from 1 to 10 of each; the margin is the difference of the scores."""
    scores = [_number(row, name, row.values.get(name)) for name in ("score_chosen", "score_rejected")]
    pair = _pairs(row, columns)
    if None in scores or pair.unusable:
        return pair
    better, worse = (score for score in scores if score is not None)
    if better == worse:
        return RawPair(unusable="both replies have the same score")
    return RawPair(pair.messages, pair.chosen, pair.rejected, better - worse)


def _hh_rlhf(row: Row, columns: PreferenceColumns) -> RawPair:
    r"""Two dialogs as text, each turn behind "\n\nHuman:" or "\n\nAssistant:"."""
    dialogs = []
    for name, column in (("chosen", columns.chosen), ("rejected", columns.rejected)):
        value = require(row, column, f"{columns.chosen} and {columns.rejected}", f"columns.{name}")
        turns = _turns(text_in(row, column, value))
        if not turns:
            raise wrong_type(row, column, value, "a dialog of turns behind Human: and Assistant:")
        dialogs.append(turns)
    return _conversations(dialogs[0], dialogs[1], ())


def _turns(dialog: str) -> tuple[Message, ...]:
    """The turns of a dialog, without the white space around each."""
    parts = _SPEAKER.split(dialog)
    if parts[0].strip():
        return ()
    return tuple(
        Message(_ROLE[speaker], text.strip()) for speaker, text in zip(parts[1::2], parts[2::2], strict=True)
    )


def _safe_rlhf(label: str) -> Callable[[Row, PreferenceColumns], RawPair]:
    """{"prompt", "response_0", "response_1"} with the number of the preferred reply in `label`."""

    def read(row: Row, columns: PreferenceColumns) -> RawPair:
        needed = f"{columns.prompt}, response_0, response_1 and {label}"
        number = require(row, label, needed, "layout")
        if isinstance(number, bool) or number not in (0, 1):
            raise wrong_type(row, label, number, "0 or 1")
        replies = [
            text_in(row, name, require(row, name, needed, "layout")) for name in ("response_0", "response_1")
        ]
        better = int(str(number))
        return RawPair(_prompt(row, columns, needed), replies[better], replies[1 - better])

    return read


def _number(row: Row, column: str, value: object) -> float | None:
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise wrong_type(row, column, value, "a number")
    if not math.isfinite(value):
        raise DataError(f'{row.place}: field "{column}" is {value}, not a finite number')
    return float(value)


_READERS: Final[Mapping[str, Callable[[Row, PreferenceColumns], RawPair]]] = {
    "pairs": _pairs,
    "ultrafeedback_binarized": _ultrafeedback,
    "hh_rlhf": _hh_rlhf,
    "safe_rlhf_helpful": _safe_rlhf("better_response_id"),
    "safe_rlhf_harmless": _safe_rlhf("safer_response_id"),
}
