import math

import pytest
import torch

from r1kit.config.model import ModelConfig
from r1kit.config.optim import OptimConfig
from r1kit.core.errors import EnvironmentError_, TrainingError
from r1kit.training.optimizer import Optimizer, peak_learning_rate, schedule_factor


def test_the_rate_rises_over_the_warm_up_and_is_never_zero_at_the_start():
    optim = OptimConfig(warmup_ratio=0.2, schedule="constant")
    assert [schedule_factor(step, 20, optim) for step in range(6)] == pytest.approx(
        [0.2, 0.4, 0.6, 0.8, 1, 1]
    )


def test_cosine_is_at_half_in_the_middle_and_near_the_floor_at_the_end():
    optim = OptimConfig(warmup_ratio=0.0, final_ratio=0.1)
    assert schedule_factor(0, 100, optim) == 1
    assert schedule_factor(50, 100, optim) == pytest.approx(0.55)
    assert schedule_factor(25, 100, optim) == pytest.approx(0.1 + 0.9 * 0.5 * (1 + math.cos(math.pi / 4)))
    assert 0.1 < schedule_factor(99, 100, optim) < 0.101


def test_linear_falls_by_the_same_amount_each_step():
    optim = OptimConfig(warmup_ratio=0.0, schedule="linear")
    factors = [schedule_factor(step, 5, optim) for step in range(5)]
    assert factors == pytest.approx([1, 0.8, 0.6, 0.4, 0.2])


def test_a_single_step_runs_at_the_peak_rate():
    assert schedule_factor(0, 1, OptimConfig(warmup_ratio=0.0)) == 1


@pytest.mark.parametrize("stage", ["sft", "grpo"])
def test_adapters_take_a_higher_rate_than_full_fine_tuning(stage):
    lora = peak_learning_rate(OptimConfig(), stage, ModelConfig(path="m"))
    full = peak_learning_rate(OptimConfig(), stage, ModelConfig(path="m", tuning="full"))
    assert lora / full >= 10
    assert peak_learning_rate(OptimConfig(learning_rate=3e-3), stage, ModelConfig(path="m")) == 3e-3


def adam_by_hand(gradients: list[float], rate: float, max_norm: float) -> float:
    weight, first, second = 1.0, 0.0, 0.0
    for step, gradient in enumerate(gradients, start=1):
        clipped = gradient * min(1.0, max_norm / (abs(gradient) + 1e-6))
        first, second = 0.9 * first + 0.1 * clipped, 0.999 * second + 0.001 * clipped**2
        weight -= rate * (first / (1 - 0.9**step)) / (math.sqrt(second / (1 - 0.999**step)) + 1e-8)
    return weight


def test_steps_are_those_of_adam_with_the_gradient_clipped():
    weight = torch.nn.Parameter(torch.ones(1, dtype=torch.float64))
    config = OptimConfig(schedule="constant", warmup_ratio=0.0)
    optimizer = Optimizer([weight], config, learning_rate=0.1, num_steps=3)
    norms = []
    for gradient in (3.0, -0.5, 0.2):
        weight.grad = torch.tensor([gradient], dtype=torch.float64)
        norms.append(optimizer.step().grad_norm)
    assert norms == pytest.approx([3.0, 0.5, 0.2])
    assert weight.item() == pytest.approx(adam_by_hand([3.0, -0.5, 0.2], 0.1, 1.0), rel=1e-6)


def test_weight_decay_leaves_vectors_alone():
    matrix, vector = torch.nn.Parameter(torch.ones(2, 2)), torch.nn.Parameter(torch.ones(2))
    config = OptimConfig(weight_decay=0.5, schedule="constant", warmup_ratio=0.0)
    optimizer = Optimizer([matrix, vector], config, learning_rate=0.1, num_steps=1)
    matrix.grad, vector.grad = torch.zeros(2, 2), torch.zeros(2)
    optimizer.step()
    assert matrix[0, 0].item() == pytest.approx(0.95)
    assert vector[0].item() == 1.0


def test_a_gradient_that_is_not_finite_stops_the_run_and_leaves_the_weights():
    weight = torch.nn.Parameter(torch.ones(1))
    optimizer = Optimizer([weight], OptimConfig(), learning_rate=0.1, num_steps=1)
    weight.grad = torch.tensor([float("nan")])
    with pytest.raises(TrainingError, match="not finite"):
        optimizer.step()
    assert weight.item() == 1.0


def test_a_skipped_step_moves_the_schedule_and_not_the_weights():
    weight = torch.nn.Parameter(torch.ones(1))
    config = OptimConfig(schedule="linear", warmup_ratio=0.0)
    optimizer = Optimizer([weight], config, learning_rate=0.1, num_steps=3)
    optimizer.skip()
    assert weight.item() == 1.0
    weight.grad = torch.ones(1)
    assert optimizer.step().learning_rate == pytest.approx(0.1 * 2 / 3)


