"""Gold text and answer text -> verdict, in this process. Workers call it; see `pool`."""

from __future__ import annotations

from r1kit.core.rollout import Verdict
from r1kit.rewards.math.compare import same_answer, work_out
from r1kit.rewards.math.reading.parse import parse_gold_and_answer
from r1kit.rewards.math.reading.tokens import same_text, tokenize
from r1kit.rewards.math.tree import AnswerError, SeveralCandidates


def decide(gold: str, answer: str) -> Verdict:
    """The verdict on an answer's text; sizes are bounded before anything is computed, but not the time of sympy.

    NO_ANSWER: several candidates where the gold is one. UNPARSABLE: the answer is not in the grammar, over a
    bound, or undefined; or the gold is.
    """
    try:
        gold_tokens, answer_tokens = tokenize(gold), tokenize(answer)
        if same_text(gold_tokens, answer_tokens):
            return Verdict.CORRECT
        same = same_answer(*parse_gold_and_answer(gold_tokens, answer_tokens))
    except SeveralCandidates:
        return Verdict.NO_ANSWER
    except AnswerError:
        return Verdict.UNPARSABLE
    return Verdict.CORRECT if same else Verdict.WRONG


def why_gold_is_unusable(gold: str) -> str | None:
    """None when answers can be checked against this gold; else why not.

    An unusable gold is outside the grammar or its value cannot be computed: `decide` would still accept an
    answer that is spelled the same, but refuse every other right one.
    """
    try:
        tokens = tokenize(gold)
        one, two = parse_gold_and_answer(tokens, tokens)
        work_out(one)
        return None if same_answer(one, two) else "does not equal itself"
    except AnswerError as error:
        return str(error)
