"""Policy and value network with their optimizers, and the work of one update on them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from torch import Tensor

from r1kit.config.ppo import PpoConfig
from r1kit.models.policy import Policy
from r1kit.models.value_network import SharedValueHead, ValueNetwork
from r1kit.objectives.grpo_sums import GrpoSums
from r1kit.objectives.value import ValueSums
from r1kit.ppo.batch import PpoBatch
from r1kit.ppo.losses import Losses
from r1kit.ppo.passes import joint_forward, value_forward
from r1kit.rl.passes import by_row, forward
from r1kit.rl.rows import slice_rows
from r1kit.training.optimizer import Optimizer, StepStats
from r1kit.training.recovery import MicroBatchSize


@dataclass(frozen=True, slots=True)
class Learners:
    """What is trained, and by what.

    A shared head is in the policy's `optimizer`, so that a step happens to both or to none; a separate value network
    has a `value_optimizer` of its own.
    """

    policy: Policy
    network: ValueNetwork
    optimizer: Optimizer
    value_optimizer: Optimizer | None
    size: MicroBatchSize

    def skip(self) -> None:
        """Move the schedules on without an update."""
        for optimizer in self.optimizers:
            optimizer.skip()

    @property
    def optimizers(self) -> list[Optimizer]:
        """One, or two."""
        return [self.optimizer, *([] if self.value_optimizer is None else [self.value_optimizer])]


@dataclass(slots=True)
class Accumulated:
    """What the micro-batches of an update add up to: sums, and each row's log-probabilities, detached."""

    policy: list[GrpoSums] = field(default_factory=list)
    value: list[ValueSums] = field(default_factory=list)
    logprobs: dict[int, Tensor] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Phase:
    """A gradient, and the optimizer that takes the step after it."""

    accumulate: Callable[[], None]
    optimizer: Optimizer

    def run(self, size: MicroBatchSize) -> StepStats:
        """Take the step; where the memory runs out, again from the start of this phase in smaller micro-batches."""

        def from_the_start() -> StepStats:
            self.accumulate()
            size.running(0, 0)
            return self.optimizer.step()

        return size.recover(from_the_start, reset=self.optimizer.clear_gradient)


def phases_of(learners: Learners, part: PpoBatch, config: PpoConfig, done: Accumulated) -> list[Phase]:
    """An update on a minibatch, in one phase for a shared network and in two for a separate one.

    In two, the policy has been moved and its gradient dropped before the value network's begins: the two are never
    held at the same time, and each can be done again by itself. `done` collects what comes of them.
    """
    losses = Losses(part, config)
    temperature, size = config.sampling.temperature, learners.size
    policy, network = learners.policy, learners.network

    def of_policy() -> None:
        done.policy.clear()
        for micro in slice_rows(part.rows, size.tokens):
            logprobs = forward(policy, micro, temperature, size)
            loss = losses.of_policy(logprobs, micro)
            loss.loss.backward()
            done.policy.append(loss.sums)
            done.logprobs.update(by_row(logprobs.detach(), micro))

    def of_values() -> None:
        done.value.clear()
        for micro in slice_rows(part.rows, size.tokens):
            loss = losses.of_values(value_forward(policy, network, micro, size), micro)
            loss.loss.backward()
            done.value.append(loss.sums)

    def of_both(head: SharedValueHead) -> None:
        done.policy.clear()
        done.value.clear()
        for micro in slice_rows(part.rows, size.tokens):
            logprobs, values = joint_forward(policy, head, micro, temperature, size)
            gain, error = losses.of_policy(logprobs, micro), losses.of_values(values, micro)
            (gain.loss + config.algorithm.value_weight * error.loss).backward()
            done.policy.append(gain.sums)
            done.value.append(error.sums)
            done.logprobs.update(by_row(logprobs.detach(), micro))

    if isinstance(network, SharedValueHead):
        return [Phase(lambda: of_both(network), learners.optimizer)]
    if learners.value_optimizer is None:
        raise ValueError("a separate value network needs an optimizer of its own")
    return [Phase(of_policy, learners.optimizer), Phase(of_values, learners.value_optimizer)]
