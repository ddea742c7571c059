"""One run of GRPO or PPO for `grpo_vs_ppo.py`, in a process of its own; prints what came of it as JSON.

"recipe" trains on arithmetic from a cold start, as a user's `r1kit grpo` or `r1kit ppo` would, and reports held-out
accuracy over steps and seconds. "steps" takes a few steps of a larger random model (`grpo_workload.py`), every side on
the same completions, and reports the seconds and the peak memory of each.
"""

from __future__ import annotations

import argparse
import gc
import json
import tempfile
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

import torch
from grpo_r1kit_side import SCORER, prompted
from grpo_stopwatch import resident_mb, settle
from grpo_workload import WARM_UP_TOKENS, Workload, prompt_ids
from rl_jobs import Job
from rl_watch import CpuStopwatch, TimedTrainer, read_curve, timed_sampling, watch_phases

import r1kit.grpo.loop
import r1kit.ppo.loop
from r1kit.config.load import validate
from r1kit.config.ppo import PpoConfig
from r1kit.config.rl import GrpoConfig, RlConfig
from r1kit.core.rollout import Group
from r1kit.generation import build_engine
from r1kit.models.load import load_policy
from r1kit.models.policy import Policy
from r1kit.rl.loop import Trainer, Workshop, train
from r1kit.rl.reward_watch import RewardWatch
from r1kit.rl.self_check import SamplingGapAlarm
from r1kit.rl.stream import ProblemStream
from r1kit.rollout.rewarding import Rewarder
from r1kit.tracking.tracker import Tracker
from r1kit.training.memory import resolve_sizes
from r1kit.training.recovery import MicroBatchSize

DATA: Final = Path(__file__).parents[1] / "data/arithmetic"
MICRO_BATCH_TOKENS: Final = 1024
"""Of the larger model: nearly as fast as 2048 in two thirds of the memory."""


def main() -> None:
    """Run the job of the command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("job", type=Job.loads)
    parser.add_argument("model", type=Path)
    parser.add_argument("adapter", type=Path, nargs="?")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    watch = CpuStopwatch()
    watch_phases(watch)
    timed_sampling(watch)
    run = recipe_run if arguments.job.kind == "recipe" else steps_run
    with tempfile.TemporaryDirectory() as folder:
        model = {"path": str(arguments.model), "adapter": arguments.adapter, "tuning": arguments.job.tuning}
        print(json.dumps(run(arguments.job, model, Path(folder) / "run", watch)))


def config_of(job: Job, values: dict[str, Any], model: dict[str, Any]) -> RlConfig:
    """The job's configuration, from what its kind says."""
    model = model | {"dtype": "float32", "device": "cpu"}
    shared = {"model": model, "seed": job.seed, "optim": job.optim}
    values = shared | values | {"algorithm": values["algorithm"] | job.algorithm}
    if job.stage == "grpo":
        return validate(GrpoConfig, values, source="benchmark")
    return validate(PpoConfig, values | {"value_optim": job.value_optim}, source="benchmark")


def trainer_of(config: RlConfig, workshop: Workshop) -> Trainer:
    """The trainer as `r1kit grpo` and `r1kit ppo` make it."""
    if isinstance(config, GrpoConfig):
        return r1kit.grpo.loop.make_trainer(config, workshop)
    if isinstance(config, PpoConfig):
        return r1kit.ppo.loop.make_trainer(config, workshop)
    raise TypeError(f"no trainer for {type(config).__name__}")


def recipe_run(job: Job, model: dict[str, Any], output: Path, watch: CpuStopwatch) -> dict[str, Any]:
    """Held-out accuracy as training went on, and the steps."""
    held_out = {"path": str(DATA / "validation.jsonl")}
    values = {
        "output": str(output),
        "data": str(DATA / "train.jsonl"),
        "steps": job.steps,
        "sampling": {"temperature": 1.0, "max_new_tokens": 48},
        "engine": {"batch_size": 128},
        "algorithm": {},
        "rewards": ["math", "format=0.2"],
        "held_out": {"data": held_out, "every": job.every, "num_samples": job.num_samples},
    }
    config = config_of(job, values, model)
    made: list[TimedTrainer] = []

    def make_trainer(workshop: Workshop) -> TimedTrainer:
        made.append(TimedTrainer(trainer_of(config, workshop), watch))
        return made[0]

    train(config, job.stage, make_trainer)
    return {"curve": read_curve(output / "metrics.jsonl", made[0].steps), "steps": made[0].steps}


