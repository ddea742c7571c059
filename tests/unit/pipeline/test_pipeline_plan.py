import os
from pathlib import Path
from typing import Any

import pytest

from r1kit.config.load import validate
from r1kit.config.pipeline import PipelineConfig
from r1kit.config.rl import GrpoConfig
from r1kit.config.stages import SftConfig
from r1kit.core.errors import ConfigError
from r1kit.pipeline.plan import Plan, plan_pipeline


@pytest.fixture
def data(tmp_path: Path) -> str:
    path = tmp_path / "data.jsonl"
    path.write_text('{"problem": "1+1", "answer": "2"}\n')
    return str(path)


def make_plan(tmp_path: Path, stages: list[dict[str, Any]], **fields: Any) -> Plan:
    values = {"name": "p", "output": str(tmp_path / "run"), "model": "some/base", "stages": stages} | fields
    return plan_pipeline(validate(PipelineConfig, values, source="p.yaml"), "p.yaml")


def two_stages(data: str) -> list[dict[str, Any]]:
    return [
        {"id": "warm", "stage": "sft", "data": data},
        {"id": "rl", "stage": "grpo", "data": data, "model": {"adapter": "@warm.adapter"}},
    ]


def test_references_become_paths_and_needs(tmp_path, data):
    plan = make_plan(tmp_path, two_stages(data))
    warm, rl = plan.stages
    assert isinstance(warm.config, SftConfig)
    assert isinstance(rl.config, GrpoConfig)
    assert rl.config.model.adapter == tmp_path / "run/stages/01-warm/adapter"
    assert rl.config.output == tmp_path / "run/stages/02-rl"
    assert (warm.needs, rl.needs) == ((), ("warm",))


def test_the_stages_own_fields_win_over_defaults_and_the_pipelines_model(tmp_path, data):
    stages = two_stages(data)
    stages[1]["sampling"] = {"max_new_tokens": 7}
    plan = make_plan(
        tmp_path,
        stages,
        model={"path": "some/base", "lora": {"rank": 4}},
        defaults={"grpo": {"steps": 5, "sampling": {"max_new_tokens": 9, "temperature": 0.9}}},
    )
    rl = plan.stages[1].config
    assert (rl.steps, rl.sampling.max_new_tokens, rl.sampling.temperature) == (5, 7, 0.9)
    assert (rl.model.path, rl.model.lora.rank) == ("some/base", 4)


def test_seeds_differ_by_stage_and_depend_on_the_pipelines_seed(tmp_path, data):
    seeds = [
        [s.config.seed for s in make_plan(tmp_path, two_stages(data), seed=seed).stages] for seed in (0, 0, 1)
    ]
    assert seeds[0] == seeds[1]
    assert len({*seeds[0], *seeds[2]}) == 4


def test_every_mistake_of_every_stage_is_reported_at_once(tmp_path, data):
    stages = [
        {"id": "warm", "stage": "sft", "data": "absent.jsonl"},
        {"id": "rl", "stage": "grpo", "data": data, "stepz": 3, "model": {"adapter": "@warm.adaptor"}},
        {"id": "again", "stage": "grpo", "data": data, "sampling": {"temperature": -1}},
        {"id": "check", "stage": "eval", "tasks": ["aime"], "model": {"adapter": "@later.adapter"}},
        {"id": "warm", "stage": "sft", "data": data},
    ]
    with pytest.raises(ConfigError) as error:
        make_plan(tmp_path, stages, defaults={"sftt": {}})
    lines = str(error.value).splitlines()
    expected = [
        "defaults.sftt: unknown stage",
        "stage warm: data file absent.jsonl does not exist",
        '"@warm.adaptor": this sft stage has no output "adaptor"',
        "stage again: sampling.temperature",
        '"@later.adapter" names no earlier stage',
        '"warm" is used twice',
    ]
    assert len(lines) == len(expected)
    for line, part in zip(lines, expected, strict=True):
        assert line.startswith("p.yaml: ")
        assert part in line


def test_an_unknown_field_is_named_with_the_nearest_one(tmp_path, data):
    with pytest.raises(ConfigError, match=r"stage rl: stepz: unknown field.*steps"):
        make_plan(tmp_path, [{"id": "rl", "stage": "grpo", "data": data, "stepz": 3}])


def test_data_that_an_earlier_stage_writes_need_not_exist_yet(tmp_path, data):
    stages = [
        {"id": "sample", "stage": "reject-sample", "data": data},
        {"id": "learn", "stage": "sft", "data": "@sample.data"},
    ]
    assert make_plan(tmp_path, stages).stages[1].config.data.path.endswith("01-sample/sft.jsonl")


