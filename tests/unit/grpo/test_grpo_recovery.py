"""An update that runs out of memory anywhere ends with the weights of one that does not."""

from __future__ import annotations

import gc
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from test_grpo_update import groups, make_config
from tiny_models import write_tiny_model

import r1kit.training.forward
from r1kit.config.rl import GrpoConfig
from r1kit.core.errors import EnvironmentError_
from r1kit.grpo.batch import build_batch
from r1kit.grpo.update import update_policy
from r1kit.models.load import load_policy
from r1kit.models.policy import Policy
from r1kit.training.optimizer import Optimizer
from r1kit.training.recovery import MicroBatchSize


def short_of_memory() -> torch.OutOfMemoryError:
    return torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB")


class Fault:
    """Raises torch's own error at calls number `first`, `first` + 1, ... of what it is put into."""

    def __init__(self, first: int, times: int) -> None:
        self.calls, self.raised = 0, 0
        self.first, self.times = first, times

    def __call__(self) -> None:
        self.calls += 1
        if self.calls >= self.first and self.raised < self.times:
            self.raised += 1
            raise short_of_memory()


def before(patch: pytest.MonkeyPatch, owner: Any, name: str, fault: Callable[[], None]) -> None:
    """Call `fault` in front of `owner.name`."""
    real = getattr(owner, name)

    def guarded(*args: Any, **kwargs: Any) -> Any:
        fault()
        return real(*args, **kwargs)

    patch.setattr(owner, name, guarded)


def last_block(policy: Policy) -> torch.nn.Module:
    return next(m for name, m in policy.model.named_modules() if name.endswith("layers.1.mlp"))


def in_reference(patch: pytest.MonkeyPatch, policy: Policy, fault: Fault) -> None:
    before(patch, last_block(policy), "forward", lambda: None if torch.is_grad_enabled() else fault())


def in_forward(patch: pytest.MonkeyPatch, policy: Policy, fault: Fault) -> None:
    before(patch, last_block(policy), "forward", lambda: fault() if torch.is_grad_enabled() else None)


def in_head(patch: pytest.MonkeyPatch, policy: Policy, fault: Fault) -> None:
    before(patch, r1kit.training.forward, "head_logprobs", fault)


class FaultyGradient(torch.autograd.Function):
    """The identity, with a fault on the way back."""

    fault: Fault

    @staticmethod
    def forward(ctx: Any, hidden: torch.Tensor) -> torch.Tensor:
        return hidden.view_as(hidden)

    @staticmethod
    def backward(ctx: Any, gradient: torch.Tensor) -> torch.Tensor:  # type: ignore[override]
        FaultyGradient.fault()
        return gradient


def in_backward(patch: pytest.MonkeyPatch, policy: Policy, fault: Fault) -> None:
    """Half-way: when the last layer's gradients are there already and the first layer's are not."""
    block = last_block(policy)
    real, late = block.forward, next(p for p in block.parameters() if p.requires_grad)

    def checked() -> None:
        assert late.grad is not None
        fault()

    patch.setattr(FaultyGradient, "fault", staticmethod(checked), raising=False)
    patch.setattr(block, "forward", lambda hidden: real(FaultyGradient.apply(hidden)))


def in_clipping(patch: pytest.MonkeyPatch, policy: Policy, fault: Fault) -> None:
    """After the gradient has been scaled, so that a second scaling would show."""
    real = torch.nn.utils.clip_grad_norm_

    def clip(parameters: Any, max_norm: float) -> torch.Tensor:
        norm = real(parameters, max_norm)
        fault()
        return norm

    patch.setattr(torch.nn.utils, "clip_grad_norm_", clip)


def in_optimizer(patch: pytest.MonkeyPatch, policy: Policy, fault: Fault) -> None:
    before(patch, torch, "_fused_adamw_", fault)


STAGES: dict[str, Callable[[pytest.MonkeyPatch, Policy, Fault], None]] = {
    "reference": in_reference,
    "forward": in_forward,
    "head": in_head,
    "backward": in_backward,
    "clipping": in_clipping,
    "optimizer": in_optimizer,
}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_tiny_model(tmp_path_factory.mktemp("recovery") / "model", "qwen2")


def config_of(folder: Path, tokens: int) -> GrpoConfig:
    return make_config(
        folder,
        batching={"micro_batch_tokens": tokens},
        algorithm={"updates_per_batch": 2, "beta": 0.3},
        optim={"max_grad_norm": 0.5, "schedule": "constant", "warmup_ratio": 0.0},
    )


