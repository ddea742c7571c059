r"""Runs r1kit's math checker and math-verify on the same labelled pairs and prints one table for both.

    python benchmarks/math_checker.py PAIRS.jsonl [PAIRS2.jsonl ...] [--cores 1] [--json]

A pair is a line with "gold" (or a list of golds), "pred" (the completion) and "expected", and may have "category"
(else the file's name) and "adversarial"; or, as in the tests, with "gold", "completion" and "verdict". Each checker judges row by row in a process of its own; one that takes longer than `--limit` on
a row is killed, which costs that row and no other. A row that hangs or crashes counts as "not correct", and is
counted. Checks/s come from further processes, one a pass, so that no cache is filled: the ordinary rows that kept
both within the limit, and integers, fractions and decimals alone. Needs the extra `bench`.
"""

from __future__ import annotations

import argparse
import json
import os
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from fractions import Fraction
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any, Final

from math_judges import Checker, Outcome, Pair, Question, checks_a_second, fresh_seconds
from rich.box import MARKDOWN
from rich.console import Console
from rich.table import Table

import r1kit

SHIPPED: Final = Path("tests/unit/rewards/answers")
ADVERSARIAL: Final = frozenset(("garbage", "injection", "long", "too_large", "tricks"))
CHECKERS: Final = ("r1kit", "math-verify")
CHEAP_ROWS: Final = 2000

IMPORTS: Final = {"r1kit": "from r1kit.rewards.math import check", "math-verify": "import math_verify"}
FIRST_ANSWERS: Final = {
    "r1kit": r"from r1kit.rewards.math import check; check('x(x+1)', r'\boxed{x^2+x}')",
    "math-verify": r"from math_verify import parse, verify; verify(parse('$x(x+1)$'), parse(r'\boxed{x^2+x}'))",
}


@dataclass(frozen=True, slots=True)
class Score:
    """The counts over some rows."""

    rows: int
    accuracy: float
    false_positives: int
    false_negatives: int
    hangs: int
    crashes: int
    slowest_seconds: float


def main() -> None:
    """Judge every row with both checkers, time them, and print what came of it."""
    arguments = _arguments()
    versions = found_versions()
    pairs = read_pairs(arguments.pairs or sorted(SHIPPED.glob("*.jsonl")))
    cores = sorted(os.sched_getaffinity(0))[-arguments.cores :]
    outcomes = {name: judge_all(name, pairs, cores, arguments.limit) for name in CHECKERS}
    questions = ordinary_questions(pairs, list(outcomes.values()))
    report = {
        "versions": versions,
        "scores": {name: scores(pairs, outcomes[name]) for name in CHECKERS},
        "speed": {name: speed(name, questions, cores) for name in CHECKERS},
        "categories": {name: accuracies(pairs, outcomes[name]) for name in CHECKERS},
    }
    if arguments.json:
        print(json.dumps(report, indent=1, default=asdict))
    else:
        print_report(report)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("pairs", type=Path, nargs="*", help=f"default: {SHIPPED}/*.jsonl")
    parser.add_argument("--cores", type=int, default=1, help="a checker and its workers share so many")
    parser.add_argument("--limit", type=float, default=5.0, help="seconds a row may take")
    parser.add_argument("--json", action="store_true")
    return parser.parse_args()


def found_versions() -> dict[str, str]:
    """The versions of what is compared. SystemExit when math-verify is not installed."""
    try:
        return {"r1kit": r1kit.__version__, **{name: version(name) for name in ("math-verify", "sympy")}}
    except PackageNotFoundError as error:
        raise SystemExit(f"{error.name} is missing; try: pip install -e '.[bench]'") from None


def read_pairs(paths: Iterable[Path]) -> list[Pair]:
    """The rows of all files. Adversarial are those that say so and those of an adversarial category."""
    return [pair for path in paths for pair in _pairs_of(path)]


def _pairs_of(path: Path) -> list[Pair]:
    # Not splitlines: a completion may hold what that takes for the end of a line.
    lines = path.read_text(encoding="utf-8").split("\n")
    return [_pair(json.loads(line), path.stem) for line in lines if line.strip()]


def _pair(row: dict[str, Any], name: str) -> Pair:
    golds = (row["gold"],) if isinstance(row["gold"], str) else tuple(row["gold"])
    category = row.get("category", name)
    is_adversarial = row.get("adversarial") or category.startswith("adv_") or category in ADVERSARIAL
    if "verdict" in row:
        return Pair(golds, row["completion"], row["verdict"] == "correct", category, bool(is_adversarial))
    return Pair(golds, row["pred"], row["expected"], category, bool(is_adversarial))


def judge_all(name: str, pairs: Sequence[Pair], cores: Sequence[int], limit_seconds: float) -> list[Outcome]:
    """The outcome of each row."""
    with Checker(name, cores) as checker:
        return [checker.judge(pair, limit_seconds) for pair in pairs]


def ordinary_questions(pairs: Sequence[Pair], outcomes: Sequence[Sequence[Outcome]]) -> list[Question]:
    """The ordinary rows that no checker hung or crashed on, so that checks/s does not depend on the limit."""
    rows = zip(pairs, *outcomes, strict=True)
    return [
        (pair.golds, pair.pred)
        for pair, *all_of_it in rows
        if not pair.is_adversarial and not any(outcome.trouble for outcome in all_of_it)
    ]


