"""The verdict on a completion: extraction, the cheap path, the cache, and a worker for everything else."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from queue import SimpleQueue
from threading import Event, Semaphore, Thread
from typing import Final, TypeVar

from r1kit.core.rollout import Verdict
from r1kit.rewards.math.extract import extract_answer
from r1kit.rewards.math.reading.numerals import read_plain
from r1kit.rewards.math.tree import MAX_CHARS
from r1kit.rewards.math.workers.pool import Pool, shared_pool

T = TypeVar("T")

MAX_CACHED: Final = 100_000
MAX_AHEAD_PER_WORKER: Final = 8


@dataclass(frozen=True, slots=True)
class CheckResult:
    """A verdict, and the text of the final answer it is about (None when there is none)."""

    verdict: Verdict
    extracted: str | None

    @property
    def correct(self) -> bool:
        """Whether the verdict is CORRECT."""
        return self.verdict is Verdict.CORRECT


def check(gold: str | Sequence[str], completion: str, *, marked_only: bool = False) -> CheckResult:
    r"""Whether the final answer of a text written by a language model equals the gold answer.

    `gold` is the right answer as text, in LaTeX or plain notation, or several of which any is right.
    `completion` is the whole text: the answer is looked for behind the last `</think>`, in the last
    `<answer>...</answer>`, else in the last `\boxed{...}`, else, unless `marked_only`, where it is clearly
    announced ("The answer is 5.", "#### 5"), or it is the whole text.

    >>> check(r"\frac{1}{2}", r"So we get \boxed{0.5}.").correct
    True
    >>> check("[0, 1)", r"\boxed{0 \le x \le 1}").verdict
    <Verdict.WRONG: 'wrong'>

    The verdict is CORRECT or WRONG, or says why there is nothing to compare: NO_ANSWER (none was given, or
    several where the gold is one), UNPARSABLE (it is outside the grammar, too large, or undefined, such as 1/0),
    TIMED_OUT (comparing took longer than the time or the memory that a worker has). `docs/math.md` lists the
    conventions, for example that a rounded decimal is wrong and a missing unit is not.

    Nothing of either text is ever executed. Never raises for any text; EnvironmentError_ when no worker
    process can be started. Safe to call from threads, and from processes that were forked.
    """
    return _check(gold, completion, shared_pool(), marked_only=marked_only)


def check_many(
    pairs: Iterable[tuple[str | Sequence[str], str]], *, num_workers: int = 1, marked_only: bool = False
) -> Iterator[CheckResult]:
    """`check` for many pairs of gold and completion, on several processes; results in the order of the pairs.

    Each result is handed out as soon as it and those before it are there. A thread reads the pairs, a few a worker
    ahead, so that a source which has nothing yet holds up nothing read before.
    """
    with Pool(num_workers) as pool, ThreadPoolExecutor(num_workers) as threads:

        def futures() -> Iterator[Future[CheckResult]]:
            for gold, completion in pairs:
                yield threads.submit(_check, gold, completion, pool, marked_only=marked_only)

        for future in _read_ahead(futures(), MAX_AHEAD_PER_WORKER * num_workers):
            yield future.result()


def _read_ahead(items: Iterable[T], most: int) -> Iterator[T]:
    """The items, read by a thread of their own: a source that has nothing yet holds up nothing read before.

    At most `most` are read and not yet handed out. What the source raises comes out behind its last item.
    """
    read: SimpleQueue[tuple[T] | BaseException | None] = SimpleQueue()
    room, is_over = Semaphore(most), Event()

    def fill() -> None:
        try:
            for item in items:
                room.acquire()
                if is_over.is_set():
                    return
                read.put((item,))
            read.put(None)
        except BaseException as error:  # noqa: BLE001  # raised again where the items are used
            read.put(error)

    # a daemon: it may wait for a pipe that nobody closes
    Thread(target=fill, daemon=True).start()
    try:
        while (item := read.get()) is not None:
            if isinstance(item, BaseException):
                raise item
            yield item[0]
            room.release()
    finally:
        is_over.set()
        room.release()


def gold_is_usable(gold: str) -> str | None:
    """None when answers can be checked against this gold; else why not, for the caller to report."""
    if read_plain(gold) is not None:
        return None
    return shared_pool().why_gold_is_unusable(gold)


def _check(gold: str | Sequence[str], completion: str, pool: Pool, *, marked_only: bool) -> CheckResult:
    extracted = extract_answer(completion, marked_only=marked_only)
    if extracted is None:
        return CheckResult(Verdict.NO_ANSWER, None)
    golds = (gold,) if isinstance(gold, str) else gold
    verdicts = set()
    for one in golds:
        verdicts.add(_compare(one, extracted, pool))
        if Verdict.CORRECT in verdicts:
            break
    verdict = next((one for one in _MOST_TELLING if one in verdicts), Verdict.UNPARSABLE)
    return CheckResult(verdict, extracted)


_MOST_TELLING: Final = (
    Verdict.CORRECT,
    Verdict.TIMED_OUT,
    Verdict.WRONG,
    Verdict.NO_ANSWER,
    Verdict.UNPARSABLE,
)


def _compare(gold: str, answer: str, pool: Pool) -> Verdict:
    plain = read_plain(gold), read_plain(answer)
    if plain[0] is not None and plain[1] is not None:
        return Verdict.CORRECT if plain[0] == plain[1] else Verdict.WRONG
    if gold == answer and gold.strip():
        return Verdict.CORRECT
    if max(len(gold), len(answer)) > MAX_CHARS:
        # Nothing so long is read, sent to a worker or remembered.
        return Verdict.UNPARSABLE
    return _VERDICTS.of(gold, answer, pool)


class _Cache:
    """The verdicts of workers by gold and answer; emptied when it is full. A timeout is not kept.

    Without a lock, since each use of the dictionary is one step: a lock could be held by another thread at the
    moment of a fork.
    """

    def __init__(self) -> None:
        self._known: dict[tuple[str, str], Verdict] = {}

    def of(self, gold: str, answer: str, pool: Pool) -> Verdict:
        verdict = self._known.get((gold, answer))
        if verdict is None:
            verdict = pool.decide(gold, answer)
            if len(self._known) >= MAX_CACHED:
                self._known.clear()
            if verdict is not Verdict.TIMED_OUT:
                self._known[gold, answer] = verdict
        return verdict


_VERDICTS: Final = _Cache()