def test_a_fingerprint_changes_with_configuration_data_and_what_it_builds_on(tmp_path, data):
    def prints(**changes: Any) -> list[str]:
        return [stage.fingerprint for stage in make_plan(tmp_path, two_stages(data), **changes).stages]

    before = prints()
    assert prints() == before
    grpo_changed = prints(defaults={"grpo": {"steps": 7}})
    assert (grpo_changed[0] == before[0], grpo_changed[1] == before[1]) == (True, False)
    sft_changed = prints(defaults={"sft": {"batch_size": 7}})
    assert (sft_changed[0] == before[0], sft_changed[1] == before[1]) == (False, False)
    moved = prints(output=str(tmp_path / "elsewhere"))
    assert moved == before
    Path(data).write_text('{"problem": "1+2", "answer": "3"}\n')
    assert not set(prints()) & set(before)


def test_the_plan_reads_as_one_line_a_stage(tmp_path, data):
    stages = [
        *two_stages(data),
        {"id": "sample", "stage": "reject-sample", "data": "org/problems", "general": "org/chat"},
        {"id": "learn", "stage": "sft", "data": "@sample.data"},
        {"id": "check", "stage": "eval", "tasks": ["aime", "gsm8k"]},
        {"id": "out", "stage": "export", "model": {"adapter": "@rl.adapter"}},
    ]
    lines = make_plan(tmp_path, stages).render().splitlines()
    assert lines[0].startswith("p: 6 stages")
    assert [" ".join(line.split()) for line in lines[1:]] == [
        f"1. warm sft on {data}",
        f"2. rl grpo on {data} needs warm",
        "3. sample reject-sample on org/problems, org/chat",
        "4. learn sft on @sample.data needs sample",
        "5. check eval on aime, gsm8k",
        "6. out export needs rl",
    ]


def mistake_in(tmp_path: Path, stage: dict[str, Any], **fields: Any) -> str:
    """The one line that a pipeline of a stage called `it`, after an SFT stage called `warm`, is refused with."""
    stages = [{"id": "warm", "stage": "sft", "data": "org/chat"}, {"id": "it", **stage}]
    with pytest.raises(ConfigError) as error:
        make_plan(tmp_path, stages, **fields)
    [line] = str(error.value).splitlines()
    assert line.startswith("p.yaml: stage it: ")
    return line.removeprefix("p.yaml: stage it: ")


@pytest.mark.parametrize(
    ("stage", "told"),
    [
        ({"stage": "grpo", "data": "org/x", "rewards": ["maths"]}, "rewards: unknown reward 'maths'"),
        ({"stage": "grpo", "data": "org/x", "rewards": ["no_such:f"]}, "module 'no_such' cannot be imported"),
        ({"stage": "grpo", "data": "org/x", "rewards": ["json:f"]}, "module 'json' has no function 'f'"),
        ({"stage": "reject-sample", "data": "org/x", "rewards": ["maths"]}, "unknown reward 'maths'"),
        ({"stage": "eval", "tasks": ["aimee"]}, "tasks: unknown benchmark 'aimee'"),
        ({"stage": "eval", "tasks": ["aime"], "model": "./nothere"}, "model.path ./nothere: no such folder"),
        (
            {"stage": "eval", "tasks": ["aime"], "model": {"adapter": "runs/nope"}},
            "model.adapter runs/nope: no such folder",
        ),
        (
            {"stage": "eval", "tasks": ["aime"], "model": {"chat_template": "x.jinja"}},
            "model.chat_template x.jinja: no such file",
        ),
        ({"stage": "sft", "data": "nofile.txt"}, "data file nofile.txt does not exist"),
        ({"stage": "eval", "tasks": [{"name": "x", "data": "./no"}]}, "data file ./no does not exist"),
    ],
)
def test_what_a_stage_names_is_looked_up_before_anything_runs(tmp_path, monkeypatch, stage, told):
    monkeypatch.chdir(tmp_path)
    assert told in mistake_in(tmp_path, stage)


def test_a_folder_that_holds_no_adapter_is_refused_and_one_that_does_is_taken(tmp_path):
    folder = tmp_path / "mine"
    folder.mkdir()
    stage = {"id": "it", "stage": "eval", "tasks": ["aime"], "model": {"adapter": str(folder)}}
    assert "adapter_config.json is missing" in mistake_in(tmp_path, stage)
    (folder / "adapter_config.json").write_text("{}")
    assert make_plan(tmp_path, [stage]).stages[0].config.model.adapter == folder


