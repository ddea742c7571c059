"""The benchmark of GRPO against PPO counts what it says it counts, and its verdict says what the figures say."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import pytest

_BENCHMARKS = Path(__file__).parents[3] / "benchmarks"
_MODULES = (
    "grpo_stopwatch",
    "grpo_workload",
    "grpo_r1kit_side",
    "grpo_vs_ppo",
    "rl_figures",
    "rl_jobs",
    "rl_search",
    "rl_side",
    "rl_tables",
    "rl_verdict",
    "rl_watch",
    "rl_plot",
)
_PHASES = ("sampling", "reference", "values", "policy update", "value update", "rest")


@pytest.fixture(scope="module", autouse=True)
def _on_the_path() -> Iterator[None]:
    """The scripts are in no package; they find each other on the path."""
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(_BENCHMARKS)
        yield
    for name in _MODULES:
        sys.modules.pop(name, None)


@pytest.fixture
def figures() -> ModuleType:
    import rl_figures

    return rl_figures


@pytest.fixture
def words() -> ModuleType:
    import rl_verdict

    return rl_verdict


def _step(seconds: float, peak: float, tokens: int = 100) -> dict[str, object]:
    phases = dict.fromkeys(_PHASES, seconds / len(_PHASES))
    return {
        "seconds": seconds,
        "wall_seconds": 2 * seconds,
        "tokens": tokens,
        "peak_mb": peak,
        "phases": phases,
    }


def _run(seconds: float, peak: float, *, seed: int = 0, kept: float = 600.0) -> dict[str, object]:
    steps = [_step(seconds, peak - 10), _step(seconds, peak)]
    return {"seed": seed, "bare_mb": 400.0, "loaded_mb": 500.0, "kept_mb": kept, "steps": steps}


def _curve(*points: tuple[int, float, float]) -> dict[str, object]:
    return {
        "seed": 0,
        "curve": [{"step": step, "seconds": seconds, "pass@1": rate} for step, seconds, rate in points],
    }


def test_memory_is_the_worst_steps_and_counted_from_three_floors(figures):
    found = figures.step_figures(_run(3.0, 900.0))
    assert (found[figures.WHOLE], found[figures.MODELS], found[figures.TRAINING]) == (900, 500, 400)
    assert found[figures.KEPT] == 200
    assert found["seconds a step"] == pytest.approx(3.0)
    assert found["seconds per 1000 completion tokens"] == pytest.approx(30.0)
    assert found["CPU seconds per second"] == pytest.approx(0.5)


def test_a_saving_compares_the_runs_of_a_seed(figures):
    ours, theirs = ([{"s": value} for value in values] for values in ((1.0, 2.0, 9.0), (2.0, 8.0, 10.0)))
    saved = figures.saving(ours, theirs, "s")
    assert (saved.middle, saved.low, saved.high) == pytest.approx((0.5, 0.1, 0.75))


def test_an_accuracy_is_reached_at_its_first_sight(figures):
    run = _curve((0, 0.0, 0.2), (5, 11.0, 0.92), (10, 20.0, 0.89), (15, 31.0, 0.95))
    assert (figures.until(run, 0.9, "step"), figures.until(run, 0.9, "seconds")) == (5, 11.0)
    assert figures.until(run, 0.96, "step") is None


def test_completions_of_other_lengths_are_noticed(figures):
    runs = {"grpo": [_run(1, 900)], "ppo": [_run(2, 950)]}
    assert figures.same_tokens(runs)
    runs["ppo"][0]["steps"][1]["tokens"] = 101
    assert not figures.same_tokens(runs)


@pytest.mark.parametrize(
    ("seconds", "peak", "kept", "time", "saved", "judged"),
    [
        (
            10,
            1300,
            800,
            "40 % less",
            (31, 44, 50, 50),
            "holds at the peak above the loaded policy and between steps",
        ),
        (7.5, 950, 700, "20 % less", (5, 9, 11, 33), "does not hold by any measure"),
        (5, 800, 600, "20 % more", (-12, -25, -33, 0), "does not hold by any measure"),
        (40, 4000, 1000, "85 % less", (78, 86, 89, 67), "holds by every measure"),
    ],
)
def test_the_verdict_says_whether_a_claim_holds(words, seconds, peak, kept, time, saved, judged):
    runs = {"grpo": [_run(6, 900)], "ppo": [_run(seconds, peak, kept=kept)], "grpo-2": [_run(9, 900)]}
    (line,) = words.cost_verdict("steps, full, vocabulary 2,000", runs)
    places = ("of the whole process", "without the bare process", "above the loaded policy")
    memory = [
        f"{abs(share)} % {'less' if share >= 0 else 'more'} ({abs(share)} to {abs(share)}) memory {place}"
        for share, place in zip(
            saved, [f"at the peak {place}" for place in places] + ["between steps"], strict=True
        )
    ]
    judgement = {
        "40 % less": "the claim of 30 % holds",
        "85 % less": "the claim of 30 % holds",
        "20 % less": "it is faster, but by less than the claimed 30 %",
        "20 % more": "it is not faster, and the claim of 30 % does not hold",
    }[time]
    assert line == (
        "full, vocabulary 2,000. Against PPO with its own value network, 2 epochs of 4 minibatches: a step of GRPO takes "
        f"{time} ({time[:2]} to {time[:2]}) time: {judgement}. It needs {', '.join(memory)}: the claim of 50 % {judged}"
        f"{', and not otherwise' if 'and between' in judged else ''}."
    )


def test_a_spread_around_nothing_keeps_its_signs(words, figures):
    assert words.less_or_more(figures.Spread(0.04, -0.021, 0.1)) == "4 % less (-2 to 10)"
    assert words.less_or_more(figures.Spread(-0.04, -0.1, 0.021)) == "4 % more (-2 to 10)"
    assert words.less_or_more(figures.Spread(-0.001, -0.002, 0.001)) == "0 % less (0 to 0)"


def test_seeds_that_never_get_there_are_counted(words):
    good, bad = _curve((0, 0.0, 0.2), (5, 11.0, 0.92)), _curve((0, 0.0, 0.2), (5, 30.0, 0.5))
    assert words.reached([good]) == "0.9 was first seen after 5 steps and 11 s (median)"
    assert words.reached([good, bad]) == (
        "0.9 was first seen after 5 steps and 11 s (median), on 1 of 2 seeds never"
    )
    assert words.reached([bad]) == "0.9 was never seen"
    (line,) = words.accuracy_verdict("recipe, lora", {"grpo": [good, bad]})
    assert "held-out pass@1 0.710 (0.500 to 0.920) after 5 steps" in line


def test_no_verdict_on_sides_with_different_seeds():
    from rl_tables import verdict

    runs = {"grpo": [_run(6.0, 900.0), _run(6.0, 900.0, seed=1)], "ppo": [_run(9.0, 900.0)]}
    assert verdict({"steps, lora": runs})[2:] == [
        "steps, lora: the sides have different seeds, so nothing is said yet"
    ]


def test_runs_alternate_and_those_that_are_done_are_read_back(tmp_path, monkeypatch):
    import grpo_vs_ppo as benchmark
    import rl_jobs

    monkeypatch.setattr(
        sys,
        "argv",
        ["x", "--sides", "grpo", "ppo", "--parts", "steps", "--tunings", "lora", "--vocab", "2000"],
    )
    jobs = list(benchmark.jobs_of(benchmark._arguments()))
    assert [(job.seed, job.side) for job in jobs[:4]] == [(0, "grpo"), (0, "ppo"), (1, "grpo"), (1, "ppo")]
    kept, asked = benchmark.Kept(tmp_path / "runs.jsonl"), []

    def run_child(job, paths):
        asked.append(job)
        return _run(1.0, 900.0, seed=job.seed)

    monkeypatch.setattr(benchmark, "run_child", run_child)
    monkeypatch.setattr(benchmark, "inputs", lambda job, folder: [])
    benchmark.run_all(jobs[:3], kept, tmp_path)
    benchmark.run_all(jobs, kept, tmp_path)
    assert asked == jobs
    runs = rl_jobs.grouped(kept.records())["steps, lora, vocabulary 2,000"]
    assert {side: [run["seed"] for run in some] for side, some in runs.items()} == {
        "grpo": [0, 1, 2],
        "ppo": [0, 1, 2],
    }


def test_the_best_rate_is_the_one_that_learns_well_throughout():
    import rl_search

    jobs = list(rl_search.search_jobs(["ppo"], "lora", [1e-3, 2e-3], num_steps=10, every=5))
    assert [(job.seed, job.optim, job.value_optim) for job in jobs] == [
        (3, {"learning_rate": rate}, {"learning_rate": 1e-3}) for rate in (1e-3, 2e-3)
    ]
    slow = _curve((0, 0.0, 0.2), (5, 1.0, 0.4), (10, 2.0, 0.9))
    fast = _curve((0, 0.0, 0.2), (5, 1.0, 0.8), (10, 2.0, 0.8))
    assert rl_search.mean_accuracy(slow) == pytest.approx(0.65)
    table = rl_search.search_table(zip(jobs, [slow, fast], strict=True))
    cells = [next(iter(column.cells)) for column in table.columns]
    assert cells == ["ppo", "lora", "0.650 (0.900)", "0.800 (0.800)", "0.002"]


@pytest.fixture
def measured(tmp_path, monkeypatch) -> dict[str, dict[str, object]]:
    """One step of three sides at the smallest size, as the child processes take it."""
    import rl_jobs
    import rl_side
    import rl_watch
    from grpo_workload import QUICK, write_inputs

    undo = []
    put = rl_watch.replace_everywhere

    def and_back(original, replacement):
        put(original, replacement)
        undo.append((replacement, original))

    monkeypatch.setattr(rl_watch, "replace_everywhere", and_back)
    workshop = rl_watch.r1kit.rl.loop.Workshop
    monkeypatch.setattr(workshop, "sample", workshop.sample)
    watch, found = rl_watch.CpuStopwatch(), {}
    path, adapter = write_inputs(tmp_path, QUICK, seed=0)
    try:
        rl_watch.watch_phases(watch)
        rl_watch.timed_sampling(watch)
        for side in ("grpo", "ppo", "ppo-shared"):
            job = rl_jobs.Job.loads(rl_jobs.steps_job(side, "lora", 0, 1, QUICK).dumps())
            model = {"path": str(path), "adapter": adapter, "tuning": "lora"}
            found[side] = rl_side.steps_run(job, model, tmp_path / side, watch)
    finally:
        for replacement, original in reversed(undo):
            put(replacement, original)
    return found


def test_every_side_draws_the_same_completions_and_its_phases_make_up_the_step(measured, tmp_path):
    drawn = []
    for side, run in measured.items():
        (step,) = run["steps"]
        assert sum(step["phases"].values()) == pytest.approx(step["seconds"])
        assert all(step["phases"][phase] > 0 for phase in ("sampling", "reference", "policy update"))
        assert (step["phases"]["values"] > 0) == (side != "grpo")
        assert (step["phases"]["value update"] > 0) == (side == "ppo")
        assert 0 < run["bare_mb"] <= run["loaded_mb"] <= step["peak_mb"]
        written = (tmp_path / side / "rollouts.jsonl").read_text(encoding="utf-8").splitlines()
        rows = [json.loads(row) for row in written]
        drawn.append([row["completion"] for row in rows])
        assert step["tokens"] == sum(row["num_tokens"] for row in rows if row["step"] == 1)
    assert drawn[0] == drawn[1] == drawn[2]
