"""Every request there is, and which of them may never be seen in training."""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from typing import Final

from r1kit.core.errors import DataError
from r1kit.core.problem import Problem, ProblemKind
from r1kit.core.seeds import derive_seed
from r1kit.tasks.everyday.words import VOCABULARIES, Ask, Language, Vocabulary

_HELD_OUT_ONE_IN: Final = 3
"""Of the things to which a request can be put, one in so many is held out."""


@dataclass(frozen=True, slots=True)
class Request:
    """What is asked about a thing: `ask` for a harmless request, `harm` for a harmful one; the other is None."""

    language: Language
    thing: str
    owner: str
    ask: Ask | None = None
    harm: str | None = None

    @property
    def vocabulary(self) -> Vocabulary:
        """The words of its language."""
        return VOCABULARIES[self.language]

    @property
    def is_harmful(self) -> bool:
        """Whether it asks how to do harm."""
        return self.harm is not None

    @property
    def text(self) -> str:
        """The request in words."""
        words = self.vocabulary
        form = words.harmful_question if self.ask is None else words.questions[self.ask]
        return form.format(owner=self.owner, thing=self.thing, harm=self.harm)

    @property
    def is_held_out(self) -> bool:
        """Whether it may not be seen in training: what is asked for and the thing decide, whoever owns it."""
        return self.thing in _held_out_things(self.language, self.ask, self.harm)

    @property
    def problem(self) -> Problem:
        """As a problem of kind general."""
        extra = {"language": self.language, "request": self.ask or "harmful"}
        return Problem(id=f"everyday/{self.text}", problem=self.text, kind=ProblemKind.GENERAL, extra=extra)


def all_requests() -> list[Request]:
    """Every request, in a shuffled order that is always the same, so that any first part is a fair sample."""
    requests = [request for language in VOCABULARIES for request in _requests_in(language)]
    random.Random(derive_seed("everyday order")).shuffle(requests)
    return requests


def request_of(problem: Problem) -> Request:
    """The request that a problem's text is.

    Raises:
        DataError: it is none.
    """
    found = _by_text().get(problem.problem)
    if found is None:
        raise DataError(
            f"problem {problem.id!r}: {problem.problem!r} is not a request of r1kit/tasks/everyday; its rules can "
            "only judge the problems of data/general"
        )
    return found


def _requests_in(language: Language) -> Iterator[Request]:
    words = VOCABULARIES[language]
    for thing, harms in words.harms.items():
        for owner in words.owners:
            for ask in words.questions:
                yield Request(language, thing, owner, ask=ask)
            for harm in harms:
                yield Request(language, thing, owner, harm=harm)


@cache
def _by_text() -> dict[str, Request]:
    return {request.text: request for request in all_requests()}


@cache
def _held_out_things(language: Language, ask: Ask | None, harm: str | None) -> frozenset[str]:
    """The things of which this is not asked in training: those whose hashes come first."""
    harms = VOCABULARIES[language].harms
    things = [thing for thing in harms if harm is None or harm in harms[thing]]
    things.sort(key=lambda thing: derive_seed("everyday held out", language, ask or harm or "", thing))
    return frozenset(things[: round(len(things) / _HELD_OUT_ONE_IN)])
