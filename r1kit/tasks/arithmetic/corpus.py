"""Pretraining documents of the tiny base model: all of the skill, almost none of the habit.

Plain text is always worked with care and right, so the model learns how to carry steps out. Chat almost
always answers at once, with a guess, so that is what the base does when it is asked. No document holds a
banned pair.
"""

from __future__ import annotations

import random
from collections.abc import Iterator
from typing import Final

from r1kit.tasks.arithmetic.chains import Chain, draw_chain
from r1kit.tasks.arithmetic.traces import Language, Style, answer, guess_value, reply, worked_lines
from r1kit.tasks.arithmetic.words import draw_exchange

END: Final = "<|end|>"
"""The base tokenizer's EOS; every document ends with it."""

DOCUMENT_SHARES: Final = {"drill": 0.12, "worked": 0.43, "chat": 0.41, "words": 0.04}
CHAT_SHARES: Final = {
    "number": 0.66,
    "answer": 0.22,
    Style.GUESS: 0.06,
    Style.HALF: 0.02,
    Style.CAREFUL: 0.04,
}
# "answer" outweighs the three that think, so greedy decoding opens with <answer> and cannot show the habit.
LANGUAGE_SHARES: Final = {Language.ENGLISH: 5, Language.CHINESE: 3, Language.MIXED: 2}
OPERATION_SHARES: Final = {1: 1, 2: 2, 3: 3, 4: 2, 5: 2}
_FACTS_PER_DRILL: Final = 6
_MAX_NEWLINES: Final = 6


def documents(rng: random.Random) -> Iterator[str]:
    """Pretraining documents without end, in the shares above, each closed by `END`."""
    makers = {"drill": _drill, "worked": _worked, "chat": _chat, "words": _words}
    kinds, shares = list(DOCUMENT_SHARES), list(DOCUMENT_SHARES.values())
    while True:
        yield makers[rng.choices(kinds, shares)[0]](rng) + END


def chat_text(problem: str, completion: str) -> str:
    """One exchange as `R1_TEMPLATE` renders it, up to and without EOS."""
    return f"User: {problem}\n\nAssistant:\n{completion}"


def draw_language(rng: random.Random) -> Language:
    """A language in the corpus's shares."""
    return rng.choices(list(LANGUAGE_SHARES), list(LANGUAGE_SHARES.values()))[0]


def _draw_problem(rng: random.Random) -> Chain:
    num_operations = rng.choices(list(OPERATION_SHARES), list(OPERATION_SHARES.values()))[0]
    return draw_chain(rng, num_operations, avoid_held_out=True)


def _drill(rng: random.Random) -> str:
    facts = [draw_chain(rng, 1, avoid_held_out=True) for _ in range(_FACTS_PER_DRILL)]
    return "\n".join(f"{fact}={fact.value}" for fact in facts)


def _worked(rng: random.Random) -> str:
    chain = _draw_problem(rng)
    lines, _ = worked_lines(chain, chain.num_operations, draw_language(rng), rng)
    # In chat a few tokens stand between the problem and its first line; gaps teach to copy across them.
    gap = "\n" * rng.randint(1, _MAX_NEWLINES)
    return str(chain) + gap + "\n".join(lines)


def _chat(rng: random.Random) -> str:
    chain = _draw_problem(rng)
    habit = rng.choices(list(CHAT_SHARES), list(CHAT_SHARES.values()))[0]
    if isinstance(habit, Style):
        completion = reply(chain, habit, draw_language(rng), rng)
    else:
        guess = guess_value(chain, rng)
        completion = answer(guess) if habit == "answer" else str(guess)
    return chat_text(str(chain), completion)


def _words(rng: random.Random) -> str:
    question, sentence = draw_exchange(rng)
    return chat_text(question, sentence) if rng.random() < 0.5 else sentence
