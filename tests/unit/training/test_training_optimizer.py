import math

import pytest
import torch

from r1kit.config.model import ModelConfig
from r1kit.config.optim import OptimConfig
from r1kit.core.errors import TrainingError
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
