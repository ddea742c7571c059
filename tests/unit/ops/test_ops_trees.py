from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from r1kit.ops.tree_attention import AttentionRule, TreeAttention
from r1kit.ops.trees import PackedTrees, Tree, pack_trees, packed_tokens, shares_prompt, tree_slices

TREES = [
    Tree((1, 2, 3), ((10, 11), (20,), ())),
    Tree((4,), ((30, 31, 32, 33, 34, 35, 36, 37, 38, 39),)),
    Tree((5, 6), ((40, 41, 42), (50, 51))),
]


def test_a_shared_prompt_stands_once_and_its_completions_count_on_from_its_end() -> None:
    packed = pack_trees(TREES[:1])
    assert packed.input_ids.tolist() == [1, 2, 3, 10, 11, 20]
    assert packed.position_ids.tolist() == [0, 1, 2, 3, 4, 3]
    assert [tuple(span) for span in packed.spans] == [(0, 3, None), (3, 2, 0), (5, 1, 0)]
    # The prompt's last token predicts the first token of every completion.
    assert packed.sources.tolist() == [2, 3, 2]
    assert packed.targets.tolist() == [10, 11, 20]
    assert packed.lengths == (2, 1, 0)


def test_unshared_each_completion_has_its_prompt_to_itself() -> None:
    packed = pack_trees(TREES[:1], share=False)
    assert packed.input_ids.tolist() == [1, 2, 3, 10, 11, 1, 2, 3, 20, 1, 2, 3]
    assert packed.position_ids.tolist() == [0, 1, 2, 3, 4, 0, 1, 2, 3, 0, 1, 2]
    assert packed.sources.tolist() == [2, 3, 7]
    assert packed.targets.tolist() == [10, 11, 20]
    assert all(span.parent is None for span in packed.spans)


def test_a_prompt_is_shared_where_that_saves_a_tenth_of_the_tokens() -> None:
    assert shares_prompt(10, [40, 40]) is True  # 10 of 100
    assert shares_prompt(10, [41, 40]) is False  # 10 of 101
    assert shares_prompt(500, [1]) is False
    assert packed_tokens(10, [40, 40]) == 90
    assert packed_tokens(10, [41, 40]) == 101


def test_a_prompt_without_tokens_is_refused() -> None:
    with pytest.raises(ValueError, match="tree 1 is empty"):
        pack_trees([TREES[0], Tree((), ((1,),))])


def every_completion(slices: list[list[tuple[int, list[int]]]]) -> list[tuple[int, int]]:
    return sorted((number, i) for piece in slices for number, indices in piece for i in indices)


@given(
    shapes=st.lists(
        st.tuples(st.integers(1, 30), st.lists(st.integers(0, 40), min_size=1, max_size=6)),
        min_size=1,
        max_size=6,
    ),
    max_tokens=st.integers(1, 120),
)
@settings(max_examples=150, deadline=None)
def test_slices_hold_every_completion_once_and_keep_to_the_budget(shapes, max_tokens) -> None:
    trees = [Tree((1,) * p, tuple((2,) * c for c in lengths)) for p, lengths in shapes]
    slices = tree_slices(trees, max_tokens)
    assert every_completion(slices) == [
        (n, i) for n, t in enumerate(trees) for i in range(len(t.completions))
    ]
    for piece in slices:
        parts = [
            Tree(trees[n].prompt_ids, tuple(trees[n].completions[i] for i in indices)) for n, indices in piece
        ]
        alone = len(parts) == 1 and len(parts[0].completions) == 1
        assert len(pack_trees(parts).input_ids) <= max_tokens or alone


def test_a_group_that_fits_is_not_cut() -> None:
    trees = [Tree((1,) * 10, ((2,) * 5,) * 4), Tree((1,) * 10, ((2,) * 5,) * 4)]
    assert tree_slices(trees, 30) == [[(0, [0, 1, 2, 3])], [(1, [0, 1, 2, 3])]]
    assert tree_slices(trees, 60) == [[(0, [0, 1, 2, 3]), (1, [0, 1, 2, 3])]]


