from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
import torch
from torch import Tensor
from transformers import Gemma3ForCausalLM, Gemma3TextConfig, LlamaConfig, LlamaForCausalLM

from r1kit.ops.document_mask import document_mask, packed_attention_mask
from r1kit.ops.packing import PackedRows, pack_rows, pack_sequences

SHAPE: dict[str, Any] = {
    "vocab_size": 50,
    "hidden_size": 32,
    "intermediate_size": 48,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "head_dim": 8,
    "max_position_embeddings": 64,
    "pad_token_id": 0,
    "initializer_range": 0.3,
}
DOCUMENTS = [[3, 4, 5, 6, 7, 8, 9], [10, 11, 12], [13], [14, 15, 16, 17, 18], [19, 20]]


@pytest.fixture(autouse=True)
def own_randomness() -> Iterator[None]:
    with torch.random.fork_rng():
        torch.manual_seed(0)
        yield


def tiny_llama(implementation: str) -> LlamaForCausalLM:
    return LlamaForCausalLM(LlamaConfig(**SHAPE, attn_implementation=implementation)).eval()


def packed_documents() -> tuple[PackedRows, list[list[int]]]:
    rows = pack_sequences([len(document) for document in DOCUMENTS], max_length=10)
    return pack_rows(DOCUMENTS, rows, pad_id=0), rows


def packed_logits(model: Any, packed: PackedRows, mask: Any) -> Tensor:
    output = model(packed.input_ids, attention_mask=mask, position_ids=packed.position_ids, use_cache=False)
    logits: Tensor = output.logits
    return logits


def assert_documents_match(model: Any, logits: Tensor, packed: PackedRows, rows: list[list[int]]) -> None:
    for row, indices in enumerate(rows):
        for number, index in enumerate(indices, 1):
            alone = model(torch.tensor([DOCUMENTS[index]]), use_cache=False).logits[0]
            inside = logits[row][packed.document_ids[row] == number]
            torch.testing.assert_close(inside, alone, atol=1e-5, rtol=1e-5)


def test_the_mask_is_causal_within_each_document() -> None:
    mask = document_mask(torch.tensor([[1, 1, 2, 2, 0, 0]]))
    assert mask.shape == (1, 1, 6, 6)
    assert mask[0, 0].int().tolist() == [
        [1, 0, 0, 0, 0, 0],
        [1, 1, 0, 0, 0, 0],
        [0, 0, 1, 0, 0, 0],
        [0, 0, 1, 1, 0, 0],
        [0, 0, 0, 0, 1, 0],
        [0, 0, 0, 0, 0, 1],
    ]


def test_a_sliding_window_hides_all_but_the_last_tokens() -> None:
    mask = document_mask(torch.tensor([[1, 1, 1, 2, 2]]), sliding_window=2)
    assert mask[0, 0].int().tolist() == [
        [1, 0, 0, 0, 0],
        [1, 1, 0, 0, 0],
        [0, 1, 1, 0, 0],
        [0, 0, 0, 1, 0],
        [0, 0, 0, 1, 1],
    ]


@pytest.mark.parametrize("implementation", ["sdpa", "eager"])
def test_packed_documents_have_the_logits_of_each_alone(implementation: str) -> None:
    model = tiny_llama(implementation)
    packed, rows = packed_documents()
    assert len(rows) < len(DOCUMENTS)
    assert (packed.document_ids == 0).any()
    mask = packed_attention_mask(packed.document_ids, implementation, model.dtype)
    with torch.no_grad():
        logits = packed_logits(model, packed, mask)
        assert logits.isfinite().all()
        assert_documents_match(model, logits, packed, rows)


@pytest.mark.parametrize("implementation", ["sdpa", "eager"])
def test_packed_documents_have_the_gradients_of_each_alone(implementation: str) -> None:
    model = tiny_llama(implementation)
    packed, _ = packed_documents()
    mask = packed_attention_mask(packed.document_ids, implementation, model.dtype)
    real = packed.document_ids > 0
    packed_logits(model, packed, mask)[real].square().sum().backward()
    together = {name: weight.grad.clone() for name, weight in model.named_parameters()}
    model.zero_grad()
    for document in DOCUMENTS:
        model(torch.tensor([document]), use_cache=False).logits.square().sum().backward()
    for name, weight in model.named_parameters():
        assert weight.grad is not None
        largest = weight.grad.abs().max().item()
        torch.testing.assert_close(together[name], weight.grad, atol=1e-5 * largest, rtol=1e-4)


@pytest.mark.parametrize("implementation", ["sdpa", "eager"])
def test_changing_one_document_leaves_the_others_untouched(implementation: str) -> None:
    model = tiny_llama(implementation)
    packed, _ = packed_documents()
    mask = packed_attention_mask(packed.document_ids, implementation, model.dtype)
    with torch.no_grad():
        before = packed_logits(model, packed, mask)
        first = packed.document_ids == 1
        packed.input_ids[first] = 49 - packed.input_ids[first]
        after = packed_logits(model, packed, mask)
    others = packed.document_ids > 1
    assert torch.equal(before[others], after[others])
    assert not torch.equal(before[first], after[first])


def test_plain_attention_over_a_packed_row_is_not_what_we_want() -> None:
    model = tiny_llama("sdpa")
    packed, rows = packed_documents()
    everything = torch.ones_like(packed.document_ids)
    with torch.no_grad():
        logits = packed_logits(model, packed, packed_attention_mask(everything, "sdpa", model.dtype))
        with pytest.raises(AssertionError, match="not close"):
            assert_documents_match(model, logits, packed, rows)


@pytest.mark.parametrize("implementation", ["sdpa", "eager"])
def test_a_model_with_sliding_layers_takes_a_mask_for_each_kind(implementation: str) -> None:
    config = Gemma3TextConfig(
        **SHAPE,
        sliding_window=3,
        layer_types=["sliding_attention", "full_attention"],
        attn_implementation=implementation,
    )
    model = Gemma3ForCausalLM(config).eval()
    packed, rows = packed_documents()
    masks = {
        "full_attention": packed_attention_mask(packed.document_ids, implementation, model.dtype),
        "sliding_attention": packed_attention_mask(packed.document_ids, implementation, model.dtype, 3),
    }
    with torch.no_grad():
        assert_documents_match(model, packed_logits(model, packed, masks), packed, rows)


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float32, torch.float64])
def test_the_eager_mask_is_added_to_the_scores_in_their_dtype(dtype: torch.dtype) -> None:
    mask = packed_attention_mask(torch.tensor([[1, 2]]), "eager", dtype)
    assert mask is not None
    assert mask.dtype == dtype
    lowest = torch.finfo(dtype).min
    assert mask[0, 0].tolist() == [[0.0, lowest], [lowest, 0.0]]


def test_flash_attention_reads_positions_and_takes_no_mask() -> None:
    one_row = torch.tensor([[1, 1, 2]])
    assert packed_attention_mask(one_row, "flash_attention_2", torch.bfloat16) is None
    with pytest.raises(ValueError, match="batch of one row, not 2"):
        packed_attention_mask(one_row.expand(2, 3), "flash_attention_2", torch.bfloat16)


def test_an_unknown_attention_is_refused() -> None:
    with pytest.raises(ValueError, match="attention 'flex'; use sdpa, eager or flash_attention_2"):
        packed_attention_mask(torch.tensor([[1]]), "flex", torch.float32)
