"""The documentation tells the truth: its commands run, its links lead somewhere, its names exist.

Commands in `sh` blocks run for real, shortened, in the order of their page; those that need the hub, those of the
shipped pipelines and those of the front page are dry-run. A block with a file name behind its language
("```yaml small.yaml") is that file. A `console` block holds commands that fail and exactly what they say.
"""

from __future__ import annotations

import json
import re
import shlex
import sys
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path

import pytest
import typer.main
from typer.testing import CliRunner, Result

from r1kit.cli.main import app
from r1kit.config.data import DataSource, PreferenceColumns, ProblemData, SftColumns
from r1kit.config.model import ModelConfig
from r1kit.config.pipeline import PipelineConfig, PipelineStage
from r1kit.config.rewards import RewardConfig
from r1kit.config.rl import GrpoAlgorithm
from r1kit.config.sandbox import SandboxConfig
from r1kit.config.schema import FieldPath, dotted, leaves
from r1kit.config.section import Section
from r1kit.config.stages import STAGES, EvalTask, KeepConfig
from r1kit.rewards.math import check

ROOT = Path(__file__).parents[2]
FRONT_PAGE = ROOT / "README.md"
PAGES = [
    page
    for page in [FRONT_PAGE, *sorted(ROOT.glob("docs/*.md")), ROOT / "pipelines/README.md"]
    if page.exists()
]
LINKED = [
    *PAGES,
    *(ROOT / name for name in ("CONTRIBUTING.md", "data/README.md", "data/tiny_base/README.md")),
]

SHORTER = {
    "sft": ["--steps", "2"],
    "grpo": ["--steps", "2", "--algorithm.problems-per-step", "2", "--algorithm.group-size", "4"],
    "ppo": ["--steps", "2", "--algorithm.problems-per-step", "8", "--algorithm.minibatches", "2"],
    "reward-model": ["--steps", "2"],
    "reject-sample": ["--limit", "10"],
    "eval": ["--limit", "8"],
    "export": [],
    "grade": [],
    "plan": [],
    "doctor": [],
    "run": [],
}
"""By command: flags that make a real run cheap; the last of two equal flags holds."""

BLOCK = re.compile(r"^```(\w+)(?: (\S+))?\n(.*?)^```$", re.MULTILINE | re.DOTALL)
INLINE = re.compile(r"`([^`\n]+)`")
LINK = re.compile(r"\[[^\]\n]+\]\(([^)\s]+)\)")


def by_name(path: Path) -> str:
    return str(path.relative_to(ROOT))


def blocks(page: Path, language: str) -> list[str]:
    return [text for kind, _, text in BLOCK.findall(page.read_text(encoding="utf-8")) if kind == language]


def prose(page: Path) -> str:
    return BLOCK.sub("", page.read_text(encoding="utf-8"))


def commands(page: Path) -> list[list[str]]:
    """The arguments of every `r1kit ...` line in the page's sh blocks."""
    lines = "".join(blocks(page, "sh")).replace("\\\n", " ").splitlines()
    return [shlex.split(line, comments=True)[1:] for line in lines if re.match(r"(\.venv/bin/)?r1kit ", line)]


def failures(page: Path) -> list[tuple[list[str], str]]:
    """(arguments, stderr) of every command in the page's console blocks."""
    pieces = "\n".join(blocks(page, "console")).split("$ r1kit ")[1:]
    split = [piece.partition("\n") for piece in pieces]
    return [(shlex.split(line), said.strip() + "\n") for line, _, said in split]


def is_cheap(page: Path, arguments: list[str]) -> bool:
    """Whether a command needs neither the hub nor minutes."""
    sources = [value for flag, value in pairwise(arguments) if flag in ("--model", "--data")]
    is_local = all(source.startswith(("data/", "runs/")) for source in sources)
    is_shipped = any(argument.startswith("pipelines/") for argument in arguments)
    return page != FRONT_PAGE and is_local and not is_shipped


def invoke(page: Path, arguments: list[str]) -> Result:
    """Run a command as the page has it, shortened, or dry-run it."""
    if "--help" in arguments or "--dry-run" in arguments:
        return CliRunner().invoke(app, arguments)
    if not is_cheap(page, arguments):
        dry = [] if arguments[0] not in SHORTER else ["--dry-run"]
        return CliRunner().invoke(app, [*arguments, *dry])
    held_out = ["--held-out.data.limit", "4"] if any("held-out" in word for word in arguments) else []
    return CliRunner().invoke(app, [*arguments, *SHORTER[arguments[0]], *held_out])


