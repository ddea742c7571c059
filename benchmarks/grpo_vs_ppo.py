"""GRPO against PPO: seconds and memory of a step, accuracy over steps and over time, and what the article claims of them.

    python benchmarks/grpo_vs_ppo.py [--seeds 0 1 2] [--output runs/grpo-vs-ppo]     # both parts
    python benchmarks/grpo_vs_ppo.py --parts steps --tunings full --vocab 2000
    python benchmarks/grpo_vs_ppo.py --parts recipe --recipe-steps 60 --sides grpo ppo
    python benchmarks/grpo_vs_ppo.py --search --recipe-steps 30                      # learning rates of the recipe
    python benchmarks/grpo_vs_ppo.py --report                                        # of the runs that OUTPUT has
    python benchmarks/grpo_vs_ppo.py --quick                                         # to try the harness

Both algorithms run over the same sampling, rewards, log-prob passes, surrogate and optimizer; what differs is where an
advantage comes from. PPO has a value network of its own, as large as the policy, or a head on the policy's hidden states
(shared). How often a batch is used is a choice and not the method: PPO stands here once with its defaults, two epochs of
four minibatches, and once with one update a batch as GRPO; GRPO also with two.

"steps" is a random Qwen2 (hidden 256, 6 layers, float32), 4 prompts (64 to 256 tokens) with 8 completions of up to 256 tokens a step.
With 32,000 words more than half of a policy's pass goes to the vocabulary, which a value network does not have; with 2,000
the two cost nearly the same, as they do where a model is large. The learning rate is so small that every side draws the same
completions. "recipe" is the tiny base on arithmetic from a cold start a seed: 12 problems with 8 completions each a step,
each side with the best of a few learning rates that were tried (`rl_jobs.py`).

A run is a child process on one thread; sides alternate, seed after seed. Seconds are CPU seconds. Each run is added to
OUTPUT/runs.jsonl as it ends, and is not done again; figures.json and grpo_vs_ppo.png are written beside. Needs Linux.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

from grpo_workload import QUICK, Workload, write_inputs
from rich.console import Console
from rl_jobs import SIDES, SIDES_OF, Job, Run, grouped, recipe_job, steps_job
from rl_search import RATES, search_jobs, search_table
from rl_tables import report

ROOT: Final = Path(__file__).parents[1]
BETA: Final = 0.001
"""Weight of the KL term: any above 0 has a reference pass on both sides."""


def main() -> None:
    """Do the runs that the command line asks for and that are not yet done; report on all."""
    arguments = _arguments()
    arguments.output.mkdir(parents=True, exist_ok=True)
    if arguments.search is not None:
        search(arguments)
        return
    kept = Kept(arguments.output / "runs.jsonl")
    if not arguments.report:
        with tempfile.TemporaryDirectory() as folder:
            run_all(list(jobs_of(arguments)), kept, Path(folder))
    found = grouped(kept.records())
    if not found:
        raise SystemExit(f"{kept.path} has no runs; leave --report out to make some")
    report(found, arguments.output)


def search(arguments: argparse.Namespace) -> None:
    """Try each side with each learning rate and print how well it learned."""
    kept, sides = Kept(arguments.output / "search.jsonl"), arguments.sides
    with tempfile.TemporaryDirectory() as folder:
        for tuning in arguments.tunings:
            tried = arguments.search or RATES
            jobs = search_jobs(sides, tuning, tried, arguments.recipe_steps, arguments.every)
            run_all(list(jobs), kept, Path(folder))
    Console(width=200).print(search_table(kept.records()))


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--parts", nargs="+", choices=("steps", "recipe"), default=("steps", "recipe"))
    parser.add_argument("--tunings", nargs="+", choices=("lora", "full"), default=("lora", "full"))
    parser.add_argument("--sides", nargs="+", choices=SIDES, default=list(SIDES))
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2], help="weights, prompts and draws")
    parser.add_argument("--vocab", type=int, nargs="+", default=[32_000, 2_000], help="of the larger model")
    parser.add_argument("--steps", type=int, default=3, help="measured steps of the larger model")
    parser.add_argument("--recipe-steps", type=int, default=60)
    parser.add_argument("--every", type=int, default=2, help="steps between two held-out evaluations")
    parser.add_argument("--output", type=Path, default=Path("runs/grpo-vs-ppo"))
    parser.add_argument(
        "--search", type=float, nargs="*", metavar="RATE", help="try learning rates of the recipe instead"
    )
    parser.add_argument("--report", action="store_true", help="of what was run already, and run nothing")
    parser.add_argument("--quick", action="store_true", help="tiny sizes, to try the harness")
    return parser.parse_args()


def jobs_of(arguments: argparse.Namespace) -> Iterator[Job]:
    """Every run that is wanted, in order: A B C, A B C, A B C."""
    tunings, seeds, every = arguments.tunings, arguments.seeds, arguments.every
    num_steps, num_recipe_steps, num_samples = arguments.steps, arguments.recipe_steps, 4
    workloads = [replace(Workload(), vocabulary=size, beta=BETA) for size in arguments.vocab]
    if arguments.quick:
        tunings, seeds = tunings[:1], seeds[:1]
        num_steps, num_recipe_steps, every, num_samples = 1, 2, 1, 1
        workloads = [replace(QUICK, beta=BETA)]
    for tuning in tunings:
        if "steps" in arguments.parts:
            sides = [name for name in SIDES_OF["steps"] if name in arguments.sides]
            for workload in workloads:
                yield from (
                    steps_job(side, tuning, seed, num_steps, workload) for seed in seeds for side in sides
                )
        if "recipe" in arguments.parts:
            sides = [name for name in SIDES_OF["recipe"] if name in arguments.sides]
            for seed in seeds:
                for side in sides:
                    yield recipe_job(side, tuning, seed, num_recipe_steps, every, num_samples)


@dataclass(frozen=True, slots=True)
class Kept:
    """The file of runs, a line each."""

    path: Path

    def records(self) -> list[tuple[Job, Run]]:
        """Jobs and what came of them."""
        if not self.path.exists():
            return []
        rows = map(json.loads, self.path.read_text(encoding="utf-8").splitlines())
        return [(Job(**row["job"]), row["run"]) for row in rows]

    def add(self, job: Job, run: Run) -> None:
        """Write a run at the end."""
        with self.path.open("a", encoding="utf-8") as file:
            file.write(json.dumps({"job": json.loads(job.dumps()), "run": run}) + "\n")


def run_all(jobs: list[Job], kept: Kept, folder: Path) -> None:
    """Run the jobs that have not been run yet, one after the other."""
    done = [job for job, _ in kept.records()]
    for place, job in enumerate(jobs, start=1):
        if job in done:
            continue
        run = run_child(job, inputs(job, folder))
        kept.add(job, run)
        words = f"{sum(step['seconds'] for step in run['steps']) / len(run['steps']):.2f} s a step"
        if "curve" in run:
            words += f", rate {job.optim['learning_rate']:g}, pass@1 {run['curve'][0]['pass@1']:.3f} -> {run['curve'][-1]['pass@1']:.3f}"
        else:
            words += f", peak {max(step['peak_mb'] for step in run['steps']):.0f} MB"
        print(
            f"{place}/{len(jobs)} {job.group}, seed {job.seed}, {job.side}: {words}",
            file=sys.stderr,
            flush=True,
        )


def inputs(job: Job, folder: Path) -> list[Path]:
    """Model and, where there is one, starting adapter of a seed; those of the recipe are taught the format first."""
    if job.kind == "steps":
        where = folder / str(job.workload["vocabulary"])
        paths = where / f"model-{job.seed}", where / f"adapter-{job.seed}"
        if not paths[1].exists():
            write_inputs(where, Workload(**job.workload), job.seed)
        return list(paths) if job.tuning == "lora" else [paths[0]]
    base, cold, merged = ROOT / "data/tiny_base", folder / f"cold-{job.seed}", folder / f"merged-{job.seed}"
    if not cold.exists():
        words = (
            f"sft --model {base} --data {ROOT}/data/arithmetic/cold_start.jsonl --steps 40 --batch-size 16"
        )
        words += " --max-length 512 --optim.learning-rate 2e-3 --model.lora.rank 16 --model.lora.alpha 32"
        _r1kit(words, job.seed, cold)
    if job.tuning == "lora":
        return [base, cold / "adapter"]
    if not merged.exists():
        _r1kit(f"export --model {base} --adapter {cold / 'adapter'}", job.seed, merged)
    return [merged / "model"]


def _r1kit(words: str, seed: int, output: Path) -> None:
    command = [sys.executable, "-m", "r1kit", *words.split(), "--seed", str(seed), "-o", str(output)]
    _checked(command)


def run_child(job: Job, paths: list[Path]) -> Run:
    """A run in a process of its own, on one thread. SystemExit with its last words when it fails."""
    script = str(Path(__file__).with_name("rl_side.py"))
    run: Run = json.loads(_checked([sys.executable, script, job.dumps(), *map(str, paths)]).splitlines()[-1])
    return run


def _checked(command: list[str]) -> str:
    environment = {"OMP_NUM_THREADS": "1", "TOKENIZERS_PARALLELISM": "false", "HF_HUB_OFFLINE": "1"}
    done = subprocess.run(
        command, env={**os.environ, **environment}, capture_output=True, text=True, check=False
    )
    if done.returncode != 0:
        raise SystemExit(f"{' '.join(command)} failed:\n{done.stderr[-2000:]}")
    return done.stdout


if __name__ == "__main__":
    main()