@pytest.fixture(scope="module")
def loaded(folder: Path) -> Iterator[Policy]:
    """One policy for all tests; what is alive already is kept out of the garbage collector's way."""
    policy = load_policy(config_of(folder, 1).model, train=True, with_reference=True)
    gc.collect()
    gc.freeze()
    yield policy
    gc.unfreeze()


def to_start(policy: Policy) -> None:
    """Put the adapter where it always starts: away from the reference, so that the KL term is not 0."""
    generator = torch.Generator().manual_seed(5)
    with torch.no_grad():
        for parameter in policy.trainable_parameters():
            parameter.copy_(0.1 * torch.randn(parameter.shape, generator=generator))


@pytest.fixture(scope="module")
def undisturbed(loaded: Policy, folder: Path) -> tuple[list[torch.Tensor], dict[str, float]]:
    """Weights and figures of a run without faults."""
    to_start(loaded)
    config = config_of(folder, 10_000)
    return trained(loaded, optimizer_of(loaded, config), config, MicroBatchSize(10_000))


@pytest.fixture
def policy(loaded: Policy, undisturbed: tuple[list[torch.Tensor], dict[str, float]]) -> Policy:
    """The policy at its start."""
    to_start(loaded)
    return loaded


def optimizer_of(policy: Policy, config: GrpoConfig) -> Optimizer:
    return Optimizer(policy.trainable_parameters(), config.optim, learning_rate=1e-3, num_steps=2)


def trained(
    policy: Policy, optimizer: Optimizer, config: GrpoConfig, size: MicroBatchSize
) -> tuple[list[torch.Tensor], dict[str, float]]:
    batch = build_batch(groups(), config.algorithm, 64)
    metrics = update_policy(policy, optimizer, batch, config, size)
    return [p.detach().clone() for p in policy.trainable_parameters()], metrics


@pytest.mark.parametrize("times", [1, 2])
@pytest.mark.parametrize("late", [False, True], ids=["at first", "later"])
@pytest.mark.parametrize("stage", STAGES)
def test_the_weights_are_those_of_an_undisturbed_run(
    stage: str,
    late: bool,
    times: int,
    policy: Policy,
    folder: Path,
    undisturbed: tuple[list[torch.Tensor], dict[str, float]],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """`late`: in a later micro-batch, with gradient accumulated; for what happens once, in the second update."""
    tokens = 60 if stage in ("reference", "forward", "head", "backward") else 10_000
    config = config_of(folder, tokens)
    optimizer = optimizer_of(policy, config)
    fault = Fault(first=2 if late else 1, times=times)
    STAGES[stage](monkeypatch, policy, fault)
    said: list[str] = []
    size = MicroBatchSize(tokens, said.append)
    weights, metrics = trained(policy, optimizer, config, size)
    expected, calm = undisturbed
    assert fault.raised == times
    assert size.num_oom + optimizer.num_oom == times
    assert len(said) == size.num_oom
    assert (size.tokens < tokens) is (stage not in ("clipping", "optimizer"))
    for one, other in zip(weights, expected, strict=True):
        torch.testing.assert_close(one, other, atol=1e-6, rtol=1e-6)
    assert metrics == pytest.approx(calm, rel=1e-4, abs=1e-6)
    assert all(parameter.grad is None for parameter in policy.trainable_parameters())


@pytest.mark.parametrize("stage", ["forward", "head", "backward"])
def test_the_second_of_two_updates_recovers_too(
    stage: str,
    policy: Policy,
    folder: Path,
    undisturbed: tuple[list[torch.Tensor], dict[str, float]],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    config = config_of(folder, 10_000)
    # One micro-batch: the reference pass has a head too, then each update runs each stage once.
    STAGES[stage](monkeypatch, policy, Fault(first=3 if stage == "head" else 2, times=2))
    size = MicroBatchSize(10_000, lambda _: None)
    weights, _ = trained(policy, optimizer_of(policy, config), config, size)
    assert size.num_oom == 2
    for one, other in zip(weights, undisturbed[0], strict=True):
        torch.testing.assert_close(one, other, atol=1e-6, rtol=1e-6)


def test_a_completion_that_never_fits_ends_the_run_and_the_weights_stay(
    policy: Policy, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = config_of(folder, 10_000)
    start = [p.detach().clone() for p in policy.trainable_parameters()]
    in_backward(monkeypatch, policy, Fault(first=1, times=10**6))
    with pytest.raises(EnvironmentError_, match=r"a single text of \d+ tokens does not fit"):
        trained(policy, optimizer_of(policy, config), config, MicroBatchSize(10_000, lambda _: None))
    assert all(torch.equal(a, b) for a, b in zip(start, policy.trainable_parameters(), strict=True))
