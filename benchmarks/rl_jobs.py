"""The sides of `grpo_vs_ppo.py`, and what a child process of it is asked for."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import asdict, dataclass, field
from typing import Any, Final, Literal

from grpo_workload import Workload

Kind = Literal["steps", "recipe"]
Stage = Literal["grpo", "ppo"]
Tuning = Literal["lora", "full"]

PHASES: Final = ("sampling", "reference", "values", "policy update", "value update", "rest")
"""Of a step. "values" is the pass that measures values before the updates; a shared head learns in the policy's."""
STILL: Final = 1e-12
"""The learning rate of "steps": so small that weights stay as they are, and every side draws the same completions."""


@dataclass(frozen=True, slots=True)
class Side:
    """An algorithm with its settings; `recipe` is what differs from 12 problems with 8 completions each."""

    stage: Stage
    algorithm: dict[str, Any]
    words: str
    recipe: dict[str, Any] = field(default_factory=dict)


_OFTEN: Final = {"epochs": 2, "minibatches": 4}
_ONCE: Final = {"epochs": 1, "minibatches": 1}
_OWN: Final = {"value_network": "separate"}
_SHARED: Final = {"value_network": "shared"}
SIDES: Final[dict[str, Side]] = {
    "grpo": Side("grpo", {}, "GRPO, one update a batch"),
    "ppo": Side("ppo", {**_OWN, **_OFTEN}, "PPO with its own value network, 2 epochs of 4 minibatches"),
    "ppo-shared": Side("ppo", {**_SHARED, **_OFTEN}, "PPO with a shared head, 2 epochs of 4 minibatches"),
    "ppo-1": Side("ppo", {**_OWN, **_ONCE}, "PPO with its own value network, one update a batch as GRPO"),
    "ppo-shared-1": Side("ppo", {**_SHARED, **_ONCE}, "PPO with a shared head, one update a batch as GRPO"),
    "grpo-2": Side("grpo", {"updates_per_batch": 2}, "GRPO, two updates a batch: as many passes as 2 epochs"),
    "ppo-96x1": Side(
        "ppo",
        {**_OWN, **_OFTEN},
        "PPO with its own value network, 96 problems with one completion each",
        {"problems_per_step": 96, "group_size": 1},
    ),
}
SIDES_OF: Final[dict[Kind, tuple[str, ...]]] = {
    "steps": ("grpo", "ppo", "ppo-shared", "ppo-1", "ppo-shared-1"),
    "recipe": tuple(SIDES),
}

RATES: Final[dict[Tuning, dict[str, float]]] = {
    "lora": dict.fromkeys(SIDES, 5e-4) | {"grpo": 2e-3, "grpo-2": 2e-3, "ppo-1": 4e-3, "ppo-shared-1": 2e-3},
    "full": dict.fromkeys(SIDES, 3e-4) | {"grpo": 5e-4, "grpo-2": 5e-4, "ppo-1": 1e-3, "ppo-shared-1": 1e-3},
}
"""Learning rates of the recipe: the best of a few that were tried, see `--search`; a side that was not takes its neighbour's."""
VALUE_RATE: Final = 1e-3
"""That of a separate value network."""


@dataclass(frozen=True, slots=True)
class Job:
    """A run. `algorithm`, `optim` and `value_optim` are fields of the configuration."""

    kind: Kind
    side: str
    tuning: Tuning
    seed: int
    steps: int
    workload: dict[str, Any]
    algorithm: dict[str, Any]
    optim: dict[str, Any]
    value_optim: dict[str, Any]
    every: int = 0
    num_samples: int = 4

    @property
    def stage(self) -> Stage:
        """The algorithm."""
        return SIDES[self.side].stage

    @property
    def group(self) -> str:
        """The runs that this one is compared with."""
        if self.kind == "recipe":
            return f"recipe, {self.tuning}"
        return f"steps, {self.tuning}, vocabulary {self.workload['vocabulary']:,}"

    def dumps(self) -> str:
        """As JSON, for the command line of a child process and for the file of runs."""
        return json.dumps(asdict(self))

    @classmethod
    def loads(cls, text: str) -> Job:
        """The job that `dumps` wrote."""
        return cls(**json.loads(text))


def steps_job(side: str, tuning: Tuning, seed: int, num_steps: int, workload: Workload) -> Job:
    """A few steps of the larger random model."""
    still = {"learning_rate": STILL, "schedule": "constant", "warmup_ratio": 0.0}
    found = SIDES[side].algorithm
    return Job("steps", side, tuning, seed, num_steps, asdict(workload), found, still, still)


def recipe_job(
    side: str,
    tuning: Tuning,
    seed: int,
    num_steps: int,
    every: int,
    num_samples: int,
    learning_rate: float | None = None,
) -> Job:
    """Training on arithmetic from the cold start; at the side's own learning rate unless one is given."""
    what = SIDES[side]
    return Job(
        kind="recipe",
        side=side,
        tuning=tuning,
        seed=seed,
        steps=num_steps,
        workload={},
        algorithm={"problems_per_step": 12, "group_size": 8, **what.algorithm, **what.recipe},
        optim={"learning_rate": learning_rate or RATES[tuning][side]},
        value_optim={"learning_rate": VALUE_RATE},
        every=every,
        num_samples=num_samples,
    )


Run = dict[str, Any]
Runs = dict[str, list[Run]]
"""The runs of each side, one a seed."""


def grouped(records: Iterable[tuple[Job, Run]]) -> dict[str, Runs]:
    """Runs by `Job.group` and side; the seeds of a side in order, which are the same for all sides of a whole set."""
    found: dict[str, Runs] = {}
    for job, run in sorted(records, key=lambda record: (list(SIDES).index(record[0].side), record[0].seed)):
        found.setdefault(job.group, {}).setdefault(job.side, []).append(run | {"seed": job.seed})
    return found
