"""PPO on one screen: what is trained, and with which optimizers; the loop is that of all reinforcement learning.

PPO for language models as in RLHF (Ziegler et al. 2019; Ouyang et al. 2022), the algorithm that DeepSeekMath (Shao et
al. 2024, eq. 1 and 2) sets GRPO against: a value network guesses the reward to come at every token, the advantage of a
token is what turns out better than the guess (GAE), and several passes over each rollout batch move the policy by
PPO's clipped surrogate and the value network by a clipped squared error. A step is in `trainer.py`, the mathematics in
`objectives/`.
"""

from __future__ import annotations

from typing import Any

from r1kit.config.optim import OptimConfig
from r1kit.config.ppo import PpoConfig
from r1kit.models.policy import Policy
from r1kit.models.value_network import SeparateValueNetwork, SharedValueHead, ValueNetwork
from r1kit.ppo.learners import Learners
from r1kit.ppo.trainer import PpoTrainer
from r1kit.rl.loop import Workshop, train
from r1kit.training.optimizer import Optimizer, peak_learning_rate


def run(config: PpoConfig) -> dict[str, Any]:
    """Train a policy and its value network as `config` says; the run's summary, as written to `summary.json`.

    Raises:
        R1KitError: data, rewards or model cannot be used (nothing was trained), or training diverged.
    """
    return train(config, "ppo", lambda workshop: make_trainer(config, workshop))


def make_trainer(config: PpoConfig, workshop: Workshop) -> PpoTrainer:
    """The trainer on the workshop's policy; a separate value network is loaded here."""
    policy = workshop.policy
    network = value_network(config, policy)
    learners = Learners(policy, network, *optimizers(config, policy, network), workshop.size)
    return PpoTrainer(config, workshop, learners)


def value_network(config: PpoConfig, policy: Policy) -> ValueNetwork:
    """A second model that starts as the policy does, or a head on the policy's hidden states."""
    algorithm = config.algorithm
    if algorithm.value_network == "shared":
        return SharedValueHead.on(policy, into_backbone=algorithm.value_into_backbone)
    return SeparateValueNetwork.load(config.model, seed=config.seed)


def optimizers(
    config: PpoConfig, policy: Policy, network: ValueNetwork
) -> tuple[Optimizer, Optimizer | None]:
    """The policy's, and that of a separate value network; a shared head is in the policy's."""

    def make(parameters: list[Any], optim: OptimConfig, stage: str) -> Optimizer:
        rate = peak_learning_rate(optim, stage, config.model)
        num_steps = config.steps * config.algorithm.num_updates
        return Optimizer(parameters, optim, learning_rate=rate, num_steps=num_steps)

    if config.algorithm.value_network == "shared":
        return make([*policy.trainable_parameters(), *network.own_parameters], config.optim, "ppo"), None
    ours = make(policy.trainable_parameters(), config.optim, "ppo")
    return ours, make(network.own_parameters, config.value_optim, "value")
