"""The micro-batch of a size that needs the most memory, made of random tokens."""

from __future__ import annotations

import torch

from r1kit.config.rl import RlConfig
from r1kit.models.policy import Policy
from r1kit.ops.trees import packed_tokens
from r1kit.rl.rows import RlRow


def worst_case_rows(
    policy: Policy, config: RlConfig, micro_batch_tokens: int, longest_prompt: int
) -> list[RlRow]:
    """Rows of one micro-batch of `micro_batch_tokens`: the longest prompts, and completions of full length.

    At least one such text, however long; at most as many as a step has, and none beyond the model's context.
    """
    longest = config.sampling.max_new_tokens
    if policy.context_length is not None:
        longest = max(1, min(longest, policy.context_length - longest_prompt))
    shape = _shape(longest_prompt, longest, micro_batch_tokens, config)
    generator = torch.Generator().manual_seed(0)
    vocabulary = policy.model.config.get_text_config().vocab_size

    def draw(count: int) -> tuple[int, ...]:
        return tuple(torch.randint(vocabulary, (count,), generator=generator).tolist())

    rows: list[RlRow] = []
    for group, lengths in enumerate(shape):
        prompt = draw(longest_prompt)
        rows += [
            RlRow(len(rows), group, prompt, draw(length), (0.0,) * length, advantage=1.0)
            for length in lengths
        ]
    return rows


def _shape(prompt: int, longest: int, max_tokens: int, config: RlConfig) -> list[list[int]]:
    """Completion lengths, group by group, that fill `max_tokens`; the last one may be shorter."""
    groups: list[list[int]] = []
    room = max_tokens
    for _ in range(config.algorithm.problems_per_step):
        lengths = [longest] if not groups else []
        while len(lengths) < config.algorithm.group_size:
            free = room - packed_tokens(prompt, [*lengths, longest]) + longest
            if free < 1:
                break
            lengths.append(min(longest, free))
        if not lengths:
            break
        groups.append(lengths)
        room -= packed_tokens(prompt, lengths)
    return groups
