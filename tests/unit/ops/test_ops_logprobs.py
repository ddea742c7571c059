from __future__ import annotations

import math
from typing import Any

import pytest
import torch
from torch import Tensor
from torch.autograd.graph import saved_tensors_hooks
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from r1kit.ops.logprobs import completion_logprobs, token_logprobs

N, D, V = 37, 6, 29


def random_head(dtype: torch.dtype = torch.float64) -> dict[str, Tensor]:
    generator = torch.Generator().manual_seed(0)

    def draw(*shape: int) -> Tensor:
        return torch.randn(*shape, generator=generator, dtype=torch.float64).to(dtype)

    return {
        "hidden": draw(N, D).requires_grad_(),
        "head_weight": draw(V, D).requires_grad_(),
        "head_bias": draw(V).requires_grad_(),
        "targets": torch.randint(V, (N,), generator=generator),
    }


def naive(
    hidden: Tensor,
    head_weight: Tensor,
    head_bias: Tensor | None,
    targets: Tensor,
    temperature: float = 1.0,
    logit_softcap: float | None = None,
) -> Tensor:
    logits = torch.nn.functional.linear(hidden, head_weight, head_bias)
    if logit_softcap is not None:
        logits = logit_softcap * torch.tanh(logits / logit_softcap)
    logprobs = (logits / temperature).log_softmax(-1)
    return logprobs.gather(-1, targets[:, None]).squeeze(-1)


def naive_row(logits: list[float], target: int, temperature: float) -> tuple[float, float]:
    """Log-probability of the target and entropy, in python floats."""
    weights = [math.exp(logit / temperature) for logit in logits]
    probabilities = [weight / sum(weights) for weight in weights]
    return math.log(probabilities[target]), -sum(p * math.log(p) for p in probabilities)


class LargestTensor(TorchDispatchMode):
    """Remembers the number of elements of the largest tensor that any operation made."""

    def __init__(self) -> None:
        super().__init__()
        self.elements = 0

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        result = func(*args, **(kwargs or {}))
        sizes = [leaf.numel() for leaf in tree_leaves(result) if isinstance(leaf, Tensor)]
        self.elements = max([self.elements, *sizes])
        return result


def largest_saved(run: Any) -> int:
    """Elements of the largest tensor that a forward pass keeps for its backward pass."""
    sizes = [0]

    def remember(tensor: Tensor) -> Tensor:
        sizes.append(tensor.numel())
        return tensor

    with saved_tensors_hooks(remember, lambda tensor: tensor):
        run()
    return max(sizes)


def test_hand_values_of_log_probability_and_entropy() -> None:
    logits = torch.tensor([[[math.log(3.0), 0.0], [0.0, 0.0]]])
    scores = token_logprobs(logits, torch.tensor([[0, 1]]), with_entropy=True)
    torch.testing.assert_close(scores.logprobs, torch.tensor([[math.log(0.75), math.log(0.5)]]))
    assert scores.entropy is not None
    entropy = -(0.75 * math.log(0.75) + 0.25 * math.log(0.25))
    torch.testing.assert_close(scores.entropy, torch.tensor([[entropy, math.log(2)]]))


@pytest.mark.parametrize("temperature", [1.0, 0.6, 1.7])
@pytest.mark.parametrize("chunk", [None, 1, 4, 100])
def test_a_naive_loop_gives_the_same_values(temperature: float, chunk: int | None) -> None:
    generator = torch.Generator().manual_seed(1)
    logits = torch.randn(3, 5, 7, generator=generator, dtype=torch.float64) * 3
    targets = torch.randint(7, (3, 5), generator=generator)
    scores = token_logprobs(logits, targets, temperature, with_entropy=True, chunk=chunk)
    assert scores.entropy is not None
    for row in range(3):
        for token in range(5):
            expected = naive_row(logits[row, token].tolist(), int(targets[row, token]), temperature)
            got = scores.logprobs[row, token].item(), scores.entropy[row, token].item()
            assert got == pytest.approx(expected, rel=1e-11)


