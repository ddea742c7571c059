from __future__ import annotations

import gc
import weakref
from collections.abc import Iterator

import pytest
import torch

from r1kit.core.errors import EnvironmentError_, TrainingError
from r1kit.ops.out_of_memory import is_out_of_memory
from r1kit.training.recovery import MicroBatchSize


@pytest.fixture(autouse=True, scope="module")
def frozen() -> Iterator[None]:
    """What is alive already is kept out of the garbage collector's way, which runs at each recovery."""
    gc.collect()
    gc.freeze()
    yield
    gc.unfreeze()


def short_of_memory() -> torch.OutOfMemoryError:
    return torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB")


class Work:
    """Fits a micro-batch of at most `fits` tokens; `texts` of 10 tokens each are cut by the size."""

    def __init__(self, size: MicroBatchSize, fits: int, texts: int = 8) -> None:
        self.size, self.fits, self.texts = size, fits, texts
        self.sizes: list[int] = []
        self.num_resets = 0

    def __call__(self) -> int:
        self.sizes.append(self.size.tokens)
        num = min(self.texts, max(1, self.size.tokens // 10))
        self.size.running(num, 10 * num)
        if 10 * num > self.fits:
            raise short_of_memory()
        return num

    def reset(self) -> None:
        self.num_resets += 1


def sized(tokens: int) -> tuple[MicroBatchSize, list[str]]:
    said: list[str] = []
    return MicroBatchSize(tokens, said.append), said


def test_the_allocator_itself_says_that_the_memory_is_short() -> None:
    with pytest.raises(RuntimeError) as info:
        torch.empty(2**60, dtype=torch.uint8)
    assert is_out_of_memory(info.value)


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        (short_of_memory(), True),
        (RuntimeError("[enforce fail] not enough memory: you tried to allocate 9 bytes."), True),
        (RuntimeError("CUDA error: CUBLAS_STATUS_ALLOC_FAILED when calling cublasCreate(handle)"), True),
        (RuntimeError("shapes cannot be multiplied"), False),
        (TrainingError("not enough memory"), False),
        (ValueError("not enough memory"), False),
    ],
)
def test_only_failed_allocations_are_out_of_memory(error: Exception, expected: bool) -> None:
    assert is_out_of_memory(error) is expected


def test_work_that_fits_runs_once_and_nothing_is_said() -> None:
    size, said = sized(1000)
    work = Work(size, fits=80)
    assert size.recover(work, work.reset) == 8
    assert (size.tokens, size.num_oom, work.num_resets, said) == (1000, 0, 0, [])


def test_the_size_is_halved_from_what_was_run_and_remembered() -> None:
    size, said = sized(1000)
    work = Work(size, fits=30)
    assert size.recover(work, work.reset) == 2
    # 80 tokens ran at 1000, 40 at 40, 20 at 20.
    assert work.sizes == [1000, 40, 20]
    assert (size.tokens, size.num_oom, work.num_resets) == (20, 2, 2)
    assert said[0].startswith("out of memory in a micro-batch of 8 texts, 80 tokens; from now on")
    assert "at most 40 tokens" in said[0]
    assert size.recover(work, work.reset) == 2
    assert len(said) == 2


def test_a_single_text_that_does_not_fit_ends_the_run_with_one_line() -> None:
    size, said = sized(1000)
    work = Work(size, fits=5)
    with pytest.raises(
        EnvironmentError_, match=r"^out of memory: a single text of 10 tokens .* max_length\)$"
    ):
        size.recover(work, work.reset)
    assert work.sizes == [1000, 40, 20, 10, 10, 10]
    assert len(said) == 5


def test_what_cannot_be_cut_is_tried_again_at_the_same_size() -> None:
    size, said = sized(1000)
    failures = [short_of_memory(), short_of_memory()]

    def work() -> str:
        size.running(5, 50)
        size.running(0, 0)
        if failures:
            raise failures.pop()
        return "done"

    assert size.recover(work, lambda: None) == "done"
    assert (size.tokens, size.num_oom) == (1000, 2)
    assert all("the step of the optimizer" in line for line in said)


def test_tensors_of_the_failed_attempt_are_gone_before_the_next_one() -> None:
    size, _ = sized(1000)
    held: list[weakref.ref[torch.Tensor]] = []
    alive: list[bool] = []

    def work() -> int:
        alive.extend(ref() is not None for ref in held)
        activations = torch.zeros(10)
        held.append(weakref.ref(activations))
        size.running(4, 40)
        if len(held) < 3:
            raise short_of_memory()
        return 1

    assert size.recover(work, lambda: alive.extend(ref() is not None for ref in held)) == 1
    assert alive
    assert not any(alive)


def test_other_errors_pass_through() -> None:
    size, _ = sized(1000)

    def broken() -> None:
        raise RuntimeError("shapes cannot be multiplied")

    with pytest.raises(RuntimeError, match="shapes"):
        size.recover(broken, lambda: None)
    assert size.num_oom == 0