def test_a_micro_batch_needs_a_token() -> None:
    with pytest.raises(ValueError, match="max_tokens is 0"):
        tree_slices(TREES, 0)


def visible(packed: PackedTrees, window: int | None) -> torch.Tensor:
    """Which token sees which, by walking from each token back to its trunk: bool [N, N]."""
    seen = torch.zeros(len(packed.input_ids), len(packed.input_ids), dtype=torch.bool)
    for span in packed.spans:
        for at in range(span.length):
            path = [span.start + i for i in range(at + 1)]
            if span.parent is not None:
                trunk = packed.spans[span.parent]
                path = [*range(trunk.start, trunk.start + trunk.length), *path]
            seen[span.start + at, path[-window:] if window else path] = True
    return seen


def dense(q, k, v, packed: PackedTrees, rule: AttentionRule) -> torch.Tensor:
    k, v = (t.repeat_interleave(q.shape[0] // k.shape[0], dim=0) for t in (k, v))
    logits = torch.einsum("hid,hjd->hij", q, k) * rule.scale
    if rule.softcap is not None:
        logits = rule.softcap * torch.tanh(logits / rule.softcap)
    weights = logits.masked_fill(~visible(packed, rule.window), -torch.inf).softmax(-1)
    return torch.einsum("hij,hjd->ihd", weights, v)


@pytest.mark.parametrize("rule", [AttentionRule(0.3), AttentionRule(0.3, 3), AttentionRule(0.5, 4, 2.0)])
@pytest.mark.parametrize("share", [None, True, False])
def test_attention_over_trees_is_dense_attention_with_the_trees_mask(rule, share) -> None:
    packed = pack_trees([*TREES, Tree((7, 8, 9, 10, 11), ((1,) * 9, (2,) * 2, (3,) * 8))], share=share)
    generator = torch.Generator().manual_seed(0)
    num = len(packed.input_ids)
    q, k, v = (
        torch.randn(heads, num, 8, generator=generator, dtype=torch.float64, requires_grad=True)
        for heads in (4, 2, 2)
    )
    actual, expected = TreeAttention(packed.spans)(q, k, v, rule), dense(q, k, v, packed, rule)
    torch.testing.assert_close(actual, expected, atol=1e-6, rtol=1e-6)
    weight = torch.randn(expected.shape, generator=generator, dtype=torch.float64)
    for one, other in zip(
        torch.autograd.grad((actual * weight).sum(), (q, k, v)),
        torch.autograd.grad((expected * weight).sum(), (q, k, v)),
        strict=True,
    ):
        torch.testing.assert_close(one, other, atol=1e-6, rtol=1e-6)


def test_a_single_text_is_plain_causal_attention() -> None:
    packed = pack_trees([Tree((1, 2), ((3, 4, 5),))])
    q, k, v = (torch.randn(h, 5, 4, generator=torch.Generator().manual_seed(h)) for h in (4, 2, 2))
    rule = AttentionRule(0.5)
    torch.testing.assert_close(TreeAttention(packed.spans)(q, k, v, rule), dense(q, k, v, packed, rule))


@pytest.mark.parametrize("softcap", [None, 5.0])
def test_dropout_drops_that_share_of_the_weights(softcap) -> None:
    packed = pack_trees([Tree(tuple(range(1, 200)), ((1,),))])
    q, k = torch.zeros(1, 200, 200), torch.zeros(1, 200, 200)
    # Equal weights over the values 1, 0, 0, ...: column j of the last row says whether its weight for j was kept.
    with torch.random.fork_rng():
        torch.manual_seed(0)
        out = TreeAttention(packed.spans)(q, k, torch.eye(200)[None], AttentionRule(1.0, None, softcap, 0.25))
    kept = (out[-1, 0] > 0).float().mean().item()
    assert kept == pytest.approx(0.75, abs=0.1)
    assert out[-1, 0].max().item() == pytest.approx(1 / 200 / 0.75)