@pytest.mark.parametrize("settings", [{}, {"temperature": 0.6}, {"logit_softcap": 2.0, "temperature": 1.3}])
@pytest.mark.parametrize("with_bias", [True, False])
@pytest.mark.parametrize("chunk", [None, 1, 8, 1000])
def test_the_chunked_head_has_the_naive_values_and_gradients(
    settings: dict[str, float], with_bias: bool, chunk: int | None
) -> None:
    head: dict[str, Any] = random_head()
    if not with_bias:
        head["head_bias"] = None
    leaves = [tensor for tensor in head.values() if tensor is not None and tensor.requires_grad]
    weights = torch.randn(N, generator=torch.Generator().manual_seed(2), dtype=torch.float64)
    chunked = completion_logprobs(**head, **settings, chunk=chunk).logprobs
    expected = naive(**head, **settings)
    torch.testing.assert_close(chunked, expected, rtol=1e-12, atol=1e-12)
    torch.testing.assert_close(
        torch.autograd.grad((chunked * weights).sum(), leaves),
        torch.autograd.grad((expected * weights).sum(), leaves),
        rtol=1e-11,
        atol=1e-12,
    )


def test_gradients_agree_with_finite_differences() -> None:
    generator = torch.Generator().manual_seed(5)
    shapes = ((3, 2), (4, 2), (4,))
    inputs = [
        torch.randn(shape, generator=generator, dtype=torch.float64).requires_grad_() for shape in shapes
    ]

    def run(hidden: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
        targets = torch.tensor([3, 0, 1])
        return completion_logprobs(hidden, weight, bias, targets, 0.7, logit_softcap=3.0, chunk=2).logprobs

    assert torch.autograd.gradcheck(run, inputs)


def test_a_frozen_head_still_passes_the_gradient_to_the_hidden_states() -> None:
    head = random_head()
    head["head_weight"] = head["head_weight"].detach()
    head["head_bias"] = head["head_bias"].detach()
    completion_logprobs(**head, chunk=5).logprobs.sum().backward()
    gradient = head["hidden"].grad
    (expected,) = torch.autograd.grad(naive(**head).sum(), head["hidden"])
    torch.testing.assert_close(gradient, expected)


def test_the_whole_logits_never_exist_in_either_pass() -> None:
    head = random_head()
    with LargestTensor() as watched:
        completion_logprobs(**head, with_entropy=True, chunk=8).logprobs.sum().backward()
    assert watched.elements == max(8 * V, N * D, V * D)
    with LargestTensor() as watched:
        naive(**head).sum().backward()
    assert watched.elements == N * V


def test_no_logits_are_kept_for_the_backward_pass() -> None:
    head = random_head()
    assert largest_saved(lambda: completion_logprobs(**head, chunk=8)) < 8 * V
    assert largest_saved(lambda: naive(**head)) == N * V


def test_logits_in_half_precision_are_never_turned_to_float32_as_a_whole() -> None:
    logits = torch.randn(4, 8, V, generator=torch.Generator().manual_seed(3)).bfloat16().requires_grad_()
    targets = torch.zeros(4, 8, dtype=torch.int64)
    made: list[tuple[torch.dtype, int]] = []

    class Watch(LargestTensor):
        def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
            result = super().__torch_dispatch__(func, types, args, kwargs)
            made.extend(
                (leaf.dtype, leaf.numel()) for leaf in tree_leaves(result) if isinstance(leaf, Tensor)
            )
            return result

    with Watch():
        token_logprobs(logits, targets, 0.9, chunk=8).logprobs.sum().backward()
    assert max(elements for dtype, elements in made if dtype == torch.float32) == 8 * V


def test_half_precision_logits_are_scored_in_float32() -> None:
    logits = torch.randn(2, 3, V, generator=torch.Generator().manual_seed(4)).bfloat16()
    targets = torch.tensor([[0, 1, 2], [3, 4, 5]])
    scores = token_logprobs(logits, targets, with_entropy=True)
    assert scores.logprobs.dtype == torch.float32
    assert scores.entropy is not None
    assert scores.entropy.dtype == torch.float32
    exact = token_logprobs(logits.double(), targets).logprobs
    torch.testing.assert_close(scores.logprobs.double(), exact, rtol=0, atol=1e-6)


def test_the_head_of_a_half_precision_model_gives_what_its_own_logits_give() -> None:
    head = random_head(torch.bfloat16)
    logits = torch.nn.functional.linear(head["hidden"], head["head_weight"], head["head_bias"])
    own = token_logprobs(logits[None], head["targets"][None]).logprobs[0]
    torch.testing.assert_close(completion_logprobs(**head, chunk=N).logprobs, own)


def test_chunking_changes_nothing() -> None:
    head = random_head()
    whole = completion_logprobs(**head, with_entropy=True, chunk=N)
    cut = completion_logprobs(**head, with_entropy=True, chunk=10)
    torch.testing.assert_close(cut.logprobs, whole.logprobs, rtol=1e-14, atol=1e-14)
    torch.testing.assert_close(cut.entropy, whole.entropy, rtol=1e-14, atol=1e-14)


def test_nothing_is_recorded_without_gradients() -> None:
    head = random_head()
    with torch.no_grad():
        scores = completion_logprobs(**head, with_entropy=True, chunk=8)
    torch.testing.assert_close(scores.logprobs, naive(**head).detach())
    assert not scores.logprobs.requires_grad


def test_entropy_is_for_metrics_and_carries_no_gradient() -> None:
    head = random_head()
    scores = completion_logprobs(**head, with_entropy=True)
    assert scores.entropy is not None
    assert not scores.entropy.requires_grad
    assert completion_logprobs(**head).entropy is None


def test_huge_logits_do_not_overflow() -> None:
    scores = token_logprobs(torch.tensor([[[1e4, 0.0, -1e4]]]), torch.tensor([[0]]), 0.1, with_entropy=True)
    assert scores.logprobs.item() == 0.0
    assert scores.entropy is not None
    assert scores.entropy.item() == 0.0


def test_an_impossible_token_has_log_probability_minus_infinity_and_leaves_entropy_finite() -> None:
    logits = torch.tensor([[[0.0, 0.0, -math.inf], [0.0, 0.0, -math.inf]]])
    scores = token_logprobs(logits, torch.tensor([[0, 2]]), with_entropy=True)
    assert scores.logprobs.tolist() == [[pytest.approx(-math.log(2)), -math.inf]]
    torch.testing.assert_close(scores.entropy, torch.full((1, 2), math.log(2)))


def test_no_tokens_give_an_empty_result() -> None:
    head = random_head()
    head["hidden"], head["targets"] = head["hidden"][:0], head["targets"][:0]
    assert completion_logprobs(**head, with_entropy=True).logprobs.shape == (0,)
    assert token_logprobs(torch.zeros(2, 0, V), torch.zeros(2, 0, dtype=torch.int64)).logprobs.shape == (2, 0)


@pytest.mark.parametrize("temperature", [0.0, -1.0, math.nan])
def test_a_temperature_not_above_zero_is_refused(temperature: float) -> None:
    with pytest.raises(ValueError, match=r"temperature is .*; log-probabilities need one above 0"):
        token_logprobs(torch.zeros(1, 1, V), torch.zeros(1, 1, dtype=torch.int64), temperature)


def test_the_global_random_state_is_left_alone() -> None:
    before = torch.random.get_rng_state()
    completion_logprobs(**random_head(), chunk=8).logprobs.sum().backward()
    assert torch.equal(torch.random.get_rng_state(), before)
