"""The micro-batch of a size that needs the most memory, made of random tokens."""

from __future__ import annotations

import torch

from r1kit.models.policy import Policy
from r1kit.sft.examples import SftExample


def worst_case_examples(policy: Policy, max_tokens: int, longest: int) -> list[SftExample]:
    """Texts of `longest` tokens, all of them learned but the first, that fill `max_tokens`.

    The last may be shorter, and there is at least one text of `longest` tokens, as a longer one still runs.
    """
    lengths = [longest] * max(1, max_tokens // longest)
    rest = max_tokens - sum(lengths)
    # A text needs a token to begin with and one to learn.
    lengths += [rest] if rest > 1 else []
    generator = torch.Generator().manual_seed(0)
    vocabulary = policy.model.config.get_text_config().vocab_size
    rows = [tuple(torch.randint(vocabulary, (length,), generator=generator).tolist()) for length in lengths]
    return [SftExample(ids[:1], ids[1:]) for ids in rows]
