"""What a set of groups says in figures: accuracy with its standard error, rewards, format, language, length."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from r1kit.core.problem import ProblemKind
from r1kit.core.rollout import FinishReason, Group, Rollout, Verdict
from r1kit.rewards.compose import VERDICT_PARTS
from r1kit.rewards.format import format_reward, parse_reasoning
from r1kit.rewards.language import language_share
from r1kit.rollout.estimators import majority_is_correct, mean, pass_at_k, standard_error


def summarise(groups: Sequence[Group], language: str | None = None) -> dict[str, float]:
    """Figures of `groups` by name; one that has no samples is absent.

    `pass@1` is the mean over problems of the share of correct samples, `pass@1_stderr` its standard error
    over problems. With k > 1 samples a problem, `pass@k` (for powers of two, and for k itself) and `cons@k` follow; code
    has no `cons@k`, since no two programs vote for the same. `runnable_rate` is the share of samples whose code compiles
    and runs without error; `result/` says how the code of the samples that have some ended. Rates are shares of all samples; `mean_tokens` counts generated tokens, EOS included. `language_rate` is
    the mean share of words in `language`, over the completions whose reasoning has words. `reward/LABEL` is the mean of each
    reward beside the verdict's own over the problems that it judges, `reward/LABEL_stderr` its standard error.
    """
    rollouts = [rollout for group in groups for rollout in group.rollouts]
    if not rollouts:
        return {}
    figures = _accuracy([group for group in groups if _is_judged(group)]) | _code_figures(rollouts)
    figures["truncated_rate"] = mean([r.completion.finish_reason is FinishReason.LENGTH for r in rollouts])
    formats = [format_reward(r.completion.text, g.problem.kind) for g in groups for r in g.rollouts]
    figures["format_rate"] = mean(formats)
    figures["mean_tokens"] = mean([r.completion.num_tokens for r in rollouts])
    figures |= _reward_parts(groups)
    if language is not None:
        shares = [share for r in rollouts if (share := _language_share(r, language)) is not None]
        if shares:
            figures["language_rate"] = mean(shares)
    return figures


def reward_figures(groups: Sequence[Group]) -> dict[str, float]:
    """The `mean` of the rewards, and that of each part by its label, over the rollouts that have one.

    Where there are problems of several kinds, so are `KIND/mean`, and `KIND/LABEL` of a part that judges several.
    """
    figures = _reward_means(groups)
    kinds = sorted({group.problem.kind for group in groups})
    if len(kinds) < 2:
        return figures
    by_kind = {kind: _reward_means([g for g in groups if g.problem.kind is kind]) for kind in kinds}
    shared = {name for name in figures if sum(name in means for means in by_kind.values()) > 1} | {"mean"}
    return figures | {
        f"{kind}/{name}": value
        for kind, means in by_kind.items()
        for name, value in means.items()
        if name in shared
    }


def summarise_by_level(groups: Sequence[Group], language: str | None = None) -> dict[str, dict[str, float]]:
    """`summarise` of the groups of each `level` of the problems, by level; empty when none has a level."""
    levels = sorted({str(g.problem.extra["level"]) for g in groups if "level" in g.problem.extra})
    return {
        level: summarise([g for g in groups if str(g.problem.extra.get("level")) == level], language)
        for level in levels
    }


def count_verdicts(groups: Sequence[Group]) -> Counter[Verdict]:
    """How many rollouts got each verdict."""
    return Counter(r.score.verdict for group in groups for r in group.rollouts if r.score.verdict is not None)


def count_results(rollouts: Sequence[Rollout]) -> Counter[str]:
    """How many rollouts' code ended in each way; a completion without code has none."""
    return Counter(r.score.result for r in rollouts if r.score.result is not None)


def _reward_means(groups: Sequence[Group]) -> dict[str, float]:
    scores = [rollout.score for group in groups for rollout in group.rollouts]
    rewards = [score.reward for score in scores if score.reward is not None]
    figures = {"mean": mean(rewards)} if rewards else {}
    for label in dict.fromkeys(label for score in scores for label in score.parts):
        values = [value for score in scores if (value := score.parts.get(label)) is not None]
        if values:
            figures[label] = mean(values)
    return figures


def _reward_parts(groups: Sequence[Group]) -> dict[str, float]:
    """Means over problems of the parts that are not the verdict's own, and their standard errors over problems."""
    figures: dict[str, float] = {}
    labels = dict.fromkeys(label for group in groups for r in group.rollouts for label in r.score.parts)
    for label in (label for label in labels if label not in VERDICT_PARTS):
        rows = [[v for r in g.rollouts if (v := r.score.parts.get(label)) is not None] for g in groups]
        means = [mean(row) for row in rows if row]
        if means:
            figures[f"reward/{label}"] = mean(means)
        if (error := standard_error(means)) is not None:
            figures[f"reward/{label}_stderr"] = error
    return figures


def _code_figures(rollouts: Sequence[Rollout]) -> dict[str, float]:
    """Of the samples whose code was judged; empty when there are none."""
    runnable = [value for r in rollouts if (value := r.score.parts.get("runnable")) is not None]
    results = count_results(rollouts)
    figures = {f"result/{name}_rate": count / results.total() for name, count in sorted(results.items())}
    return {"runnable_rate": mean(runnable), **figures} if runnable else figures


def _is_judged(group: Group) -> bool:
    return all(rollout.score.verdict is not None for rollout in group.rollouts)


def _accuracy(groups: Sequence[Group]) -> dict[str, float]:
    if not groups:
        return {}
    correct = [[r.score.verdict is Verdict.CORRECT for r in group.rollouts] for group in groups]
    figures = {"num_problems": float(len(groups)), "pass@1": mean([mean(row) for row in correct])}
    if (error := standard_error([mean(row) for row in correct])) is not None:
        figures["pass@1_stderr"] = error
    num_samples = min(map(len, correct))
    for k in _ks(num_samples):
        figures[f"pass@{k}"] = mean([pass_at_k(len(row), sum(row), k) for row in correct])
    votes = [
        majority_is_correct([r.score.extracted for r in g.rollouts], c)
        for g, c in zip(groups, correct, strict=True)
        if g.problem.kind is not ProblemKind.CODE
    ]
    if num_samples > 1 and votes:
        figures[f"cons@{num_samples}"] = mean(votes)
    no_answer = [r.score.verdict is Verdict.NO_ANSWER for group in groups for r in group.rollouts]
    figures["no_answer_rate"] = mean(no_answer)
    return figures


def _ks(num_samples: int) -> list[int]:
    """The k of pass@k that are reported beside pass@1: powers of two, and the number of samples itself."""
    powers = [2**exponent for exponent in range(1, num_samples.bit_length())]
    return [*powers, *([num_samples] if num_samples > 1 and num_samples not in powers else [])]


def _language_share(rollout: Rollout, language: str) -> float | None:
    think = parse_reasoning(rollout.completion.text).think
    return None if think is None else language_share(think, language)
