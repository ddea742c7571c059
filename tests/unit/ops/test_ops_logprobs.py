"""The fused head against plain autograd over whole logits."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor
from torch.autograd.graph import saved_tensors_hooks
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves
from torch.utils.checkpoint import checkpoint

from r1kit.ops import logprobs
from r1kit.ops.logprobs import TokenScores, completion_logprobs, whole_logits

N, D, V = 37, 6, 150


@pytest.fixture
def narrow(monkeypatch: pytest.MonkeyPatch) -> None:
    """Tiles of 64 columns, the fewest there can be: two whole ones and one of 22."""
    monkeypatch.setattr(logprobs, "CHUNK_ELEMENTS", 1)


def random_head(dtype: torch.dtype = torch.float64, scale: float = 1.0) -> dict[str, Any]:
    generator = torch.Generator().manual_seed(0)

    def draw(*shape: int) -> Tensor:
        return (torch.randn(*shape, generator=generator, dtype=torch.float64) * scale).to(dtype)

    return {
        "hidden": draw(N, D).requires_grad_(),
        "head_weight": draw(V, D).requires_grad_(),
        "head_bias": draw(V).requires_grad_(),
        "targets": torch.randint(V, (N,), generator=generator),
    }


def frozen(head: dict[str, Any]) -> dict[str, Any]:
    return head | {"head_weight": head["head_weight"].detach(), "head_bias": head["head_bias"].detach()}


def leaves_of(head: dict[str, Any]) -> list[Tensor]:
    return [tensor for tensor in head.values() if tensor is not None and tensor.requires_grad]


def naive_logits(head: dict[str, Any], logit_softcap: float | None = None) -> Tensor:
    logits = F.linear(head["hidden"], head["head_weight"], head["head_bias"])
    return logits if logit_softcap is None else logit_softcap * torch.tanh(logits / logit_softcap)


def naive(head: dict[str, Any], temperature: float = 1.0, logit_softcap: float | None = None) -> TokenScores:
    """Log-probabilities and entropies from whole logits, with torch's own gradient."""
    logprobs = (naive_logits(head, logit_softcap) / temperature).log_softmax(-1)
    entropy = -(logprobs.exp() * logprobs).sum(-1).detach()
    return TokenScores(logprobs.gather(-1, head["targets"][:, None]).squeeze(-1), entropy)


def weighted(scores: TokenScores) -> Tensor:
    """A loss in which each token counts differently, some against the others."""
    weights = torch.randn(
        len(scores.logprobs), generator=torch.Generator().manual_seed(2), dtype=torch.float64
    )
    return (scores.logprobs * weights).sum()


def saved_by(run: Callable[[], object]) -> list[Tensor]:
    """The tensors that a forward pass keeps for its backward pass."""
    saved: list[Tensor] = []

    def remember(tensor: Tensor) -> Tensor:
        saved.append(tensor)
        return tensor

    with saved_tensors_hooks(remember, lambda tensor: tensor):
        run()
    return saved


class Made(TorchDispatchMode):
    """Remembers the shape of every tensor that an operation gave out."""

    def __init__(self) -> None:
        super().__init__()
        self.shapes: set[tuple[int, ...]] = set()

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        result = func(*args, **(kwargs or {}))
        self.shapes |= {tuple(leaf.shape) for leaf in tree_leaves(result) if isinstance(leaf, Tensor)}
        return result


class Products(TorchDispatchMode):
    """Counts matrix products."""

    count = 0

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        self.count += any(word in func.__name__ for word in ("mm", "linear"))
        return func(*args, **(kwargs or {}))


SETTINGS = [{}, {"temperature": 0.6}, {"logit_softcap": 2.0, "temperature": 1.3}]


def test_hand_values_of_log_probability_and_entropy() -> None:
    weight = torch.tensor([[math.log(3.0)], [0.0]])
    hidden = torch.tensor([[1.0], [0.0]])
    scores = completion_logprobs(hidden, weight, None, torch.tensor([0, 1]), with_entropy=True)
    torch.testing.assert_close(scores.logprobs, torch.tensor([math.log(0.75), math.log(0.5)]))
    entropy = -(0.75 * math.log(0.75) + 0.25 * math.log(0.25))
    torch.testing.assert_close(scores.entropy, torch.tensor([entropy, math.log(2)]))


def test_hand_value_of_the_gradient() -> None:
    weight = torch.tensor([[math.log(3.0)], [0.0]])
    hidden = torch.tensor([[1.0]], requires_grad=True)
    completion_logprobs(hidden, weight, None, torch.tensor([0])).logprobs.backward(torch.tensor([2.0]))
    # 2 (1 - p) log 3 with p = 3/4
    torch.testing.assert_close(hidden.grad, torch.tensor([[math.log(3.0) / 2]]))