@pytest.mark.parametrize(
    ("kind", "fields", "writes", "does_not"),
    [
        ("sft", {}, "adapter", "model"),
        ("sft", {"model": {"tuning": "full"}}, "model", "adapter"),
        ("grpo", {"model": {"tuning": "full"}}, "model", "adapter"),
        ("ppo", {}, "adapter", "model"),
        ("ppo", {"model": {"tuning": "full"}}, "model", "adapter"),
        ("export", {}, "model", "adapter"),
        ("export", {"merge": False}, "adapter", "model"),
    ],
)
def test_a_reference_names_what_the_stage_really_writes(tmp_path, kind, fields, writes, does_not):
    maker = {"id": "made", "stage": kind, **fields} | ({} if kind == "export" else {"data": "org/x"})

    def plan(output: str) -> Plan:
        model = {"adapter" if output == "adapter" else "path": f"@made.{output}"}
        return make_plan(tmp_path, [maker, {"id": "it", "stage": "eval", "tasks": ["aime"], "model": model}])

    assert plan(writes).stages[1].needs == ("made",)
    with pytest.raises(ConfigError, match=f'has no output "{does_not}"; outputs: @made.{writes}$'):
        plan(does_not)


def rl_with_a_reward_model(tmp_path: Path, path: str, **judge: Any) -> Plan:
    rewards = ["math", {"name": "reward_model", "options": {"path": path}}]
    data = [{"path": "org/y", "kind": "general"}]
    judge = {"id": "judge", "stage": "reward-model", "data": "org/pairs"} | judge
    rl = {"id": "rl", "stage": "grpo", "data": "org/x", "more_data": data, "rewards": rewards}
    return make_plan(tmp_path, [judge, rl])


def test_a_reward_can_be_what_an_earlier_stage_learned_from_preferences(tmp_path):
    plan = rl_with_a_reward_model(tmp_path, "@judge.reward_model")
    assert plan.stages[1].needs == ("judge",)
    path = plan.stages[1].config.rewards[1].options["path"]
    assert Path(path) == plan.stages[0].config.output / "reward_model"
    other = rl_with_a_reward_model(tmp_path, "@judge.reward_model", span="summary")
    assert other.stages[1].fingerprint != plan.stages[1].fingerprint


def test_a_reward_model_that_nobody_makes_is_refused(tmp_path):
    with pytest.raises(
        ConfigError, match=r"rewards: reward reward_model: .*nowhere is no reward model, no such"
    ):
        rl_with_a_reward_model(tmp_path, str(tmp_path / "nowhere"))
    with pytest.raises(ConfigError, match=r'has no output "adapter"; outputs: @judge\.reward_model$'):
        rl_with_a_reward_model(tmp_path, "@judge.adapter")
    # a folder that a stage makes, and no reward model
    elsewhere = tmp_path / "out" / "stages" / "01-judge" / "adapter"
    with pytest.raises(ConfigError, match="is no reward model"):
        rl_with_a_reward_model(tmp_path, str(elsewhere))


def test_a_kind_of_problem_without_a_reward_is_found_before_anything_runs(tmp_path):
    file = tmp_path / "wishes.jsonl"
    file.write_text('{"kind": "general", "problem": "?"}\n', encoding="utf-8")
    stage = {"id": "it", "stage": "grpo", "data": str(file)}
    assert "problems of kind general have no reward" in mistake_in(tmp_path, stage | {"rewards": ["math"]})
    assert make_plan(tmp_path, [stage | {"rewards": ["math", {"name": "repetition"}]}]).stages[0].id == "it"


def fingerprint_of(tmp_path: Path, **fields: Any) -> str:
    stages = [{"id": "rl", "stage": "grpo", "data": "org/x"}]
    return make_plan(tmp_path, stages, **fields).stages[0].fingerprint


def test_a_fingerprint_changes_with_the_file_of_a_users_own_reward(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    file = tmp_path / "reward_of_the_plan_test.py"
    file.write_text("def f(problem, completion):\n    return 1.0\n")
    defaults = {"grpo": {"rewards": ["reward_of_the_plan_test:f"]}}
    before = fingerprint_of(tmp_path, defaults=defaults)
    assert fingerprint_of(tmp_path, defaults=defaults) == before
    file.write_text("def f(problem, completion):\n    return 2.0\n")
    assert fingerprint_of(tmp_path, defaults=defaults) != before


@pytest.mark.parametrize("changed", ["config.json", "model.safetensors", "pytorch_model.bin"])
def test_a_fingerprint_changes_with_what_a_model_folder_holds_and_not_with_its_times(tmp_path, changed):
    folder = tmp_path / "base"
    folder.mkdir()
    for name in ("config.json", "model.safetensors", "pytorch_model.bin", "README.md"):
        (folder / name).write_bytes(b"abc")
    before = fingerprint_of(tmp_path, model=str(folder))
    for file in folder.iterdir():
        os.utime(file, (1, 1))
    (folder / "README.md").write_bytes(b"other words")
    assert fingerprint_of(tmp_path, model=str(folder)) == before
    (folder / changed).write_bytes(b"xyz")
    assert fingerprint_of(tmp_path, model=str(folder)) != before
