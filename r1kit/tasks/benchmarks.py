"""Benchmarks by name: where their problems are, and how DeepSeek-R1 was measured on them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from r1kit.config.data import ProblemColumns, ProblemData
from r1kit.config.stages import EvalTask
from r1kit.core.errors import ConfigError
from r1kit.core.nearest import did_you_mean
from r1kit.tasks.arithmetic.problems import test_problems
from r1kit.tasks.livecodebench import DEFAULT_RELEASE, HUB_ID, REVISION
from r1kit.tasks.problems import LoadedProblems, load_problems
from r1kit.tasks.rows import names_a_file, read_rows


@dataclass(frozen=True, slots=True)
class Benchmark:
    """A benchmark: its problems and the customary way to measure.

    `data` is None when the problems are generated. `num_samples` is the k of the DeepSeek-R1 report (section 3:
    from 4 to 64 by the size of the set, 64 for AIME), or r1kit's own where the report has none; the report's
    sampling is the default of every evaluation.
    """

    name: str
    description: str
    data: ProblemData | None
    num_samples: int

    @property
    def prompt(self) -> str:
        """The default prompt, which also serves files with this benchmark's problems."""
        return "{problem}" if self.data is None else self.data.prompt


_ALL: Final = (
    Benchmark(
        name="aime",
        description="AIME 2024, 30 competition problems with answers from 0 to 999",
        data=ProblemData(
            path="HuggingFaceH4/aime_2024",
            split="train",
            revision="2fe88a2f1091d5048c0f36abc874fb997b3dd99a",
            prompt="boxed",
        ),
        num_samples=64,
    ),
    Benchmark(
        name="math500",
        description="MATH-500, 500 problems from MATH with answers of many kinds",
        data=ProblemData(
            path="HuggingFaceH4/MATH-500",
            split="test",
            revision="6e4ed1a2a79af7d8630a6b768ec859cb5af4d3be",
            columns=ProblemColumns(id="unique_id"),
            prompt="boxed",
        ),
        num_samples=4,
    ),
    Benchmark(
        name="gsm8k",
        description="GSM8K test, 1,319 word problems from primary school with whole numbers as answers",
        data=ProblemData(
            path="openai/gsm8k",
            subset="main",
            split="test",
            revision="740312add88f781978c0658806c59bc2815b9866",
            columns=ProblemColumns(problem="question"),
            answer_after="####",
            prompt="boxed",
        ),
        num_samples=1,
    ),
    Benchmark(
        name="humaneval",
        description="HumanEval, 164 Python functions to complete",
        data=ProblemData(
            path="openai/openai_humaneval",
            split="test",
            revision="7dce6050a7d6d172f3cc5c32aa97f52fa1a2e544",
            columns=ProblemColumns(id="task_id", problem="prompt", solution="canonical_solution"),
            kind="code",
            prompt="complete_code",
        ),
        num_samples=8,
    ),
    Benchmark(
        name="mbpp",
        description="MBPP test, sanitized, 257 short Python functions, asked with their tests",
        data=ProblemData(
            path="google-research-datasets/mbpp",
            subset="sanitized",
            split="test",
            revision="4bb6404fdc6cacfda99d4ac4205087b89d32030c",
            columns=ProblemColumns(id="task_id", problem="prompt", solution="code"),
            kind="code",
            prompt="code",
            shown_tests="all",
        ),
        num_samples=4,
    ),
    Benchmark(
        name="livecodebench",
        description="LiveCodeBench, the problems that release 6 added, of 2025",
        data=ProblemData(
            path=HUB_ID, subset=DEFAULT_RELEASE, split="test", revision=REVISION, kind="code", prompt="code"
        ),
        num_samples=8,
    ),
    Benchmark(
        name="arithmetic",
        description="r1kit's own chains of + - *, 500 problems for each of 4, 5 and 6 operands",
        data=None,
        num_samples=1,
    ),
)

BENCHMARKS: Final = {benchmark.name: benchmark for benchmark in _ALL}
"""Every benchmark by its name."""


def find_benchmark(name: str) -> Benchmark:
    """The benchmark of that name.

    Raises:
        ConfigError: there is none.
    """
    if name not in BENCHMARKS:
        raise ConfigError(
            f"unknown benchmark {name!r}; one of: {', '.join(BENCHMARKS)}, or any name with data of your own"
            f"{did_you_mean(name, BENCHMARKS)}"
        )
    return BENCHMARKS[name]


def load_benchmark(task: EvalTask) -> LoadedProblems:
    """The problems of a task: from its own data when it names some, else the benchmark's.

    Data of its own is read and asked as the benchmark's: with its kind, its prompt, and, if the rows are in the form
    that the benchmark has on the hub, its columns; what the data sets itself comes first. The `data` that comes back
    is the section that `build_messages` needs.

    Raises:
        ConfigError: there is no data, and no benchmark of that name.
        DataError: the data cannot be used.
        EnvironmentError_: the hub cannot be reached.
    """
    data = find_benchmark(task.name).data if task.data is None else _as_the_benchmark(task.data, task.name)
    if data is None:
        return LoadedProblems(test_problems()[: task.limit], {}, ProblemData(path=task.name))
    limits = [limit for limit in (data.limit, task.limit) if limit is not None]
    return load_problems(data.model_copy(update={"limit": min(limits, default=None)}))


def _as_the_benchmark(data: ProblemData, name: str) -> ProblemData:
    """`data` with what it leaves open as the benchmark of that name has it."""
    benchmark = BENCHMARKS.get(name)
    if benchmark is None:
        return data
    theirs: dict[str, Any] = {"prompt": benchmark.prompt}
    if benchmark.data is not None:
        theirs |= {"kind": benchmark.data.kind, "shown_tests": benchmark.data.shown_tests}
        theirs |= _columns(data, benchmark.data)
    ours = data.model_fields_set
    return data.model_copy(update={field: value for field, value in theirs.items() if field not in ours})


def _columns(data: ProblemData, benchmark: ProblemData) -> Mapping[str, Any]:
    """The benchmark's columns for a file that has them, and not those that r1kit's own files have."""
    if "columns" in data.model_fields_set or not names_a_file(data.path):
        return {}
    first = next(read_rows(data.model_copy(update={"limit": 1}))).values
    if data.columns.problem in first or benchmark.columns.problem not in first:
        return {}
    return {"columns": benchmark.columns, "answer_after": benchmark.answer_after}