SHAPES = ((7, 5), (5,), (3, 4), (1,))


def parameters(seed: int = 0) -> list[torch.nn.Parameter]:
    generator = torch.Generator().manual_seed(seed)
    return [torch.nn.Parameter(torch.randn(shape, generator=generator)) for shape in SHAPES]


def give_gradients(targets: list[torch.nn.Parameter], seed: int) -> None:
    generator = torch.Generator().manual_seed(seed)
    for target in targets:
        target.grad = torch.randn(target.shape, generator=generator)


def test_steps_equal_those_of_torchs_adamw_without_a_fused_kernel():
    ours, theirs = parameters(), parameters()
    config = OptimConfig(schedule="constant", warmup_ratio=0.0, weight_decay=0.1, max_grad_norm=1e9)
    optimizer = Optimizer(ours, config, learning_rate=0.05, num_steps=6)
    groups = [
        {"params": [p for p in theirs if p.ndim > 1], "weight_decay": 0.1},
        {"params": [p for p in theirs if p.ndim < 2], "weight_decay": 0.0},
    ]
    reference = torch.optim.AdamW(groups, lr=0.05, foreach=True)
    for step in range(6):
        give_gradients(ours, step)
        give_gradients(theirs, step)
        optimizer.step()
        reference.step()
    for one, other in zip(ours, theirs, strict=True):
        torch.testing.assert_close(one, other, atol=1e-6, rtol=1e-6)


def test_the_moments_are_there_before_the_first_step():
    weights = parameters()
    optimizer = Optimizer(weights, OptimConfig(), learning_rate=0.1, num_steps=1)
    states = {p: state for adamw in optimizer._adamws for p, state in adamw.state.items()}
    assert set(states) == set(weights)
    pointers = {p: (s["exp_avg"].data_ptr(), s["exp_avg_sq"].data_ptr()) for p, s in states.items()}
    give_gradients(weights, 0)
    optimizer.step()
    for parameter, state in states.items():
        assert state["step"].item() == 1
        assert (state["exp_avg"].data_ptr(), state["exp_avg_sq"].data_ptr()) == pointers[parameter]


@pytest.mark.parametrize("failures", [1, 2])
@pytest.mark.parametrize("call", [1, 2])
def test_a_step_that_runs_out_of_memory_is_taken_once_in_the_end(monkeypatch, failures, call):
    """`call`: whether the matrices' kernel fails, or the vectors' after the matrices have moved."""
    disturbed, calm = parameters(), parameters()
    config = OptimConfig(schedule="constant", warmup_ratio=0.0)
    pair = [Optimizer(weights, config, learning_rate=0.1, num_steps=3) for weights in (disturbed, calm)]
    kernel, calls = torch._fused_adamw_, []

    def short_of_memory(*args, **kwargs):
        calls.append(len(args[0]))
        if call <= len(calls) < call + failures:
            raise torch.OutOfMemoryError("CUDA out of memory")
        return kernel(*args, **kwargs)

    for step in range(3):
        for weights in (disturbed, calm):
            give_gradients(weights, step)
        with monkeypatch.context() as patch:
            if step == 1:
                patch.setattr(torch, "_fused_adamw_", short_of_memory)
            stats = [pair[0].step()]
        stats.append(pair[1].step())
        assert stats[0] == stats[1]
    assert len(calls) == 2 + failures
    assert pair[0].num_oom == failures
    assert all(torch.equal(one, other) for one, other in zip(disturbed, calm, strict=True))
    states = [list(adamw.state.values()) for adamw in pair[0]._adamws]
    assert all(state["step"].item() == 3 for group in states for state in group)


def test_a_step_that_never_fits_ends_the_run_with_one_line_and_leaves_the_weights(monkeypatch):
    weights = parameters()
    optimizer = Optimizer(weights, OptimConfig(), learning_rate=0.1, num_steps=1)
    before = [weight.detach().clone() for weight in weights]

    def never(*args, **kwargs):
        raise torch.OutOfMemoryError("CUDA out of memory")

    monkeypatch.setattr(torch, "_fused_adamw_", never)
    give_gradients(weights, 0)
    with pytest.raises(
        EnvironmentError_, match=r"^out of memory in the optimizer's step .* lower memory\.vram$"
    ):
        optimizer.step()
    assert all(torch.equal(one, other) for one, other in zip(weights, before, strict=True))


def test_another_error_of_the_kernel_is_not_swallowed(monkeypatch):
    weights = parameters()
    optimizer = Optimizer(weights, OptimConfig(), learning_rate=0.1, num_steps=1)

    def broken(*args, **kwargs):
        raise RuntimeError("illegal memory access")

    monkeypatch.setattr(torch, "_fused_adamw_", broken)
    give_gradients(weights, 0)
    with pytest.raises(RuntimeError, match="illegal memory access"):
        optimizer.step()
