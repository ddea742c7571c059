"""`r1kit grpo` as a whole; a step, which is the algorithm, is in `trainer.py`.

The objective is DeepSeekMath's (Shao et al. 2024, eq. 3) as DeepSeek-R1 uses it (2025, eq. 1 to 3). Every
variant is a setting of `config.algorithm` (presets: `config/algorithms.py`); the mathematics is in
`objectives/`, what PPO does in the same way in `rl/`.
"""

from __future__ import annotations

from functools import partial
from typing import Any

from r1kit.config.rl import GrpoConfig
from r1kit.grpo.trainer import GrpoTrainer
from r1kit.rl.loop import Workshop, train
from r1kit.training.optimizer import Optimizer, peak_learning_rate


def run(config: GrpoConfig) -> dict[str, Any]:
    """Train a policy as `config` says; the run's summary, as written to `summary.json`.

    Raises:
        R1KitError: data, rewards or model cannot be used (nothing was trained), or training diverged.
    """
    return train(config, "grpo", partial(make_trainer, config))


def make_trainer(config: GrpoConfig, workshop: Workshop) -> GrpoTrainer:
    """The trainer of a run."""
    optimizer = Optimizer(
        workshop.policy.trainable_parameters(),
        config.optim,
        learning_rate=peak_learning_rate(config.optim, "grpo", config.model),
        num_steps=config.steps * config.algorithm.num_updates,
    )
    return GrpoTrainer(config, workshop, optimizer)
