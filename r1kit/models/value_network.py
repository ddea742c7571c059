"""Value networks: what reward is still to come from a prompt and the tokens so far.

Legend: M trained tokens, D hidden.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, Protocol

from torch import Tensor, nn

from r1kit.config.model import ModelConfig
from r1kit.models.folder import whole_folder
from r1kit.models.folding import folded_adapters
from r1kit.models.hidden import hidden_states
from r1kit.models.load import load_policy
from r1kit.models.policy import Policy
from r1kit.models.scalar_head import ScalarHead, hidden_size_of
from r1kit.ops.trees import PackedTrees

NETWORK_FOLDER: Final = "network"
"""The folder beside the head that holds a separate network, as `Policy.save` writes it."""


class ValueNetwork(Protocol):
    """A guess for every state."""

    @property
    def own_parameters(self) -> list[nn.Parameter]:
        """What is trained of it beside the policy's parameters."""
        ...

    def values(self, packed: PackedTrees) -> Tensor:
        """The value [M], float32, of the state before each completion token; gradients flow unless disabled outside."""
        ...

    def measuring(self) -> AbstractContextManager[None]:
        """Inside, `values` are computed as fast as can be, without gradient."""
        ...

    def save(self, folder: Path, *, stage: str, seed: int) -> None:
        """Write head and network into `folder`, which appears whole or not at all."""
        ...


@dataclass(frozen=True)
class SeparateValueNetwork:
    """A model of the policy's size: the base loaded a second time, with an adapter (or all weights) of its own.

    It starts as the policy does, with a head that says 0.
    """

    network: Policy
    head: ScalarHead

    @classmethod
    def load(cls, config: ModelConfig, *, seed: int) -> SeparateValueNetwork:
        """The network for a policy that `config` describes. Raises as `load_policy`."""
        network = load_policy(config, train=True, seed=seed)
        _freeze_own_output_head(network)
        return cls(network, ScalarHead(hidden_size_of(network.model), network.device))

    @property
    def own_parameters(self) -> list[nn.Parameter]:
        """Its adapter or all of its weights, and the head."""
        return [*self.network.trainable_parameters(), *self.head.parameters()]

    def values(self, packed: PackedTrees) -> Tensor:
        """See `ValueNetwork.values`."""
        hidden = hidden_states(self.network, packed)
        values: Tensor = self.head(hidden[packed.sources.to(hidden.device)])
        return values

    @contextmanager
    def measuring(self) -> Iterator[None]:
        """See `ValueNetwork.measuring`."""
        with self.network.sampling(), folded_adapters(self.network.model):
            yield

    def save(self, folder: Path, *, stage: str, seed: int) -> None:
        """See `ValueNetwork.save`."""
        with whole_folder(folder) as partial:
            self.network.save(partial / NETWORK_FOLDER, stage=stage, seed=seed)
            self.head.save(partial)
            self.network.lineage.with_stage(stage, seed).write(partial)


@dataclass(frozen=True)
class SharedValueHead:
    """A head on the policy's own last hidden states.

    With `into_backbone` the gradient of the values reaches the policy's layers; without, it stops at the head.
    """

    policy: Policy
    head: ScalarHead
    into_backbone: bool = field(default=True)

    @classmethod
    def on(cls, policy: Policy, *, into_backbone: bool) -> SharedValueHead:
        """A head that says 0."""
        return cls(policy, ScalarHead(hidden_size_of(policy.model), policy.device), into_backbone)

    @property
    def own_parameters(self) -> list[nn.Parameter]:
        """The head's."""
        return list(self.head.parameters())

    def values(self, packed: PackedTrees) -> Tensor:
        """See `ValueNetwork.values`."""
        hidden = hidden_states(self.policy, packed)
        return self.values_of(hidden[packed.sources.to(hidden.device)])

    def values_of(self, hidden: Tensor) -> Tensor:
        """The values [M], float32, of last hidden states [M, D] that are at hand already."""
        values: Tensor = self.head(hidden if self.into_backbone else hidden.detach())
        return values

    @contextmanager
    def measuring(self) -> Iterator[None]:
        """See `ValueNetwork.measuring`."""
        with self.policy.sampling(), folded_adapters(self.policy.model):
            yield

    def save(self, folder: Path, *, stage: str, seed: int) -> None:
        """See `ValueNetwork.save`: the head alone; the policy is saved beside it."""
        with whole_folder(folder) as partial:
            self.head.save(partial)
            self.policy.lineage.with_stage(stage, seed).write(partial)


def _freeze_own_output_head(network: Policy) -> None:
    """Take an output head that no token goes through out of the training; one tied to the embeddings stays in it."""
    head = network.model.get_output_embeddings()
    tied = network.model.get_input_embeddings()
    if head is not None and head.weight is not tied.weight:
        head.requires_grad_(requires_grad=False)
