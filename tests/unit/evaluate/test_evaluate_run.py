"""Evaluation of the committed tiny base: names of figures, determinism, and every sample on disk."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from r1kit.config.data import ProblemData
from r1kit.config.load import validate
from r1kit.config.sampling import SamplingConfig
from r1kit.config.stages import EvalConfig
from r1kit.core.errors import ConfigError, DataError
from r1kit.core.jsonl import read_jsonl
from r1kit.evaluate import run
from r1kit.evaluate.run import Protocol
from r1kit.rollout.estimators import pass_at_k

DATA = Path(__file__).parents[3] / "data"
TRAIN = str(DATA / "arithmetic/train.jsonl")
NUM_PROBLEMS, K = 30, 4
FIGURES = {
    "num_problems",
    "pass@1",
    "pass@1_stderr",
    "no_answer_rate",
    "truncated_rate",
    "format_rate",
    "mean_tokens",
}


def make_config(output: Path, **changes: Any) -> EvalConfig:
    values = {
        "model": str(DATA / "tiny_base"),
        "output": str(output),
        "seed": 2,
        "tasks": [{"name": "sums", "data": TRAIN, "limit": NUM_PROBLEMS}],
        "num_samples": K,
        "greedy": True,
        "language": "en",
        "sampling": {"temperature": 1.0, "top_p": 1.0, "max_new_tokens": 32},
        "engine": {"batch_size": 400},
    }
    return validate(EvalConfig, values | changes, source="test")


def samples(output: Path) -> list[dict[str, Any]]:
    return [row for _, row in read_jsonl(output / "rollouts.jsonl")]


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    output = tmp_path_factory.mktemp("eval") / "run"
    run(make_config(output))
    return output


@pytest.fixture(scope="module")
def metrics(finished: Path) -> dict[str, Any]:
    return json.loads((finished / "summary.json").read_text())["metrics"]


def under(metrics: dict[str, Any], prefix: str) -> set[str]:
    """The figures right under a prefix."""
    names = (name.removeprefix(prefix) for name in metrics if name.startswith(prefix))
    return {name for name in names if "/" not in name}


def test_figures_are_named_by_task_decoding_and_level(metrics):
    several = {"pass@2", "pass@4", "cons@4"}
    assert under(metrics, "sums/") == FIGURES | several | {"language_rate"}
    # The base never thinks when it decodes greedily, so there is no language to report.
    assert under(metrics, "sums/greedy/") == FIGURES
    for level in ("3", "4"):
        assert under(metrics, f"sums/level={level}/") >= FIGURES | several
        assert under(metrics, f"sums/greedy/level={level}/") == FIGURES
    assert {name.split("/")[0] for name in metrics} == {"sums", "protocols", "left_out"}
    assert metrics["left_out"] == {"sums": {}}


def test_the_metrics_file_holds_one_line_with_the_summarys_numbers(finished, metrics):
    [(_, line)] = read_jsonl(finished / "metrics.jsonl")
    numbers = {name: v for name, v in metrics.items() if name not in ("protocols", "left_out")}
    assert line == {"step": 0, **numbers}


def test_the_protocol_stands_beside_the_figures(metrics):
    assert metrics["protocols"] == {
        "sums/sampled": "k=4, T=1, top-p=1, at most 32 tokens, template auto, prompt {problem}",
        "sums/greedy": "greedy, at most 32 tokens, template auto, prompt {problem}",
    }


def test_filters_and_a_prompt_of_ones_own_belong_to_the_protocol():
    data = ProblemData(
        path=TRAIN, prompt="Work it out\nstep by step, then box it: {problem}", system_prompt="Hi"
    )
    sampling = SamplingConfig(top_k=20, min_p=0.1, max_new_tokens=9)
    assert Protocol("sampled", 2, sampling, "r1", data).describe() == (
        "k=2, T=1, top-p=1, top-k=20, min-p=0.1, at most 9 tokens, template r1, system prompt, "
        "prompt Work it out step by step, then box it..."
    )


def test_every_sample_is_on_disk(finished):
    phases = Counter(row["phase"] for row in samples(finished))
    assert phases == {"sums (sampled)": NUM_PROBLEMS * K, "sums (greedy)": NUM_PROBLEMS}
    for row in samples(finished):
        assert row["verdict"] in ("correct", "wrong", "no_answer", "unparsable")
        assert row["prompt"].startswith("User: ")
        assert 1 <= row["num_tokens"] <= 32


def test_the_figures_follow_from_the_samples_on_disk(finished, metrics):
    correct: Counter[str] = Counter()
    problems, tokens = set(), []
    for row in samples(finished):
        if row["phase"] == "sums (sampled)":
            correct[row["problem_id"]] += row["verdict"] == "correct"
            problems.add(row["problem_id"])
            tokens.append(row["num_tokens"])
    assert len(problems) == metrics["sums/num_problems"] == NUM_PROBLEMS
    for k in (1, 2, 4):
        expected = sum(pass_at_k(K, correct[name], k) for name in problems) / NUM_PROBLEMS
        assert metrics[f"sums/pass@{k}"] == pytest.approx(expected)
    assert metrics["sums/mean_tokens"] == pytest.approx(sum(tokens) / len(tokens))
    assert 0 < metrics["sums/pass@1"] < metrics["sums/pass@4"] < 1


def test_the_levels_add_up_to_the_whole(metrics):
    levels = ["3", "4"]
    counts = [metrics[f"sums/level={level}/num_problems"] for level in levels]
    assert sum(counts) == NUM_PROBLEMS
    weighted = sum(n * metrics[f"sums/level={level}/pass@1"] for n, level in zip(counts, levels, strict=True))
    assert metrics["sums/pass@1"] == pytest.approx(weighted / NUM_PROBLEMS)


def texts(output: Path, phase: str) -> list[str]:
    return [row["completion"] for row in samples(output) if row["phase"] == phase]


def test_the_same_seed_gives_the_same_samples_and_figures(finished, tmp_path):
    run(make_config(tmp_path / "again"))
    for name in ("rollouts.jsonl", "metrics.jsonl"):
        assert (tmp_path / "again" / name).read_bytes() == (finished / name).read_bytes()


def test_another_seed_changes_the_samples_but_not_the_greedy_ones(finished, tmp_path):
    run(make_config(tmp_path / "other", seed=3))
    assert texts(tmp_path / "other", "sums (greedy)") == texts(finished, "sums (greedy)")
    assert texts(tmp_path / "other", "sums (sampled)") != texts(finished, "sums (sampled)")


def test_a_problems_samples_do_not_depend_on_how_many_problems_are_asked(finished, tmp_path):
    run(make_config(tmp_path / "few", tasks=[{"name": "sums", "data": TRAIN, "limit": 5}]))
    few, many = texts(tmp_path / "few", "sums (sampled)"), texts(finished, "sums (sampled)")
    assert few == many[: 5 * K]


@pytest.mark.parametrize(("name", "num_samples"), [("math500", 4), ("gsm8k", 1), ("sums", 1)])
def test_the_number_of_samples_is_the_benchmarks_own_unless_it_is_given(tmp_path, name, num_samples):
    task = {"name": name, "data": TRAIN, "limit": 3}
    run(make_config(tmp_path / "run", tasks=[task], num_samples=None, greedy=False))
    assert len(samples(tmp_path / "run")) == 3 * num_samples


def test_a_benchmarks_prompt_asks_a_file_of_its_problems(tmp_path):
    run(make_config(tmp_path / "run", tasks=[{"name": "gsm8k", "data": TRAIN, "limit": 1}], greedy=False))
    assert "\\boxed{}" in samples(tmp_path / "run")[0]["prompt"]


def test_several_tasks_are_reported_apart(tmp_path):
    tasks = [{"name": "sums", "data": TRAIN, "limit": 4}, {"name": "arithmetic", "limit": 6}]
    metrics = run(make_config(tmp_path / "run", tasks=tasks, greedy=False, num_samples=1))["metrics"]
    assert (metrics["sums/num_problems"], metrics["arithmetic/num_problems"]) == (4, 6)
    assert set(metrics["protocols"]) == {"sums/sampled", "arithmetic/sampled"}


def test_two_tasks_of_one_name_are_refused():
    tasks = [{"name": "sums", "data": TRAIN}, {"name": "sums", "data": "other.jsonl"}]
    with pytest.raises(ConfigError, match="tasks: sums is named twice"):
        make_config(Path("run"), tasks=tasks)


@pytest.mark.parametrize(
    ("task", "error", "message"),
    [
        ("aimee", ConfigError, "unknown benchmark 'aimee'.*did you mean aime"),
        ({"name": "sums", "data": "absent.jsonl"}, DataError, r"absent\.jsonl: no such file"),
    ],
)
def test_a_wrong_task_is_found_before_the_model_is_looked_for(tmp_path, task, error, message):
    with pytest.raises(error, match=message):
        run(make_config(tmp_path / "run", model="/absent/model", tasks=[task]))
    assert not (tmp_path / "run").exists()
