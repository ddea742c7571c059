r"""Times r1kit's sandbox against plain subprocesses that run the same programs, and prints one table for both.

    python benchmarks/sandbox.py [--programs 200] [--cores 2] [--quick] [--json]

A plain subprocess is `python -I -S -c PROGRAM`, with nothing between it and the machine. A jail is a session that is
started, given the program, asked once and closed. Both run in turn, a program each, so that what else the machine
does falls on both alike; the figures are medians. Then as many at a time as there are cores, one kind after the other
and back again. A further life of the same session, as every test on standard input begins one, is timed too.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import Any, Final

from rich.box import MARKDOWN
from rich.console import Console
from rich.table import Table

import r1kit
from r1kit.sandbox import Limits, Sandbox, open_sandbox

PYTHON: Final = str(Path(sys.executable).resolve())
LIMITS: Final = Limits(wall_seconds=60.0)
PROGRAMS: Final = {
    "nothing": "pass",
    "a small function": "def add(a, b):\n    return a + b\nassert add(2, 3) == 5",
    "three imports": "import re, collections, heapq\nassert re.sub('a', 'b', 'aa') == 'bb'",
}
Run = Callable[[str], None]


def main() -> None:
    """Time both kinds, one program at a time and several, and print what came of it."""
    arguments = _arguments()
    num_programs = 6 if arguments.quick else arguments.programs
    sandbox = open_sandbox()
    kinds: dict[str, Run] = {"jail": partial(run_jailed, sandbox), "subprocess": run_plain}
    report = {
        "versions": {
            "r1kit": r1kit.__version__,
            "Python": platform.python_version(),
            "Linux": platform.release(),
        },
        "layers": sorted(sandbox.layers.names),
        "one": {name: one_at_a_time(kinds, program, num_programs) for name, program in PROGRAMS.items()},
        "life": milliseconds(lives(sandbox, num_programs)),
        "many": {
            num: many_at_a_time(kinds, PROGRAMS["a small function"], num_programs, num)
            for num in range(1, arguments.cores + 1)
        },
    }
    if arguments.json:
        print(json.dumps(report, indent=1))
    else:
        print_report(report)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--programs", type=int, default=200, help="runs of each kind for a figure")
    parser.add_argument(
        "--cores", type=int, default=len(os.sched_getaffinity(0)), help="at most so many at a time"
    )
    parser.add_argument("--quick", action="store_true", help="a few programs only, to see that it works")
    parser.add_argument("--json", action="store_true")
    return parser.parse_args()


def run_plain(program: str) -> None:
    """Run a program in a subprocess. Raises CalledProcessError when it fails."""
    subprocess.run([PYTHON, "-I", "-S", "-c", program], check=True, stdin=subprocess.DEVNULL)


def run_jailed(sandbox: Sandbox, program: str) -> None:
    """Run a program in a session of its own. SystemExit when it fails."""
    with sandbox.start(LIMITS) as session:
        reply = session.ask({"source": program, "name": "__main__"})
        if reply is None or "raised" in reply:
            raise SystemExit(f"a program failed in the jail: {reply}, {session.close()}")


def one_at_a_time(kinds: dict[str, Run], program: str, num_programs: int) -> dict[str, float]:
    """The median milliseconds of each kind, run in turn; the first of each does not count."""
    seconds: dict[str, list[float]] = {kind: [] for kind in kinds}
    for _ in range(num_programs + 1):
        for kind, run in kinds.items():
            seconds[kind].append(timed(partial(run, program)))
    return {kind: milliseconds(found[1:]) for kind, found in seconds.items()}


def lives(sandbox: Sandbox, num_programs: int) -> list[float]:
    """The seconds of each further life of a session, with a program in it."""
    request = {"source": PROGRAMS["a small function"], "name": "__main__"}
    with sandbox.start(LIMITS) as session:

        def renew() -> None:
            if session.renew() is None or session.ask(request) is None:
                raise SystemExit(f"a life did not begin: {session.close()}")

        return [timed(renew) for _ in range(num_programs)]


def many_at_a_time(
    kinds: dict[str, Run], program: str, num_programs: int, num_threads: int
) -> dict[str, float]:
    """Programs a second of each kind, from two rounds each."""
    seconds = dict.fromkeys(kinds, 0.0)
    with ThreadPoolExecutor(num_threads) as pool:
        for kind in (*kinds, *reversed(kinds)):
            programs = [program] * num_programs
            seconds[kind] += timed(lambda: list(pool.map(kinds[kind], programs)))  # noqa: B023  # called at once
    return {kind: 2 * num_programs / taken for kind, taken in seconds.items()}


def timed(action: Callable[[], object]) -> float:
    """The seconds that an action takes by the clock."""
    begun = time.perf_counter()
    action()
    return time.perf_counter() - begun


def milliseconds(seconds: Sequence[float]) -> float:
    """The median, in milliseconds."""
    return 1000 * statistics.median(seconds)


def print_report(report: dict[str, Any]) -> None:
    """Two Markdown tables: the milliseconds of one program, and programs a second."""
    console = Console(width=110)
    versions = ", ".join(f"{name} {number}" for name, number in report["versions"].items())
    console.print(f"{versions}; layers: {', '.join(report['layers'])}\n")
    table = _table("one at a time, ms", "jail", "subprocess", "overhead")
    for name, taken in report["one"].items():
        jail, plain = taken["jail"], taken["subprocess"]
        table.add_row(name, f"{jail:.1f}", f"{plain:.1f}", f"{jail - plain:+.1f}")
    table.add_row("a further life", f"{report['life']:.1f}", "", "")
    console.print(table)
    table = _table("at a time, programs/s", "jail", "subprocess", "ratio")
    for num, rates in report["many"].items():
        jail, plain = rates["jail"], rates["subprocess"]
        table.add_row(str(num), f"{jail:.0f}", f"{plain:.0f}", f"{jail / plain:.2f}")
    console.print(table)


def _table(*headings: str) -> Table:
    table = Table(box=MARKDOWN)
    for index, heading in enumerate(headings):
        table.add_column(heading, justify="right" if index else "left")
    return table


if __name__ == "__main__":
    main()
