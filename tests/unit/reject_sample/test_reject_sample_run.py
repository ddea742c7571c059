"""Rejection sampling with the committed tiny base: nothing is lost, and what it writes sft reads."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from r1kit.config.data import SftData
from r1kit.config.load import validate
from r1kit.config.stages import RejectSampleConfig
from r1kit.core.errors import ConfigError, DataError, TrainingError
from r1kit.core.jsonl import read_jsonl
from r1kit.reject_sample import run
from r1kit.rewards.format import format_reward
from r1kit.rewards.language import is_mixed
from r1kit.tasks.conversations import load_conversations

DATA = Path(__file__).parents[3] / "data"
NUM_PROBLEMS, NUM_SAMPLES, NUM_GENERAL = 40, 8, 24


def make_config(output: Path, **changes: Any) -> RejectSampleConfig:
    values = {
        "model": str(DATA / "tiny_base"),
        "output": str(output),
        "seed": 3,
        "data": {"path": str(DATA / "arithmetic/train.jsonl"), "limit": NUM_PROBLEMS},
        "general": str(DATA / "general.jsonl"),
        "num_samples": NUM_SAMPLES,
        "sampling": {"temperature": 1.0, "max_new_tokens": 32},
        "engine": {"batch_size": 400},
        "rewards": ["format", "length=0.5"],
        "keep": {"max_per_problem": 2},
    }
    return validate(RejectSampleConfig, values | changes, source="test")


def rows(path: Path) -> list[dict[str, Any]]:
    return [row for _, row in read_jsonl(path)]


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    output = tmp_path_factory.mktemp("reject") / "run"
    run(make_config(output))
    return output


@pytest.fixture(scope="module")
def metrics(finished: Path) -> dict[str, Any]:
    return json.loads((finished / "summary.json").read_text())["metrics"]


def check_that_nothing_is_lost(output: Path, num_kept: int, num_rejected: int) -> None:
    samples = rows(output / "rollouts.jsonl")
    kept = [row for row in rows(output / "sft.jsonl") if row["source"]["kind"] == "math"]
    rejected = rows(output / "rejected.jsonl")
    assert len(samples) == NUM_PROBLEMS * NUM_SAMPLES == len(kept) + len(rejected)
    ours = [(row["source"]["problem_id"], row["messages"][-1]["content"]) for row in kept]
    others = [(row["problem_id"], row["completion"]) for row in rejected]
    assert Counter(ours + others) == Counter((row["problem_id"], row["completion"]) for row in samples)
    assert (num_kept, num_rejected) == (len(kept), len(rejected))


def test_every_sample_is_either_kept_or_rejected(finished, metrics):
    check_that_nothing_is_lost(finished, metrics["num_kept"], metrics["num_rejected"])
    assert 5 <= metrics["num_kept"] <= 2 * NUM_PROBLEMS


def test_duplicates_and_what_is_too_many_are_not_lost_either(tmp_path):
    keep = {"require_correct": False, "require_format": False, "max_per_problem": 1}
    metrics = run(make_config(tmp_path / "run", keep=keep))["metrics"]
    check_that_nothing_is_lost(tmp_path / "run", metrics["num_kept"], metrics["num_rejected"])
    assert metrics["num_kept"] == NUM_PROBLEMS
    assert {"duplicate", "enough kept"} <= set(metrics["rejected_by_reason"])


def test_problems_that_are_always_solved_are_counted_in_the_last_bin(tmp_path):
    # With one sample a problem, a problem is solved always or never.
    metrics = run(make_config(tmp_path / "run", num_samples=1, general=None))["metrics"]
    assert metrics["num_always_solved"] > 0
    assert metrics["num_always_solved"] + metrics["num_never_solved"] == NUM_PROBLEMS
    assert metrics["pass_rate_histogram"]["0.9-1.0"] == metrics["num_always_solved"]
    assert metrics["pass_rate_histogram"]["0.0-0.1"] == metrics["num_never_solved"]


def test_every_rejected_sample_says_why(finished, metrics):
    reasons = Counter(row["reason"] for row in rows(finished / "rejected.jsonl"))
    assert dict(reasons) == metrics["rejected_by_reason"]
    assert {"wrong", "no_answer", "format"} <= set(reasons)
    for row in rows(finished / "rejected.jsonl"):
        assert (row["verdict"] == row["reason"]) == (row["reason"] in ("wrong", "no_answer", "unparsable"))


def test_what_is_kept_is_right_well_formed_of_one_language_and_distinct(finished):
    verdicts = {(r["problem_id"], r["completion"]): r["verdict"] for r in rows(finished / "rollouts.jsonl")}
    seen: Counter[str] = Counter()
    for row in rows(finished / "sft.jsonl"):
        if row["source"]["kind"] != "math":
            continue
        text = row["messages"][-1]["content"]
        assert verdicts[row["source"]["problem_id"], text] == "correct"
        assert format_reward(text) == 1
        assert not is_mixed(text)
        assert row["rewards"]["format"] == 1
        assert row["num_tokens"] > 5
        seen[row["source"]["problem_id"]] += 1
    assert max(seen.values()) <= 2


def test_sft_reads_what_was_written(finished):
    loaded = load_conversations(SftData(path=str(finished / "sft.jsonl")))
    written = rows(finished / "sft.jsonl")
    assert loaded.dropped == {}
    assert [[m.as_dict() for m in c.messages] for c in loaded.conversations] == [
        r["messages"] for r in written
    ]


def test_the_question_is_asked_as_the_data_section_says(tmp_path):
    data = {"path": str(DATA / "arithmetic/train.jsonl"), "limit": 30, "system_prompt": "Count."}
    run(make_config(tmp_path / "run", data=data, general=None, keep={"require_format": False}))
    [first, *_] = rows(tmp_path / "run/sft.jsonl")
    assert [message["role"] for message in first["messages"]] == ["system", "user", "assistant"]
    assert first["messages"][0]["content"] == "Count."


def test_general_texts_are_mixed_in_whole(finished, metrics):
    written = rows(finished / "sft.jsonl")
    kinds = [row["source"]["kind"] for row in written]
    general = [row["messages"] for row in written if row["source"]["kind"] == "general"]
    originals = [row["messages"] for row in rows(DATA / "general.jsonl")]
    assert sorted(map(str, general)) == sorted(map(str, originals))
    assert (len(general), metrics["num_general"]) == (NUM_GENERAL, NUM_GENERAL)
    # Mixed, not appended: a block at the end would have no kept text behind its first one.
    assert "math" in kinds[kinds.index("general") :]


def test_pass_rates_are_those_of_the_samples(finished, metrics):
    correct: Counter[str] = Counter({row["problem_id"]: 0 for row in rows(finished / "rollouts.jsonl")})
    correct.update(r["problem_id"] for r in rows(finished / "rollouts.jsonl") if r["verdict"] == "correct")
    rates = [count / NUM_SAMPLES for count in correct.values()]
    assert len(rates) == NUM_PROBLEMS
    assert metrics["pass_rate"] == pytest.approx(sum(rates) / NUM_PROBLEMS)
    assert metrics["num_never_solved"] == rates.count(0) > 0
    assert metrics["num_always_solved"] == rates.count(1)
    histogram = json.loads((finished / "pass_rates.json").read_text())
    expected = Counter(min(int(rate * 10), 9) for rate in rates)
    assert list(histogram.values()) == [expected[tenth] for tenth in range(10)]
    assert next(iter(histogram)) == "0.0-0.1"
    assert histogram == metrics["pass_rate_histogram"]
    for row in rows(finished / "sft.jsonl"):
        if row["source"]["kind"] == "math":
            assert row["source"]["pass_rate"] == correct[row["source"]["problem_id"]] / NUM_SAMPLES


def test_the_same_seed_writes_the_same_files_and_another_one_does_not(finished, tmp_path):
    run(make_config(tmp_path / "again"))
    run(make_config(tmp_path / "other", seed=4))
    for name in ("sft.jsonl", "rejected.jsonl", "rollouts.jsonl"):
        assert (tmp_path / "again" / name).read_bytes() == (finished / name).read_bytes()
        assert (tmp_path / "other" / name).read_bytes() != (finished / name).read_bytes()


def test_problems_that_nothing_judges_have_no_pass_rate(tmp_path):
    path = tmp_path / "mixed.jsonl"
    path.write_text('{"problem": "3+4", "answer": "7"}\n{"problem": "write a poem", "kind": "general"}\n')
    free = {"require_correct": False, "require_format": False, "require_one_language": False}
    summary = run(make_config(tmp_path / "run", data=str(path), general=None, keep=free))["metrics"]
    assert sum(summary["pass_rate_histogram"].values()) == 1
    assert summary["num_always_solved"] + summary["num_never_solved"] <= 1
    poems = [r for r in rows(tmp_path / "run/sft.jsonl") if r["source"]["kind"] == "general"]
    assert poems
    assert "pass_rate" not in poems[0]["source"]


@pytest.mark.parametrize(
    ("changes", "error", "message"),
    [
        ({"data": "absent.jsonl"}, DataError, r"absent\.jsonl: no such file"),
        ({"general": "absent.jsonl"}, DataError, r"absent\.jsonl: no such file"),
        ({"rewards": ["fromat"]}, ConfigError, "unknown reward 'fromat'"),
    ],
)
def test_wrong_data_and_rewards_are_found_before_the_model_is_looked_for(tmp_path, changes, error, message):
    with pytest.raises(error, match=message):
        run(make_config(tmp_path / "run", model="/absent/model", **changes))
    assert not (tmp_path / "run").exists()


def test_a_run_that_keeps_nothing_fails_and_says_where_to_look(tmp_path):
    with pytest.raises(
        TrainingError, match=r"none of \d+ completions passed the rules, see .*rejected.jsonl"
    ):
        run(make_config(tmp_path / "run", sampling={"max_new_tokens": 2}))
    assert rows(tmp_path / "run/rejected.jsonl")
    assert json.loads((tmp_path / "run/summary.json").read_text(encoding="utf-8"))["status"] == "failed"