def steps_run(job: Job, model: dict[str, Any], output: Path, watch: CpuStopwatch) -> dict[str, Any]:
    """A warm-up step with short completions, and `job.steps` that are measured. Megabytes are 10^6 bytes.

    "bare" is the process before a model is loaded, "loaded" with the policy and its reference alone, "kept" with all
    that stays between steps: also the value network and the optimizers' states.
    """
    workload = Workload(**job.workload)
    settle()
    bare = resident_mb()
    config = steps_config(job, workload, model, output)
    policy = load_policy(config.model, train=True, with_reference=workload.beta > 0, seed=job.seed)
    settle()
    loaded = resident_mb()
    with Tracker(output, stage=job.stage, config={}, seed=job.seed, quiet=True) as tracker:
        workshop = workshop_of(config, policy, workload, tracker)
        trainer = trainer_of(config, workshop)
        steps = prompt_ids(workload, job.seed, job.steps + 1)
        warm_up = TimedTrainer(shortened(trainer), watch)
        warm_up.step(0, stream_of(job, workload, steps, 0))
        settle()
        kept = resident_mb()
        timed = TimedTrainer(trainer, watch)
        for step in range(1, len(steps)):
            timed.step(step, stream_of(job, workload, steps, step))
            gc.collect()
    return {"bare_mb": bare, "loaded_mb": loaded, "kept_mb": kept, "steps": timed.steps}


def stream_of(
    job: Job, workload: Workload, steps: Sequence[Sequence[tuple[int, ...]]], step: int
) -> ProblemStream:
    """The prompts of one step."""
    return ProblemStream(prompted(workload, steps[step], step), len(steps[step]), job.seed)


def shortened(trainer: Any) -> Any:
    """The trainer with short completions."""
    sampling = trainer.config.sampling
    short = sampling.model_copy(update={"max_new_tokens": min(WARM_UP_TOKENS, sampling.max_new_tokens)})
    return replace(trainer, config=trainer.config.model_copy(update={"sampling": short}))


def steps_config(job: Job, workload: Workload, model: dict[str, Any], output: Path) -> RlConfig:
    """The workload as a configuration; the prompts are handed to the trainer, and the file is never read."""
    values = {
        "output": str(output),
        "data": "prompts.jsonl",
        "steps": job.steps + 1,
        "sampling": {"max_new_tokens": workload.max_new_tokens},
        "batching": {"micro_batch_tokens": MICRO_BATCH_TOKENS},
        "algorithm": {
            "group_size": workload.group_size,
            "problems_per_step": workload.prompts_per_step,
            "beta": workload.beta,
        },
    }
    return config_of(job, values, model)


class SameDraws(Workshop):
    """A workshop in which draws depend on seed and step alone, and not on the algorithm."""

    __slots__ = ()

    def sample(self, config: RlConfig, stage: str, *rest: Any) -> list[Group]:
        """As any workshop does, whatever the `stage`."""
        return super().sample(config, "benchmark", *rest)


def workshop_of(config: RlConfig, policy: Policy, workload: Workload, tracker: Tracker) -> Workshop:
    """As `rl/loop.py` makes it, with the benchmark's reward."""
    sizes = resolve_sizes(config, policy, tracker.say, longest_prompt=workload.max_prompt)
    return SameDraws(
        policy,
        build_engine(policy, config.engine, tracker.say, sizes.kv_tokens),
        Rewarder(SCORER),
        tracker,
        MicroBatchSize(sizes.micro_batch_tokens, tracker.say),
        SamplingGapAlarm(config.max_sampling_gap, tracker.say),
        RewardWatch({}, tracker.say),
    )


if __name__ == "__main__":
    main()
