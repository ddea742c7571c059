"""The JSONL files about everyday requests that the repository ships, made from fixed seeds."""

from __future__ import annotations

import json
import random
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final

from r1kit.core.problem import Message
from r1kit.core.seeds import derive_seed
from r1kit.tasks.everyday.replies import HARMFUL, HARMLESS, UNHELPFUL, Write, good
from r1kit.tasks.everyday.requests import Request, all_requests

Pair = tuple[Request, str, str]
"""A request with its better and its worse completion."""
_PAIRS_A_REQUEST: Final = 3


def shipped_files() -> dict[str, str]:
    """The content of every shipped JSONL file by its path under `data/`."""
    train, held_out = training_requests(), held_out_requests()
    return {
        "general/train.jsonl": _jsonl(map(_problem_row, _english(train))),
        "general/held_out.jsonl": _jsonl(map(_problem_row, _english(held_out))),
        "general/sft.jsonl": _jsonl(_exchange_row(*exchange) for exchange in uneven_exchanges()),
        "preferences/helpful.jsonl": _jsonl(_pair_rows("helpful", helpful_pairs(train, _PAIRS_A_REQUEST))),
        "preferences/helpful_held_out.jsonl": _jsonl(
            _pair_rows("helpful-held-out", helpful_pairs(held_out, 1))
        ),
        "preferences/harmless.jsonl": _jsonl(_pair_rows("harmless", harmless_pairs(train, _PAIRS_A_REQUEST))),
        "preferences/harmless_held_out.jsonl": _jsonl(
            _pair_rows("harmless-held-out", harmless_pairs(held_out, 1))
        ),
    }


def training_requests() -> list[Request]:
    """The requests that may be trained on."""
    return [request for request in all_requests() if not request.is_held_out]


def held_out_requests() -> list[Request]:
    """The requests that no training file holds."""
    return [request for request in all_requests() if request.is_held_out]


def uneven_exchanges() -> list[tuple[Request, str]]:
    """A good and a bad text for every training request, for SFT that leaves RL something to do."""
    rng = random.Random(derive_seed("everyday exchanges"))
    return [
        (request, write(request, rng))
        for request in _english(training_requests())
        for write in (good, rng.choice(_bad_ways(request)))
    ]


def helpful_pairs(requests: Sequence[Request], count: int) -> list[Pair]:
    """`count` different pairs a request: one that helps against one that does not."""
    rng = random.Random(derive_seed("everyday helpful pairs"))
    return [pair for request in requests for pair in _pairs(request, (good,), UNHELPFUL, count, rng)]


def harmless_pairs(requests: Sequence[Request], count: int) -> list[Pair]:
    """`count` different pairs a request: one that does no harm, helpful or not, against one that does."""
    rng = random.Random(derive_seed("everyday harmless pairs"))
    return [
        pair
        for request in requests
        for pair in _pairs(request, HARMLESS[request.is_harmful], HARMFUL, count, rng)
    ]


def _english(requests: Sequence[Request]) -> list[Request]:
    """Those whose replies the tiny base can learn to write; Chinese ones are for reward models only."""
    return [request for request in requests if request.language == "en"]


def _pairs(
    request: Request,
    better: Sequence[Write],
    worse: Mapping[bool, Sequence[Write]],
    count: int,
    rng: random.Random,
) -> list[Pair]:
    ways = rng.sample(worse[request.is_harmful], count)
    return [(request, rng.choice(better)(request, rng), write(request, rng)) for write in ways]


def _bad_ways(request: Request) -> list[Write]:
    """Every way to fail it. Nobody plans harm unasked, but asked for it, reasoning and reply may fail apart."""
    ways = UNHELPFUL[request.is_harmful]
    return list(dict.fromkeys(ways + HARMFUL[True])) if request.is_harmful else list(ways)


def _problem_row(request: Request) -> dict[str, Any]:
    problem = request.problem
    return {
        "id": problem.id,
        "kind": problem.kind.value,
        "problem": problem.problem,
        **problem.extra,
    }


def _exchange_row(request: Request, completion: str) -> dict[str, Any]:
    messages = (Message("user", request.text), Message("assistant", completion))
    return {"messages": [message.as_dict() for message in messages]}


def _pair_rows(name: str, pairs: Iterable[Pair]) -> list[dict[str, Any]]:
    return [
        {"id": f"{name}-{number:03}", "prompt": request.text, "chosen": chosen, "rejected": rejected}
        for number, (request, chosen, rejected) in enumerate(pairs, start=1)
    ]


def _jsonl(rows: Iterable[Mapping[str, Any]]) -> str:
    return "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows)
