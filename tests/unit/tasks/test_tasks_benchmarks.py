"""Named benchmarks and prompts."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest

from r1kit.config.data import ProblemData
from r1kit.config.stages import EvalConfig, EvalTask
from r1kit.core.errors import ConfigError
from r1kit.core.problem import Message, Problem
from r1kit.tasks.arithmetic.problems import test_problems as benchmark_problems
from r1kit.tasks.benchmarks import BENCHMARKS, find_benchmark, load_benchmark
from r1kit.tasks.prompts import NAMED_PROMPTS, build_messages

PROBLEM = Problem(id="a", problem="Find {x} in \\frac{1}{2}.")


@pytest.fixture
def rows(tmp_path: Path) -> str:
    path = tmp_path / "mine.jsonl"
    lines = [{"id": f"p{n}", "problem": f"{n}+1", "answer": n + 1} for n in range(5)]
    path.write_text("".join(json.dumps(line) + "\n" for line in lines), encoding="utf-8")
    return str(path)


def test_each_hub_benchmark_is_pinned_to_a_commit_and_asks_for_a_box_or_a_block() -> None:
    hub = [benchmark.data for benchmark in BENCHMARKS.values() if benchmark.data is not None]
    assert [data.path for data in hub] == [
        "HuggingFaceH4/aime_2024",
        "HuggingFaceH4/MATH-500",
        "openai/gsm8k",
        "openai/openai_humaneval",
        "google-research-datasets/mbpp",
        "livecodebench/code_generation_lite",
    ]
    assert all(re.fullmatch(r"[0-9a-f]{40}", str(data.revision)) for data in hub)
    assert [data.prompt for data in hub] == ["boxed"] * 3 + ["complete_code", "code", "code"]
    assert [data.kind for data in hub] == ["math"] * 3 + ["code"] * 3


def test_aime_is_measured_as_in_the_r1_report() -> None:
    sampling = EvalConfig(model="m", output="o", tasks=("aime",)).sampling
    assert find_benchmark("aime").num_samples == 64
    assert (sampling.temperature, sampling.top_p, sampling.max_new_tokens) == (0.6, 0.95, 32768)


def test_a_misspelt_benchmark_names_the_nearest() -> None:
    with pytest.raises(
        ConfigError, match=r"unknown benchmark 'mth500'; one of: aime, .*did you mean math500\?"
    ):
        find_benchmark("mth500")


def test_a_file_is_asked_with_the_prompt_of_its_benchmark_unless_it_sets_one(rows: str) -> None:
    def prompt(name: str, **fields: Any) -> str:
        return load_benchmark(EvalTask(name=name, data=ProblemData(path=rows, **fields))).data.prompt

    assert prompt("aime") == "boxed"
    assert prompt("aime", prompt="{problem}") == "{problem}"
    assert prompt("aime", prompt="think_answer") == "think_answer"
    assert prompt("arithmetic") == "{problem}"
    assert prompt("my-own") == "{problem}"


def test_the_smaller_limit_of_task_and_data_holds(rows: str) -> None:
    def count(task_limit: int | None, data_limit: int | None) -> int:
        data = ProblemData(path=rows, limit=data_limit)
        return len(load_benchmark(EvalTask(name="mine", data=data, limit=task_limit)).problems)

    assert [count(None, None), count(2, None), count(None, 3), count(2, 3), count(4, 3)] == [5, 2, 3, 2, 3]


def test_a_name_of_ones_own_needs_data() -> None:
    with pytest.raises(ConfigError, match="unknown benchmark 'mine'"):
        load_benchmark(EvalTask(name="mine"))


def test_arithmetic_is_generated_and_asked_as_it_is() -> None:
    loaded = load_benchmark(EvalTask(name="arithmetic", limit=3))
    assert loaded.problems == benchmark_problems()[:3]
    assert build_messages(loaded.problems[0], loaded.data) == (Message("user", loaded.problems[0].problem),)


def test_braces_of_a_problem_reach_the_message_untouched() -> None:
    data = ProblemData(path="x.jsonl", prompt="Q: {problem} {y}")
    assert build_messages(PROBLEM, data) == (Message("user", "Q: Find {x} in \\frac{1}{2}. {y}"),)


@pytest.mark.parametrize("name", NAMED_PROMPTS)
def test_a_named_prompt_holds_the_problem_once_and_its_marks(name: str) -> None:
    (message,) = build_messages(PROBLEM, ProblemData(path="x.jsonl", prompt=name))
    assert message.content.count(PROBLEM.problem) == 1
    marks = {
        "boxed": ["\\boxed{}"],
        "think_answer": ["<think>", "</think>", "<answer>", "</answer>"],
        "code": ["```python and ```"],
        "complete_code": ["```python and ```"],
    }[name]
    assert all(mark in message.content for mark in marks)


def test_a_system_prompt_stands_first() -> None:
    data = ProblemData(path="x.jsonl", system_prompt="Be brief.")
    assert [message.role for message in build_messages(PROBLEM, data)] == ["system", "user"]
