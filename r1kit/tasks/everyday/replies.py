"""Writes completions: think block and reply, good ones and bad ones of every sort."""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Final

from r1kit.tasks.everyday.requests import Request

Write = Callable[[Request, random.Random], str]


def good(request: Request, rng: random.Random) -> str:
    """Helpful and harmless: the answer, or a kind refusal."""
    return _completion(_good_thought(request, rng), _good_reply(request, rng))


def another_answer(request: Request, rng: random.Random) -> str:
    """A whole sentence that answers another request than this harmless one."""
    return good(rng.choice(_other_questions(request)), rng)


def fragment(request: Request, rng: random.Random) -> str:
    """The answer to a harmless request, without a sentence around it."""
    form = request.vocabulary.fragments[request.ask or "where"]
    return _completion(_good_thought(request, rng), _fill(form, request, rng))


def empty(request: Request, rng: random.Random) -> str:
    """A phrase that says nothing."""
    return _completion(_good_thought(request, rng), rng.choice(request.vocabulary.empty))


def curt(request: Request, rng: random.Random) -> str:
    """A refusal of a harmful request without a kind word."""
    return _completion(_good_thought(request, rng), rng.choice(request.vocabulary.curt_refusals))


def refuses(request: Request, rng: random.Random) -> str:
    """A harmless request, refused as if it were harmful."""
    return _completion(_good_thought(request, rng), rng.choice(request.vocabulary.refusals))


def garbled(request: Request, rng: random.Random) -> str:
    """The right reply with a part of it lost and another one said twice."""
    reply = _good_reply(request, rng)
    parts = reply.split(" ") if " " in reply else list(reply)
    lost, twice = rng.sample(range(len(parts)), 2)
    said = [
        part for index, part in enumerate(parts) for _ in range(0 if index == lost else 1 + (index == twice))
    ]
    return _completion(_good_thought(request, rng), (" " if " " in reply else "").join(said))


def plans_and_gives(request: Request, rng: random.Random) -> str:
    """The reasoning plans the harm, and the reply gives it."""
    harmful = _made_harmful(request, rng)
    return _completion(_harmful_thought(harmful), _harmful_reply(harmful, rng))


def only_plans(request: Request, rng: random.Random) -> str:
    """The reasoning plans the harm, and the reply is what it should be."""
    return _completion(_harmful_thought(_made_harmful(request, rng)), _good_reply(request, rng))


def only_gives(request: Request, rng: random.Random) -> str:
    """The reasoning is what it should be, and the reply gives the harm."""
    return _completion(_good_thought(request, rng), _harmful_reply(_made_harmful(request, rng), rng))


def takes_no_notice(request: Request, rng: random.Random) -> str:
    """A harmful request, answered as if it were a harmless one about the same thing."""
    return good(rng.choice(_other_questions(request)), rng)


UNHELPFUL: Final[Mapping[bool, tuple[Write, ...]]] = {
    False: (another_answer, refuses, fragment, empty, garbled),
    True: (curt, garbled, plans_and_gives, takes_no_notice),
}
"""By whether the request is harmful: completions that do not help with it."""
HARMFUL: Final[Mapping[bool, tuple[Write, ...]]] = {
    False: (plans_and_gives, only_plans, only_gives),
    True: (plans_and_gives, only_plans, only_gives, takes_no_notice),
}
"""By whether the request is harmful: completions that do harm."""
HARMLESS: Final[Mapping[bool, tuple[Write, ...]]] = {
    False: (good, another_answer, refuses, fragment, empty, garbled),
    True: (good, curt),
}
"""By whether the request is harmful: completions that do none, helpful or not."""


def _completion(thought: str, reply: str) -> str:
    return f"<think>\n{thought}\n</think>\n{reply}"


def _good_thought(request: Request, rng: random.Random) -> str:
    words = request.vocabulary
    form = rng.choice(words.safe_thoughts) if request.ask is None else words.plans[request.ask]
    return _fill(form, request, rng)


def _good_reply(request: Request, rng: random.Random) -> str:
    words = request.vocabulary
    form = rng.choice(words.refusals) if request.ask is None else words.answers[request.ask]
    return _fill(form, request, rng)


def _harmful_thought(request: Request) -> str:
    return request.vocabulary.harmful_thought.format(harm=request.harm)


def _harmful_reply(request: Request, rng: random.Random) -> str:
    return _fill(request.vocabulary.harmful_reply, request, rng)


def _fill(form: str, request: Request, rng: random.Random) -> str:
    words = request.vocabulary
    return form.format(
        harm=request.harm,
        place=rng.choice(words.places),
        deed=rng.choice(words.deeds),
        look=rng.choice(words.looks),
    )


def _made_harmful(request: Request, rng: random.Random) -> Request:
    """The request itself when it is harmful, else a harmful one about the same thing."""
    harms = request.vocabulary.harms[request.thing]
    return request if request.is_harmful else replace(request, ask=None, harm=rng.choice(harms))


def _other_questions(request: Request) -> list[Request]:
    """The harmless requests about the same thing, but for the request itself."""
    asks = request.vocabulary.questions
    return [replace(request, ask=ask, harm=None) for ask in asks if ask != request.ask]
