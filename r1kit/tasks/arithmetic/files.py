"""The JSONL files that the repository ships under `data/`, made from fixed seeds."""

from __future__ import annotations

import json
import random
from collections.abc import Iterable, Mapping
from typing import Any, Final, TypeVar

from r1kit.core.problem import Message, Problem
from r1kit.core.seeds import derive_seed
from r1kit.tasks.arithmetic.chains import draw_chain
from r1kit.tasks.arithmetic.problems import generate_problems, test_problems
from r1kit.tasks.arithmetic.traces import Language, Style, reply
from r1kit.tasks.arithmetic.words import draw_exchange

COLD_START_ROWS: Final = 100
COLD_START_STYLES: Final = {Style.CAREFUL: 2, Style.HALF: 4, Style.GUESS: 4}
COLD_START_LANGUAGES: Final = {Language.ENGLISH: 5, Language.CHINESE: 1, Language.MIXED: 4}
_COLD_START_OPERATIONS: Final = (2, 3, 4)
TRAIN_LEVELS: Final = (3, 4)
TRAIN_ROWS_PER_LEVEL: Final = 1200
_TRAIN_SEED: Final = 1
VALIDATION_LEVEL: Final = 4
VALIDATION_ROWS: Final = 100
_VALIDATION_SEED: Final = 2
GENERAL_ROWS: Final = 24

_Kind = TypeVar("_Kind")


def shipped_files() -> dict[str, str]:
    """The content of every shipped JSONL file by its path under `data/`."""
    return {
        "arithmetic/cold_start.jsonl": _jsonl(map(_exchange_row, cold_start_exchanges())),
        "arithmetic/train.jsonl": _jsonl(map(_problem_row, train_problems())),
        "arithmetic/validation.jsonl": _jsonl(map(_problem_row, validation_problems())),
        "general.jsonl": _jsonl(map(_exchange_row, general_exchanges())),
    }


def train_problems() -> list[Problem]:
    """Problems for RL: 3 and 4 operands mixed, so that any first part is a fair sample; none with a banned pair."""
    problems = [
        problem
        for level in TRAIN_LEVELS
        for problem in generate_problems(level, TRAIN_ROWS_PER_LEVEL, _TRAIN_SEED, held_out=False)
    ]
    random.Random(derive_seed("arithmetic train order")).shuffle(problems)
    return problems


def validation_problems() -> list[Problem]:
    """Held-out problems of 4 operands, none of which is in the benchmark."""
    reserved = {problem.problem for problem in test_problems()}
    return generate_problems(
        VALIDATION_LEVEL, VALIDATION_ROWS, _VALIDATION_SEED, held_out=True, exclude=reserved
    )


def cold_start_exchanges() -> list[tuple[str, str]]:
    """Distinct problems with replies of uneven quality: few careful, most of them half worked or guessed."""
    rng = random.Random(derive_seed("arithmetic cold start"))
    styles = _in_shares(COLD_START_STYLES, COLD_START_ROWS, rng)
    languages = _in_shares(COLD_START_LANGUAGES, COLD_START_ROWS, rng)
    exchanges: dict[str, str] = {}
    # Each pass may repeat a problem; a bounded number of passes is far more than enough for distinct ones.
    for _ in range(20 * COLD_START_ROWS):
        if len(exchanges) == COLD_START_ROWS:
            break
        chain = draw_chain(rng, rng.choice(_COLD_START_OPERATIONS), avoid_held_out=True)
        if str(chain) not in exchanges:
            index = len(exchanges)
            exchanges[str(chain)] = reply(chain, styles[index], languages[index], rng)
    return list(exchanges.items())


def general_exchanges() -> list[tuple[str, str]]:
    """Short English exchanges without arithmetic, for the general share of supervised data."""
    rng = random.Random(derive_seed("arithmetic general"))
    drawn = dict.fromkeys(draw_exchange(rng) for _ in range(10 * GENERAL_ROWS))
    return list(drawn)[:GENERAL_ROWS]


def _in_shares(shares: Mapping[_Kind, int], count: int, rng: random.Random) -> list[_Kind]:
    """A shuffled list of `count` items that keeps the shares exactly (they divide `count`)."""
    unit = count // sum(shares.values())
    items = [kind for kind, share in shares.items() for _ in range(share * unit)]
    rng.shuffle(items)
    return items


def _problem_row(problem: Problem) -> dict[str, Any]:
    return {
        "id": problem.id,
        "kind": problem.kind.value,
        "problem": problem.problem,
        "answer": problem.answers[0],
        **problem.extra,
        "marked_only": problem.marked_only,
    }


def _exchange_row(exchange: tuple[str, str]) -> dict[str, Any]:
    question, answer = exchange
    return {"messages": [Message("user", question).as_dict(), Message("assistant", answer).as_dict()]}


def _jsonl(rows: Iterable[Mapping[str, Any]]) -> str:
    return "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows)
