"""The worst case run once before a run begins, since a plan is a calculation."""

from __future__ import annotations

from collections.abc import Callable

from r1kit.core.errors import EnvironmentError_
from r1kit.ops.out_of_memory import free_memory, is_out_of_memory


def prove(
    forward_backward: Callable[[int], None], micro_batch_tokens: int, say: Callable[[str], None]
) -> int:
    """The size of a micro-batch that was seen to fit: `micro_batch_tokens`, or the first of its halves that does.

    `forward_backward(tokens)` runs a micro-batch of the largest kind, its gradient included, and leaves nothing
    behind. What was found is said.

    Raises:
        EnvironmentError_: memory runs out even with one token.
    """
    tokens = micro_batch_tokens
    while not _passes(forward_backward, tokens):
        # Outside the except block: the traceback would keep the tensors of the failed try.
        free_memory()
        if tokens == 1:
            raise EnvironmentError_(
                "out of memory in a micro-batch of one token; set model.quantization to nf4, or take a smaller model"
            )
        say(f"a micro-batch of {tokens:,} tokens does not fit; {tokens // 2:,} are tried")
        tokens //= 2
    free_memory()
    say(f"a micro-batch of {tokens:,} tokens was run once and fits")
    return tokens


def _passes(forward_backward: Callable[[int], None], tokens: int) -> bool:
    try:
        forward_backward(tokens)
    except RuntimeError as error:
        if not is_out_of_memory(error):
            raise
        return False
    return True
