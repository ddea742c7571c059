import pytest
import torch
from tiny_models import FAMILIES, write_tiny_model

from r1kit.config.model import LoraConfig, ModelConfig
from r1kit.core.errors import ModelError
from r1kit.models.load import load_policy
from r1kit.training.forward import TokenBatch, trained_logprobs, unflatten

TEXTS = [list(range(20, 45)), list(range(60, 69)), list(range(100, 133))]
STARTS = [5, 3, 20]


def padded_batch() -> TokenBatch:
    width = max(map(len, TEXTS))
    input_ids = torch.tensor([text + [0] * (width - len(text)) for text in TEXTS])
    places = torch.arange(width).expand(3, -1)
    trained = (places >= torch.tensor(STARTS)[:, None]) & (places < torch.tensor([[len(t)] for t in TEXTS]))
    return TokenBatch(input_ids, places, trained)


def packed_batch() -> TokenBatch:
    input_ids = torch.tensor([[token for text in TEXTS for token in text] + [0] * 4])
    positions = torch.tensor([[place for text in TEXTS for place in range(len(text))] + [0] * 4])
    flags = [place >= start for text, start in zip(TEXTS, STARTS, strict=True) for place in range(len(text))]
    return TokenBatch(input_ids, positions, torch.tensor([flags + [False] * 4]))


def alone(policy, temperature: float) -> torch.Tensor:
    """Each text through the whole model by itself, log-softmax of all logits."""
    rows = []
    for text, start in zip(TEXTS, STARTS, strict=True):
        logits = policy.model(input_ids=torch.tensor([text])).logits[0].float() / temperature
        logprobs = torch.log_softmax(logits, -1)
        rows += [logprobs[place - 1, text[place]] for place in range(start, len(text))]
    return torch.stack(rows)


def adapter_gradients(policy, loss: torch.Tensor) -> list[torch.Tensor]:
    return list(torch.autograd.grad(loss, policy.trainable_parameters()))


# transformers refuses sdpa for Gemma 2, whose attention logits are capped.
@pytest.mark.parametrize(
    ("family", "attention"),
    [(f, a) for f in FAMILIES for a in ("sdpa", "eager") if (f, a) != ("gemma2", "sdpa")],
)
def test_packed_and_padded_texts_equal_each_text_alone(family, attention, tmp_path):
    # The longest text is twice the sliding windows of the tiny models, so those are crossed too.
    folder = write_tiny_model(tmp_path / "model", family)
    config = ModelConfig(path=str(folder), attention=attention, lora=LoraConfig(rank=4, alpha=8))
    policy = load_policy(config, train=True)
    for parameter in policy.trainable_parameters():
        torch.nn.init.normal_(parameter, std=0.1, generator=torch.Generator().manual_seed(parameter.numel()))
    expected = alone(policy, 0.8)
    weights = torch.linspace(-1, 1, len(expected))
    expected_gradients = adapter_gradients(policy, (expected * weights).sum())
    for batch in (padded_batch(), packed_batch()):
        logprobs = trained_logprobs(policy, batch, temperature=0.8)
        torch.testing.assert_close(logprobs, expected, atol=2e-5, rtol=1e-4)
        gradients = adapter_gradients(policy, (logprobs * weights).sum())
        for gradient, wanted in zip(gradients, expected_gradients, strict=True):
            torch.testing.assert_close(gradient, wanted, atol=2e-4, rtol=1e-3)


def test_logits_that_a_family_scales_are_refused(tmp_path):
    policy = load_policy(ModelConfig(path=str(write_tiny_model(tmp_path / "model", "llama"))), train=True)
    policy.model.config.logits_scaling = 8.0
    with pytest.raises(ModelError, match="scaled"):
        trained_logprobs(policy, packed_batch())


def test_unflatten_lays_out_rows_in_order_and_lets_gradients_through():
    values = torch.tensor([1.0, 2.0, 3.0], requires_grad=True)
    matrix, mask = unflatten(values, [2, 0, 1])
    assert matrix.tolist() == [[1, 2], [0, 0], [3, 0]]
    assert mask.tolist() == [[True, True], [False, False], [True, False]]
    (matrix * torch.tensor([[1.0, 10.0], [5.0, 5.0], [100.0, 5.0]])).sum().backward()
    assert values.grad.tolist() == [1, 10, 100]