@pytest.mark.usefixtures("narrow")
@pytest.mark.parametrize("settings", SETTINGS)
@pytest.mark.parametrize("with_bias", [True, False])
@pytest.mark.parametrize("trains_head", [True, False])
@pytest.mark.parametrize("chunk", [None, 8])
def test_values_and_gradients_are_those_of_plain_autograd(
    settings: dict[str, float], with_bias: bool, trains_head: bool, chunk: int | None
) -> None:
    head = random_head() if trains_head else frozen(random_head())
    if not with_bias:
        head["head_bias"] = None
    fused = completion_logprobs(**head, **settings, with_entropy=True, chunk=chunk)
    expected = naive(head, **settings)
    torch.testing.assert_close(fused.logprobs, expected.logprobs, rtol=1e-12, atol=1e-12)
    torch.testing.assert_close(fused.entropy, expected.entropy, rtol=1e-12, atol=1e-12)
    torch.testing.assert_close(
        torch.autograd.grad(weighted(fused), leaves_of(head)),
        torch.autograd.grad(weighted(expected), leaves_of(head)),
        rtol=1e-11,
        atol=1e-12,
    )


@pytest.mark.parametrize("trained", ["hidden", "head_weight", "head_bias"])
def test_each_input_can_be_trained_alone(trained: str) -> None:
    head = random_head()
    for name in {"hidden", "head_weight", "head_bias"} - {trained}:
        head[name] = head[name].detach()
    (got,) = torch.autograd.grad(weighted(completion_logprobs(**head)), head[trained])
    (expected,) = torch.autograd.grad(weighted(naive(head)), head[trained])
    torch.testing.assert_close(got, expected, rtol=1e-11, atol=1e-12)