def scores(pairs: Sequence[Pair], outcomes: Sequence[Outcome]) -> dict[str, Score]:
    """The score on the ordinary rows and on the adversarial ones, where there are any."""
    judged = list(zip(pairs, outcomes, strict=True))
    kinds = {"ordinary": False, "adversarial": True}
    rows = {
        kind: [row for row in judged if row[0].is_adversarial == adversarial]
        for kind, adversarial in kinds.items()
    }
    return {kind: score(some) for kind, some in rows.items() if some}


def score(judged: Sequence[tuple[Pair, Outcome]]) -> Score:
    """The counts over the rows; there has to be one."""
    wrong = [(pair, outcome) for pair, outcome in judged if outcome.correct != pair.expected]
    troubles = [outcome.trouble for _, outcome in judged]
    return Score(
        rows=len(judged),
        accuracy=1 - len(wrong) / len(judged),
        false_positives=sum(outcome.correct for _, outcome in wrong),
        false_negatives=sum(pair.expected for pair, _ in wrong),
        hangs=troubles.count("hang"),
        crashes=troubles.count("crash"),
        slowest_seconds=max(outcome.seconds for _, outcome in judged),
    )


def accuracies(pairs: Sequence[Pair], outcomes: Sequence[Outcome]) -> dict[str, tuple[int, float]]:
    """Rows and accuracy by category, in the order of their names."""
    found: dict[str, list[bool]] = {}
    for pair, outcome in zip(pairs, outcomes, strict=True):
        found.setdefault(pair.category, []).append(outcome.correct == pair.expected)
    return {category: (len(rows), sum(rows) / len(rows)) for category, rows in sorted(found.items())}


def speed(name: str, ordinary: Sequence[Question], cores: Sequence[int]) -> dict[str, float]:
    """Checks a second, and the seconds until a fresh process has imported the checker or given its first answer."""
    figures = {
        "cheap checks/s": checks_a_second(name, cheap_questions(), cores),
        "import, s": fresh_seconds(IMPORTS[name], cores),
        "import and first answer, s": fresh_seconds(FIRST_ANSWERS[name], cores),
    }
    if ordinary:
        figures = {"ordinary checks/s": checks_a_second(name, ordinary, cores), **figures}
    return figures


def cheap_questions() -> list[Question]:
    """Integers, fractions and decimals as most golds are, half of them answered wrongly; no two the same."""
    questions: list[Question] = []
    for index in range(CHEAP_ROWS // 4):
        number, off = 7 * index + 3, index % 2
        half = Fraction(2 * number + 1, 4)
        texts = [
            (str(number), str(number + off)),
            (f"-{number}", f"{off - number}"),
            (f"\\frac{{{half.numerator}}}{{4}}", f"{half.numerator + off}/4"),
            (f"{float(half)}", f"\\frac{{{2 * half.numerator + off}}}{{8}}"),
        ]
        questions += [((gold,), f"So the answer is $\\boxed{{{answer}}}$.") for gold, answer in texts]
    return questions


def print_report(report: dict[str, Any]) -> None:
    """Three Markdown tables: the counts, the speed with its ratio, and the accuracy by category."""
    console = Console(width=110)
    console.print(", ".join(f"{name} {number}" for name, number in report["versions"].items()) + "\n")
    for kind in report["scores"]["r1kit"]:
        by_checker = {name: asdict(report["scores"][name][kind]) for name in CHECKERS}
        console.print(side_by_side(f"{kind} rows", by_checker))
    table = side_by_side("speed", report["speed"])
    console.print(table)
    console.print(category_table(report["categories"]))


def side_by_side(title: str, figures: dict[str, dict[str, float]]) -> Table:
    """A row a figure, a column a checker, and how often the second goes into the first."""
    table = _table(title, *CHECKERS, "ratio")
    for figure in figures["r1kit"]:
        ours, theirs = (figures[name][figure] for name in CHECKERS)
        ratio = f"{ours / theirs:,.2f}" if figure.endswith("/s") else ""
        table.add_row(figure.replace("_", " "), shown(ours), shown(theirs), ratio)
    return table


def category_table(categories: dict[str, dict[str, tuple[int, float]]]) -> Table:
    """Rows and both accuracies of each category."""
    table = _table("category", "rows", *CHECKERS)
    for category, (rows, ours) in categories["r1kit"].items():
        table.add_row(category, str(rows), shown(ours), shown(categories["math-verify"][category][1]))
    return table


def _table(*headings: str) -> Table:
    table = Table(box=MARKDOWN)
    for index, heading in enumerate(headings):
        table.add_column(heading, justify="right" if index else "left")
    return table


def shown(figure: float) -> str:
    """A count as it is, anything else to three decimals or, from a hundred on, to none."""
    if isinstance(figure, int):
        return f"{figure:,}"
    return f"{figure:,.0f}" if figure >= 100 else f"{figure:.3f}"


if __name__ == "__main__":
    main()
