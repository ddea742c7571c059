"""The repetition penalty, against completions that go round in circles."""

from __future__ import annotations

import re
from typing import Final

from r1kit.rewards.language import HAN

DEFAULT_NGRAM: Final = 4
"""Runs of so many words are compared.

Shorter runs recur in any good text: over pieces of 1,000 words of the Python reference manual (English, 46 pieces) 9.9 % of
the runs of 3 words repeat an earlier one, 5.2 % of those of 4, and 1.3 % of those of 8. Longer ones are broken by every
number that changes from round to round.
"""

# One Chinese character, a number with its decimals, or a run of other letters.
_WORD: Final = re.compile(rf"[{HAN}]|\d+(?:\.\d+)?|[^\W\d_{HAN}]+")


def repetition_penalty(text: str, *, ngram: int = DEFAULT_NGRAM) -> float:
    """Minus the share of the runs of `ngram` words that occurred before in the text, in [-1, 0]; upper case is no matter.

    After the n-gram penalty of Yeo et al. 2025, "Demystifying long chain-of-thought reasoning" (appendix C), as one number
    for the completion. A text too short to hold two runs gets 0. Time and memory grow linearly with the text.
    """
    words = _WORD.findall(text.lower())
    num_runs = len(words) - ngram + 1
    if num_runs < 2:
        return 0.0
    different = set(zip(*(words[start:] for start in range(ngram)), strict=False))
    return len(different) / num_runs - 1.0
