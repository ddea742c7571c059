"""Flags: one for each field of a schema, and each reaches its field."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest
from typer.main import get_command
from typer.testing import CliRunner

from r1kit.cli.flags import flags_of
from r1kit.cli.main import app
from r1kit.config.load import validate
from r1kit.config.stages import STAGES

REQUIRED = ["--model", "org/base", "--output", "runs/x"]
EXPECTED_OF_RL = {"sampling.top_p": "1", "sampling.top_k": "0", "sampling.min_p": "0"}


def schema_leaves(schema: dict[str, Any], root: dict[str, Any], prefix: str = "") -> Iterator[str]:
    """Dotted paths of all fields that are no section, from the JSON schema instead of r1kit's own walk."""
    for name, field in schema["properties"].items():
        options = [field, *field.get("anyOf", ())]
        references = [option["$ref"] for option in options if "$ref" in option]
        if references:
            yield from schema_leaves(root["$defs"][references[0].split("/")[-1]], root, f"{prefix}{name}.")
        else:
            yield f"{prefix}{name}"


def leaves_on_the_command_line(stage: str) -> list[str]:
    root = STAGES[stage].model_json_schema()
    paths = list(schema_leaves(root, root))
    if stage == "eval":
        task = root["$defs"]["EvalTask"]
        paths.remove("tasks")
        paths += [path for path in schema_leaves(task, root) if path != "name"]
    return paths


def option_names(stage: str) -> set[str]:
    command = get_command(app).commands[stage]  # type: ignore[attr-defined]
    return {name for parameter in command.params for name in parameter.opts}


def dry_run(*arguments: str) -> dict[str, Any]:
    result = CliRunner().invoke(app, [*arguments, "--dry-run", "--json"])
    assert result.exit_code == 0, result.output
    values: dict[str, Any] = json.loads(result.stdout)
    return values


def at(values: Any, path: tuple[str | int, ...]) -> Any:
    for part in path:
        values = values[part]
    return values


@pytest.mark.parametrize("stage", STAGES)
def test_every_field_of_a_stage_has_a_flag(stage: str) -> None:
    wanted = {"--" + path.replace("_", "-") for path in leaves_on_the_command_line(stage)}
    assert len(wanted) > 15
    assert wanted <= option_names(stage)


@pytest.mark.parametrize("stage", STAGES)
def test_no_two_flags_of_a_command_share_a_name(stage: str) -> None:
    command = get_command(app).commands[stage]  # type: ignore[attr-defined]
    names = [name for parameter in command.params for name in (*parameter.opts, *parameter.secondary_opts)]
    assert len(names) == len(set(names))


def given_text(stage: str, path: str, annotation: Any, literals: tuple[str, ...]) -> tuple[str, Any]:
    """A text for the command line that is not the default, and what it must become."""
    if stage in ("grpo", "ppo") and path in EXPECTED_OF_RL:
        return EXPECTED_OF_RL[path], float(EXPECTED_OF_RL[path])
    if literals:
        return literals[-1], literals[-1]
    if annotation is int:
        return "17", 17
    if annotation is float:
        return "0.75", 0.75
    if path == "memory.vram":
        return "17GB", "17GB"
    text = "ask: {problem}" if path.endswith("prompt") else f"text-of-{path}"
    return text, text


@pytest.mark.parametrize("stage", STAGES)
def test_every_flag_reaches_its_field(stage: str) -> None:
    from r1kit.config.data import ProblemData
    from r1kit.config.rewards import RewardConfig
    from r1kit.config.schema import choices, is_list, leaves
    from r1kit.config.stages import EvalTask

    types = {leaf.path: leaf.annotation for leaf in leaves(STAGES[stage])}
    types |= {leaf.path: leaf.annotation for leaf in leaves(EvalTask, ("tasks", 0))}
    # training in full excludes adapters and quantization, which are set here too; RL excludes dropout
    skipped = {("model", "tuning")} | ({("model", "lora", "dropout")} if stage in ("grpo", "ppo") else set())
    arguments, expected = [], {}
    for flag in flags_of(STAGES[stage]):
        annotation = types[flag.path]
        if flag.path in skipped:
            continue
        if annotation is bool:
            arguments.append(flag.names[-1])
            expected[flag.path] = True
        elif flag.path == ("rewards",):
            arguments += ["--rewards", "math=0.5", "--rewards", "mine:score"]
            expected[flag.path] = [
                RewardConfig(name="math", weight=0.5).model_dump(),
                RewardConfig(name="mine:score").model_dump(),
            ]
        elif flag.path == ("more_data",):
            arguments += [flag.names[0], "one", flag.names[0], "two"]
            expected[flag.path] = [ProblemData(path=path).model_dump() for path in ("one", "two")]
        elif is_list(annotation):
            arguments += [flag.names[0], "one", flag.names[0], "two"]
            expected[flag.path] = ["one", "two"]
        else:
            dotted = ".".join(str(part) for part in flag.path)
            text, value = given_text(stage, dotted, annotation, choices(annotation))
            arguments += [flag.names[0], text]
            expected[flag.path] = value
    values = dry_run(stage, *(["aime"] if stage == "eval" else []), *arguments)
    assert {path: at(values, path) for path in expected} == expected


