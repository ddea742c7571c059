"""The policy as it was when it was loaded, on the same base: nothing but an adapter is held twice.

After SFT the reference of RL is not "adapter off" but the SFT adapter, so a starting adapter is kept in a
frozen copy. A fresh adapter starts as the base exactly (its B is zero), so there adapter off is right.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from typing import Protocol

import peft
import torch
from torch import nn

from r1kit.models.adapter import POLICY_ADAPTER, REFERENCE_ADAPTER
from r1kit.models.modes import requires_grad_kept


class Reference(Protocol):
    """A way to make a model compute as the reference for a while."""

    def active(self) -> AbstractContextManager[None]:
        """Inside, the model is the reference; on exit it is the policy again, requires_grad flags included."""
        ...


@dataclass(frozen=True)
class AdapterReference:
    """A frozen second adapter."""

    model: peft.PeftModel

    @contextmanager
    def active(self) -> Iterator[None]:
        """Switch to the frozen adapter."""
        with requires_grad_kept(self.model):
            self.model.set_adapter(REFERENCE_ADAPTER, inference_mode=True)
            try:
                yield
            finally:
                self.model.set_adapter(POLICY_ADAPTER)


@dataclass(frozen=True)
class BaseReference:
    """The base below a fresh adapter."""

    model: peft.PeftModel

    @contextmanager
    def active(self) -> Iterator[None]:
        """Switch the adapter off."""
        with requires_grad_kept(self.model), self.model.disable_adapter():
            yield


class WeightsReference:
    """A frozen copy of every weight, for full tuning: doubles the memory of the weights."""

    def __init__(self, model: nn.Module) -> None:
        self._parameters = list(model.parameters())
        self._copies = [parameter.detach().clone() for parameter in self._parameters]

    @contextmanager
    def active(self) -> Iterator[None]:
        """Swap the copies in; the trained weights come back untouched."""
        self._swap()
        try:
            yield
        finally:
            self._swap()

    def _swap(self) -> None:
        for index, parameter in enumerate(self._parameters):
            trained: torch.Tensor = parameter.data
            parameter.data = self._copies[index]
            self._copies[index] = trained


class UnchangedReference:
    """A model of which nothing is trained is its own reference."""

    @contextmanager
    def active(self) -> Iterator[None]:
        """Change nothing."""
        yield
