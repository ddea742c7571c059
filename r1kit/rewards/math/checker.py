"""The verdict on one completion."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from r1kit.core.rollout import Verdict
from r1kit.rewards.math.compare import ZERO, same_answer
from r1kit.rewards.math.extract import extract_answer
from r1kit.rewards.math.numerals import read_plain
from r1kit.rewards.math.parse import parse_tokens
from r1kit.rewards.math.tokens import same_text, tokenize
from r1kit.rewards.math.tree import AnswerError, Scalar


@dataclass(frozen=True, slots=True)
class CheckResult:
    """A verdict, and the text of the final answer it is about (None when there is none)."""

    verdict: Verdict
    extracted: str | None

    @property
    def correct(self) -> bool:
        """Whether the verdict is CORRECT."""
        return self.verdict is Verdict.CORRECT


def check(gold: str | Sequence[str], completion: str) -> CheckResult:
    r"""The verdict on a completion's final answer against the gold, or against any of several accepted golds.

    NO_ANSWER: no final `<answer>` or `\boxed{}` after the reasoning. UNPARSABLE: there is one, but it is not in
    the grammar, over a bound, or undefined. Never raises, whatever the completion holds, and runs none of it.
    """
    extracted = extract_answer(completion)
    if extracted is None:
        return CheckResult(Verdict.NO_ANSWER, None)
    golds = (gold,) if isinstance(gold, str) else gold
    verdicts = {_compare(one, extracted) for one in golds}
    order = (Verdict.CORRECT, Verdict.WRONG)
    verdict = next((one for one in order if one in verdicts), Verdict.UNPARSABLE)
    return CheckResult(verdict, extracted)


def gold_is_usable(gold: str) -> str | None:
    """None when answers can be checked against this gold; else why not, for the caller to report.

    An unusable gold is outside the grammar or its value cannot be computed: `check` would still accept an
    answer that is spelled the same, but refuse every other right one.
    """
    try:
        answer = parse_tokens(tokenize(gold))
        # Against zero, because an expression equals itself without being computed.
        same_answer(answer, Scalar(ZERO))
        return None if same_answer(answer, answer) else "does not equal itself"
    except AnswerError as error:
        return str(error)


def _compare(gold: str, answer: str) -> Verdict:
    plain = read_plain(gold), read_plain(answer)
    if None not in plain:
        return Verdict.CORRECT if plain[0] == plain[1] else Verdict.WRONG
    try:
        gold_tokens, answer_tokens = tokenize(gold), tokenize(answer)
        if same_text(gold_tokens, answer_tokens):
            return Verdict.CORRECT
        same = same_answer(parse_tokens(gold_tokens), parse_tokens(answer_tokens))
    except AnswerError:
        return Verdict.UNPARSABLE
    return Verdict.CORRECT if same else Verdict.WRONG