IN_RL = ["--data", "d.jsonl", "--held-out.data.path", "h.jsonl", "--pairs.data.path", "p.jsonl"]


@pytest.mark.parametrize("stage", STAGES)
def test_every_switch_can_be_turned_off(stage: str) -> None:
    switches = [flag for flag in flags_of(STAGES[stage]) if flag.kind == "switch"]
    # A section that may be left out needs its data once a switch of it is named.
    data = {
        "eval": ["aime", "--data", "d.jsonl"],
        "export": [],
        "grpo": IN_RL,
        "ppo": IN_RL,
    }.get(stage, ["--data", "d.jsonl"])
    off = [flag.negated_names[0] for flag in switches]
    values = dry_run(stage, *data, *REQUIRED, *off)
    assert [at(values, flag.path) for flag in switches] == [False] * len(switches)


def test_a_negation_stands_before_the_last_word() -> None:
    flags = {flag.path: flag for flag in flags_of(STAGES["sft"])}
    assert flags["model", "use_double_quantization"].negated_names == ("--model.no-use-double-quantization",)
    assert flags["model", "lora", "use_dora"].negated_names == ("--model.lora.no-use-dora",)


def test_everyday_names_set_the_same_fields_as_dotted_ones() -> None:
    short = ["--model", "m", "--adapter", "a", "--data", "d.jsonl", "-o", "out", "--limit", "3", "-k", "9"]
    long = ["--model.path", "m", "--model.adapter", "a", "--data.path", "d.jsonl", "--output", "out"]
    long += ["--data.limit", "3", "--num-samples", "9"]
    assert dry_run("reject-sample", *short) == dry_run("reject-sample", *long)


def test_a_word_that_stands_for_itself_is_not_made_a_list() -> None:
    assert dry_run("sft", *REQUIRED, "--data", "d", "--model.lora.targets", "attention")["model"]["lora"][
        "targets"
    ] == "attention"  # fmt: skip
    assert dry_run("sft", *REQUIRED, "--data", "d", "--model.lora.targets", "q_proj")["model"]["lora"][
        "targets"
    ] == ["q_proj"]  # fmt: skip


def test_an_evaluation_task_is_built_from_argument_and_flags() -> None:
    arguments = ["--data", "aime24.jsonl", "--limit", "5", "--data.columns.problem", "question"]
    values = dry_run("eval", "aime", *REQUIRED, *arguments, "--data.prompt", "boxed")
    [task] = values["tasks"]
    assert (task["name"], task["limit"], task["data"]["path"]) == ("aime", 5, "aime24.jsonl")
    assert (task["data"]["columns"]["problem"], task["data"]["prompt"]) == ("question", "boxed")


def test_the_defaults_in_the_help_are_the_stages_own() -> None:
    by_path = {flag.path: flag for flag in flags_of(STAGES["eval"])}
    usual = validate(STAGES["eval"], {"model": "m", "output": "o", "tasks": ["aime"]}, "test")
    assert f"default: {usual.sampling.temperature}" in by_path["sampling", "temperature"].help  # type: ignore[attr-defined]
    assert "required" in by_path["model", "path"].help
    assert "required" not in by_path["tasks", 0, "data", "path"].help


@pytest.mark.parametrize("stage", STAGES)
def test_the_help_on_a_narrow_terminal_shows_every_flag_and_docstring(stage: str) -> None:
    result = CliRunner().invoke(app, [stage, "--help"], env={"COLUMNS": "80", "TERMINAL_WIDTH": "80"})
    assert result.exit_code == 0
    for flag in flags_of(STAGES[stage]):
        assert flag.names[0] in result.stdout
    assert result.stdout.index("--output") < result.stdout.index("--model.revision")
    assert "Folder of a LoRA adapter" in " ".join(result.stdout.replace("│", " ").split())