@pytest.fixture
def workspace(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A folder that looks like the repository's root, with the files that pages tell their readers to save."""
    for folder in ("data", "pipelines"):
        (tmp_path / folder).symlink_to(ROOT / folder)
    modules = []
    for page in PAGES:
        for _, name, text in BLOCK.findall(page.read_text(encoding="utf-8")):
            if name:
                (tmp_path / name).write_text(re.sub(r"\bsteps: \d+", "steps: 2", text), encoding="utf-8")
                modules.append(Path(name).stem)
    monkeypatch.chdir(tmp_path)
    yield tmp_path
    for module in modules:
        sys.modules.pop(module, None)


@pytest.mark.parametrize("page", [page for page in PAGES if commands(page)], ids=by_name)
def test_every_command_of_a_page_works_as_printed(page: Path, workspace: Path) -> None:
    for arguments in commands(page):
        result = invoke(page, arguments)
        assert result.exit_code == 0, f"r1kit {shlex.join(arguments)}\n{result.output}\n{result.exception!r}"


@pytest.mark.parametrize("page", [page for page in PAGES if failures(page)], ids=by_name)
def test_every_mistake_that_a_page_shows_says_what_the_page_says(page: Path, workspace: Path) -> None:
    for arguments, said in failures(page):
        result = CliRunner().invoke(app, arguments)
        assert (result.exit_code, result.stderr) == (2, said)
        assert not (workspace / "runs").exists()


def test_the_metrics_that_the_grpo_page_explains_are_those_of_a_run(workspace: Path) -> None:
    page = ROOT / "docs/grpo.md"
    arguments = next(arguments for arguments in commands(page) if "--held-out.data.path" in arguments)
    assert invoke(page, arguments).exit_code == 0
    [path] = workspace.glob("runs/**/metrics.jsonl")
    written = {name for line in path.read_text().splitlines() for name in json.loads(line)} - {"step"}
    rows = [line.split("|")[1] for line in prose(page).splitlines() if line.startswith("| `")]
    explained = {name for row in rows for name in INLINE.findall(row) if "/" in name}
    assert explained == written


def test_the_verdicts_that_the_rewards_page_shows_are_the_checkers() -> None:
    rows = re.findall(r"^\| `(.+?)` \| `(.+?)` \| `(\w+)`", prose(ROOT / "docs/rewards.md"), re.MULTILINE)
    assert len(rows) >= 10
    for gold, answer, verdict in rows:
        assert check(gold, f"<answer>{answer}</answer>").verdict == verdict, (gold, answer)


@pytest.mark.parametrize("page", LINKED, ids=by_name)
def test_every_link_leads_to_a_file_and_a_heading(page: Path) -> None:
    for link in LINK.findall(prose(page)):
        if link.startswith(("http://", "https://")):
            continue
        path, _, heading = link.partition("#")
        target = page if not path else page.parent / path
        assert target.exists(), f"{by_name(page)} links to {link}"
        assert not heading or heading in slugs(target), f"{by_name(page)} links to {link}"


def slugs(page: Path) -> set[str]:
    """The anchors of a page's headings, as they are made on code hosting sites."""
    headings = re.findall(r"^#+ (.+)$", prose(page), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


def paths_of(schema: type[Section], prefix: FieldPath = ()) -> set[str]:
    """Dotted names of all fields of a schema, sections included."""
    found = {leaf.path for leaf in leaves(schema, prefix)}
    return {dotted(path[:end]) for path in found for end in range(len(prefix) + 1, len(path) + 1)}


KNOWN_FIELDS = set().union(
    *(paths_of(schema) for schema in STAGES.values()),
    paths_of(RewardConfig, ("rewards",)),
    paths_of(EvalTask, ("tasks",)),
    paths_of(PipelineConfig),
)


@pytest.mark.parametrize("page", PAGES, ids=by_name)
def test_every_field_that_a_page_names_exists(page: Path) -> None:
    sections = {name.partition(".")[0] for name in KNOWN_FIELDS if "." in name}
    named = {name for name in INLINE.findall(prose(page)) if re.fullmatch(r"[a-z_]+(\.[a-z0-9_]+)+", name)}
    fields = {name for name in named if name.partition(".")[0] in sections and not name.endswith(".jsonl")}
    assert fields <= KNOWN_FIELDS


@pytest.mark.parametrize("page", PAGES, ids=by_name)
def test_every_flag_that_a_page_names_exists(page: Path) -> None:
    group = typer.main.get_command(app)
    params = [param for command in [group, *group.commands.values()] for param in command.params]  # type: ignore[attr-defined]
    known = {name for param in params for name in [*param.opts, *param.secondary_opts]} | {"--help"}
    ours = [text.split() for text in INLINE.findall(prose(page)) if text.startswith(("-", "r1kit "))]
    named = {word for words in ours for word in words if re.fullmatch(r"--?[a-z][a-z0-9.-]*", word)}
    assert named <= known


@pytest.mark.parametrize(
    ("page", "fields"),
    [
        ("grpo.md", paths_of(GrpoAlgorithm, ("algorithm",))),
        ("models.md", paths_of(ModelConfig, ("model",)) - {"model.lora"}),
        ("data.md", paths_of(DataSource, ("data",)) | paths_of(ProblemData, ("data",)) - {"data.columns"}),
        ("data.md", paths_of(SftColumns, ("data", "columns")) | paths_of(KeepConfig, ("keep",))),
        ("rewards.md", paths_of(RewardConfig, ("rewards",))),
        ("reward_model.md", paths_of(PreferenceColumns, ("data", "columns"))),
        ("code.md", paths_of(SandboxConfig, ("sandbox",))),
        ("pipelines.md", set(PipelineConfig.model_fields) | set(PipelineStage.model_fields)),
    ],
)
def test_a_page_explains_every_field_of_its_sections(page: str, fields: set[str]) -> None:
    assert fields <= set(INLINE.findall(prose(ROOT / "docs" / page)))
