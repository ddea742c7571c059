"""Preference pairs for reward models, read from a JSONL file or a hub data set."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass

from r1kit.config.data import PreferenceData
from r1kit.core.errors import DataError
from r1kit.core.problem import Message
from r1kit.tasks.fields import IdRegister, row_id
from r1kit.tasks.preference_layouts import RawPair, read_pair
from r1kit.tasks.rows import read_rows


@dataclass(frozen=True, slots=True)
class PreferencePair:
    """Two replies to one prompt; `chosen` is the preferred one, `margin` by how much, where that is known."""

    id: str
    messages: tuple[Message, ...]
    chosen: str
    rejected: str
    margin: float | None = None


@dataclass(frozen=True, slots=True)
class LoadedPreferences:
    """Pairs, and how many rows were left out by reason."""

    pairs: list[PreferencePair]
    dropped: Mapping[str, int]


def load_preferences(data: PreferenceData) -> LoadedPreferences:
    """The pairs of a data section, in the order of their rows.

    Rows whose replies are equal or empty, or whose prompts are not the same, hold no preference that can be
    learned; they are left out and counted.

    Raises:
        DataError: the source or one of its rows cannot be used, or no row is left.
        EnvironmentError_: the hub cannot be reached.
    """
    pairs: list[PreferencePair] = []
    dropped: Counter[str] = Counter()
    ids = IdRegister()
    for row in read_rows(data):
        raw = read_pair(row, data)
        reason = raw.unusable or _fault(raw)
        if reason is not None:
            dropped[reason] += 1
            continue
        name = row_id(row, data.columns.id, is_asked_for="id" in data.columns.model_fields_set)
        ids.add(name, row.place)
        pairs.append(PreferencePair(name, raw.messages, raw.chosen, raw.rejected, raw.margin))
    if not pairs:
        reasons = ", ".join(f"{count} {reason}" for reason, count in dropped.items())
        raise DataError(f"{data.path}: no row holds a pair that can be learned from ({reasons})")
    return LoadedPreferences(pairs, dict(dropped))


def _fault(raw: RawPair) -> str | None:
    """Why two replies cannot be told apart; None when they can."""
    if not (raw.chosen.strip() and raw.rejected.strip()):
        return "empty reply"
    return "equal replies" if raw.chosen.strip() == raw.rejected.strip() else None
