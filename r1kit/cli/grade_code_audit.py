"""`r1kit grade --audit --kind code`: each code problem's own solution run against its tests."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from rich.console import Console
from rich.table import Table
from rich.text import Text

from r1kit.config.data import ProblemData
from r1kit.config.sandbox import SandboxConfig
from r1kit.core.jsonl import dump_line

if TYPE_CHECKING:
    from r1kit.rewards.code.audit import CodeAudit
    from r1kit.tasks.problems import LoadedProblems


def audit_code_set(data: ProblemData, config: SandboxConfig, *, as_json: bool) -> int:
    """The exit code: 2 for problems that a run leaves out, else 0.

    Raises:
        DataError: the set cannot be read.
        SandboxError: no sandbox holds, or it failed.
    """
    from r1kit.rewards.code.audit import audit_code
    from r1kit.rewards.code.judge import CodeJudge
    from r1kit.tasks.problems import load_problems

    # Before the set is read, which may take longer.
    judge = CodeJudge(config)
    _ = judge.sandbox
    loaded = load_problems(data)
    found = audit_code(loaded.problems, judge)
    report = as_report(loaded, found)
    print(dump_line(report)) if as_json else print_report(report, data.path)
    return 2 if found.faults or loaded.dropped else 0


def as_report(loaded: LoadedProblems, found: CodeAudit) -> dict[str, Any]:
    """What was found, as it is printed."""
    golds = [problem.code for problem in loaded.problems]
    return {
        "num_problems": len(golds),
        "num_without_solution": sum(gold is not None and not gold.solution for gold in golds),
        "left_out": dict(loaded.dropped),
        "faults": found.faults,
        "weak": list(found.weak),
    }


def print_report(report: Mapping[str, Any], name: str) -> None:
    """Print the counts, and a table with a row for each reason."""
    console = Console(highlight=False, markup=False)
    bare = report["num_without_solution"]
    told = f", {bare} without a solution of their own" if bare else ""
    console.print(
        f"{name}: {report['num_problems']} problems{told}, {len(report['faults'])} faulty", soft_wrap=True
    )
    by_reason: dict[str, list[str]] = {}
    for problem, reason in report["faults"].items():
        by_reason.setdefault(reason, []).append(problem)
    rows = [("error", str(len(ids)), reason, ids) for reason, ids in by_reason.items()]
    rows += [("error", str(count), reason, []) for reason, count in report["left_out"].items()]
    if report["weak"]:
        weak = "weak tests: they rest in part on what the code says"
        rows.append(("note", str(len(report["weak"])), weak, report["weak"]))
    table = Table("", "count", "what", box=None, pad_edge=False)
    table.add_column("for example", overflow="fold")
    for kind, count, reason, ids in rows:
        table.add_row(kind, count, Text(reason), Text(", ".join(ids[:3])))
    if rows:
        console.print(table)