@pytest.mark.usefixtures("narrow")
def test_gradients_agree_with_finite_differences() -> None:
    generator = torch.Generator().manual_seed(5)
    shapes = ((3, 2), (66, 2), (66,))
    inputs = [
        torch.randn(shape, generator=generator, dtype=torch.float64).requires_grad_() for shape in shapes
    ]

    def run(hidden: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
        targets = torch.tensor([3, 65, 1])
        return completion_logprobs(hidden, weight, bias, targets, 0.7, logit_softcap=3.0, chunk=2).logprobs

    assert torch.autograd.gradcheck(run, inputs)


def test_a_second_derivative_is_refused() -> None:
    head = random_head()
    total = completion_logprobs(**head).logprobs.sum()
    with pytest.raises(RuntimeError, match="no second derivative; leave create_graph out"):
        torch.autograd.grad(total, head["hidden"], create_graph=True)


@pytest.mark.parametrize("use_reentrant", [True, False])
def test_it_can_be_checkpointed(use_reentrant: bool) -> None:
    head = random_head()

    def run(*tensors: Tensor) -> Tensor:
        return completion_logprobs(*tensors, head["targets"]).logprobs

    inputs = leaves_of(head)
    logprobs = checkpoint(run, *inputs, use_reentrant=use_reentrant)
    logprobs.sum().backward()
    expected = torch.autograd.grad(naive(head).logprobs.sum(), inputs)
    torch.testing.assert_close(tuple(tensor.grad for tensor in inputs), expected, rtol=1e-11, atol=1e-12)


def test_the_backward_pass_can_be_run_twice() -> None:
    head = frozen(random_head())
    loss = completion_logprobs(**head).logprobs.sum()
    (first,) = torch.autograd.grad(loss, head["hidden"], retain_graph=True)
    (second,) = torch.autograd.grad(loss, head["hidden"])
    assert torch.equal(first, second)


@pytest.mark.usefixtures("narrow")
def test_no_tensor_has_the_whole_vocabulary_and_all_tokens() -> None:
    head = random_head()
    with Made() as made:
        completion_logprobs(**head, with_entropy=True, logit_softcap=2.0, chunk=8).logprobs.sum().backward()
    assert (8, 64) in made.shapes
    assert max(math.prod(shape) for shape in made.shapes) == V * D  # the gradient of the head
    with Made() as made:
        naive(head).logprobs.sum().backward()
    assert (N, V) in made.shapes


def test_a_frozen_head_keeps_one_row_a_token_for_the_backward_pass() -> None:
    head = frozen(random_head())
    assert [tensor.shape for tensor in saved_by(lambda: completion_logprobs(**head))] == [(N, D)]
    assert (N, V) in {tensor.shape for tensor in saved_by(lambda: naive(head))}


def test_no_tensor_kept_for_a_trained_head_has_a_column_for_each_token_of_the_vocabulary() -> None:
    saved = saved_by(lambda: completion_logprobs(**random_head(), with_entropy=True))
    assert {tensor.shape[-1] for tensor in saved if tensor.dim() == 2} == {D, 1}


def test_a_frozen_head_costs_two_products_and_a_trained_one_four() -> None:
    for head, expected in ((frozen(random_head()), 2), (random_head(), 4)):
        with Products() as products:
            completion_logprobs(**head).logprobs.sum().backward()
        assert products.count == expected


@pytest.mark.usefixtures("narrow")
@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
@pytest.mark.parametrize("logit_softcap", [None, 3.0])
def test_half_precision_is_as_exact_as_its_own_logits(
    dtype: torch.dtype, logit_softcap: float | None
) -> None:
    head = random_head(dtype)
    exact = {name: tensor.detach().double() for name, tensor in head.items() if name != "targets"}
    exact = {name: tensor.requires_grad_() for name, tensor in exact.items()} | {"targets": head["targets"]}
    fused = completion_logprobs(**head, logit_softcap=logit_softcap, with_entropy=True, chunk=10)
    expected = naive(exact, logit_softcap=logit_softcap)
    assert fused.logprobs.dtype == fused.entropy.dtype == torch.float32
    rounding = torch.finfo(dtype).eps
    # Logits reach 10, and each is rounded once.
    torch.testing.assert_close(fused.logprobs.double(), expected.logprobs, rtol=0, atol=10 * rounding)
    gradients = torch.autograd.grad(weighted(fused), leaves_of(head))
    for got, wanted in zip(gradients, torch.autograd.grad(weighted(expected), leaves_of(exact)), strict=True):
        assert got.dtype == dtype
        assert (got.double() - wanted).norm() < 3 * rounding * wanted.norm()


def test_a_sure_token_keeps_the_digits_of_its_gradient_in_half_precision() -> None:
    weight = torch.tensor([[1.0], [0.0]], dtype=torch.bfloat16)
    hidden = torch.tensor([[20.0]], dtype=torch.bfloat16, requires_grad=True)
    completion_logprobs(hidden, weight, None, torch.tensor([0])).logprobs.sum().backward()
    # 1 - p = 2e-9, which is lost when p is rounded, even to float32.
    assert hidden.grad.item() == pytest.approx(1 / (1 + math.exp(20)), rel=2**-8)


def test_float32_log_probabilities_are_within_its_rounding() -> None:
    head = random_head(torch.float32)
    exact = {name: tensor.detach() for name, tensor in random_head().items()}
    fused = completion_logprobs(**head, with_entropy=True)
    torch.testing.assert_close(fused.logprobs.double(), naive(exact).logprobs, rtol=0, atol=1e-5)
    torch.testing.assert_close(fused.entropy.double(), naive(exact).entropy, rtol=0, atol=1e-5)


@pytest.mark.parametrize("elements", [1, 2**22])
@pytest.mark.parametrize("chunk", [1, 7, N, 1000])
def test_chunks_and_tiles_change_nothing(elements: int, chunk: int, monkeypatch: pytest.MonkeyPatch) -> None:
    head = random_head()
    whole = completion_logprobs(**head, with_entropy=True)
    monkeypatch.setattr(logprobs, "CHUNK_ELEMENTS", elements)
    cut = completion_logprobs(**head, with_entropy=True, chunk=chunk)
    torch.testing.assert_close(cut, whole, rtol=1e-13, atol=1e-13)
    torch.testing.assert_close(
        torch.autograd.grad(weighted(cut), leaves_of(head)),
        torch.autograd.grad(weighted(whole), leaves_of(head)),
        rtol=1e-12,
        atol=1e-13,
    )


def test_many_tokens_are_cut_into_even_chunks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(logprobs, "CHUNK_TOKENS", 36)
    with Made() as made:
        completion_logprobs(**frozen(random_head()))
    assert made.shapes & {(rows, V) for rows in range(D + 1, N + 1)} == {(19, V), (18, V)}


@pytest.mark.parametrize("recording", [torch.no_grad, torch.inference_mode])
def test_nothing_is_recorded_without_gradients(recording: Any) -> None:
    head = random_head()
    with recording(), Products() as products:
        scores = completion_logprobs(**head, with_entropy=True)
    torch.testing.assert_close(scores.logprobs, naive(head).logprobs.detach())
    assert not scores.logprobs.requires_grad
    assert products.count == 1


def test_entropy_is_for_metrics_and_carries_no_gradient() -> None:
    scores = completion_logprobs(**random_head(), with_entropy=True)
    assert scores.logprobs.requires_grad
    assert not scores.entropy.requires_grad
    assert completion_logprobs(**random_head()).entropy is None


@pytest.mark.usefixtures("narrow")
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_huge_logits_do_not_overflow(dtype: torch.dtype) -> None:
    weight = torch.zeros(V, 1, dtype=dtype)
    weight[3], weight[149] = -1e4, 1e4
    hidden = torch.ones(2, 1, dtype=dtype, requires_grad=True)
    scores = completion_logprobs(hidden, weight, None, torch.tensor([149, 3]), 0.1, with_entropy=True)
    torch.testing.assert_close(scores.logprobs, torch.tensor([0.0, -2e5]), rtol=2**-8, atol=0)
    assert scores.entropy.tolist() == [0.0, 0.0]
    scores.logprobs.sum().backward()
    torch.testing.assert_close(hidden.grad, torch.tensor([[0.0], [-2e5]], dtype=dtype))


def test_logits_that_are_all_far_below_zero_do_not_vanish() -> None:
    hidden = torch.ones(1, 1, requires_grad=True)
    weight = torch.full((V, 1), -1e4)
    scores = completion_logprobs(hidden, weight, None, torch.tensor([7]), with_entropy=True)
    torch.testing.assert_close(torch.stack(scores), torch.tensor([[-math.log(V)], [math.log(V)]]))


@pytest.mark.usefixtures("narrow")
@pytest.mark.parametrize("possible", [[0, 1], [148, 149], [3, 100]])
def test_an_impossible_token_has_log_probability_minus_infinity_and_leaves_the_rest_finite(
    possible: list[int],
) -> None:
    bias = torch.full((V,), -math.inf)
    bias[possible] = 0.0
    hidden = torch.ones(2, D, requires_grad=True)
    targets = torch.tensor([possible[0], 70])
    scores = completion_logprobs(hidden, torch.zeros(V, D), bias, targets, with_entropy=True)
    assert scores.logprobs.tolist() == [pytest.approx(-math.log(2)), -math.inf]
    torch.testing.assert_close(scores.entropy, torch.full((2,), math.log(2)))
    scores.logprobs.sum().backward()
    assert hidden.grad.isfinite().all()


def test_no_tokens_give_an_empty_result_with_a_gradient() -> None:
    head = random_head()
    head |= {"hidden": head["hidden"].detach()[:0].requires_grad_(), "targets": head["targets"][:0]}
    scores = completion_logprobs(**head, with_entropy=True)
    assert scores.logprobs.shape == scores.entropy.shape == (0,)
    scores.logprobs.sum().backward()
    assert head["hidden"].grad.shape == (0, D)
    assert not head["head_weight"].grad.any()


@pytest.mark.parametrize("temperature", [0.0, -1.0, math.nan])
def test_a_temperature_not_above_zero_is_refused(temperature: float) -> None:
    with pytest.raises(ValueError, match=r"temperature is .*; log-probabilities need one above 0"):
        completion_logprobs(**random_head(), temperature=temperature)


@pytest.mark.parametrize("target", [-100, V])
def test_a_target_that_is_no_token_is_refused(target: int) -> None:
    head = random_head()
    head["targets"][5] = target
    with pytest.raises(ValueError, match=rf"targets lie between .*{target}.*; .* token ids from 0 to 149"):
        completion_logprobs(**head)


def test_the_global_random_state_is_left_alone() -> None:
    before = torch.random.get_rng_state()
    completion_logprobs(**random_head(), chunk=8).logprobs.sum().backward()
    assert torch.equal(torch.random.get_rng_state(), before)


@pytest.mark.parametrize("logit_softcap", [None, 2.0])
def test_whole_logits_are_those_that_are_scored(logit_softcap: float | None) -> None:
    head = random_head(torch.bfloat16)
    targets = head.pop("targets")
    logits = whole_logits(*head.values(), logit_softcap)
    assert logits.dtype == torch.float32
    assert not logits.requires_grad
    scores = completion_logprobs(*head.values(), targets, 0.7, logit_softcap=logit_softcap)
    own = (logits / 0.7).log_softmax(-1).gather(-1, targets[:, None]).squeeze(-1)
    torch.testing.assert_close(scores.logprobs, own, rtol=0, atol=1e-5)


def test_whole_logits_are_those_of_a_plain_head() -> None:
    head = random_head()
    for softcap in (None, 2.0):
        logits = whole_logits(head["hidden"], head["head_weight"], head["head_bias"], softcap)
        torch.testing.assert_close(logits, naive_logits(head, softcap).detach(), rtol=1e-13, atol=1e-13)


@pytest.mark.parametrize("num_tokens", [0, 1, 2, 8, 9])
def test_logits_of_few_tokens_are_those_of_many(num_tokens: int) -> None:
    head = {name: value.detach().float() for name, value in random_head().items() if name != "targets"}
    logits = whole_logits(head["hidden"][:1].repeat(num_tokens, 1), head["head_weight"], head["head_bias"])
    expected = naive_logits(head, None)[:1].repeat(num_tokens, 1)
    assert logits.is_contiguous()
    torch.testing.assert_close(logits, expected, rtol=1e-5, atol=1e-5)
