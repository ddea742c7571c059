"""Samples every problem many times, judges, keeps by rule, and writes what `sft` reads.

In the run folder: `sft.jsonl` (kept completions as conversations with their provenance, general texts mixed
in), `rejected.jsonl` (every other completion with its reason), `pass_rates.json` (a histogram).
"""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Sequence
from typing import Any

from r1kit.config.stages import RejectSampleConfig
from r1kit.core.errors import ConfigError, TrainingError
from r1kit.core.jsonl import write_json, write_jsonl
from r1kit.core.problem import ProblemKind
from r1kit.core.rollout import Group, Verdict
from r1kit.core.seeds import derive_seed
from r1kit.generation import build_engine
from r1kit.models.device import resolve_device
from r1kit.models.load import find_model, load_policy
from r1kit.reject_sample.keep import Decision, decide
from r1kit.rewards.compose import Scorer, build_scorer
from r1kit.rollout.estimators import mean
from r1kit.rollout.judging import collect_judged
from r1kit.rollout.progress import shown_on
from r1kit.rollout.rewarding import Rewarder
from r1kit.rollout.setup import Mixture, left_out_in_words, load_mixture
from r1kit.tasks.conversations import Conversation, LoadedConversations, load_conversations
from r1kit.tracking.tracker import Tracker
from r1kit.training.memory import cap_memory, resolve_sizes

_BINS = 10


def run(config: RejectSampleConfig) -> dict[str, Any]:
    """Sample, judge, keep and write as `config` says; the summary as written to `summary.json`.

    Raises:
        R1KitError: data or model cannot be used (nothing was sampled), or no completion passed the rules.
    """
    max_tokens = config.sampling.max_new_tokens
    scorer = build_scorer(config.rewards, default_max_tokens=max_tokens, sandbox=config.sandbox)
    problems = load_mixture((config.data, *config.more_data), scorer.code)
    _check_kinds(config, scorer, problems)
    general = load_conversations(config.general) if config.general else None
    find_model(config.model)
    with Tracker(
        config.output, stage="reject-sample", config=config.model_dump(mode="json"), seed=config.seed
    ) as tracker:
        groups = _sample(config, problems, scorer, tracker)
        summary = _write(config, groups, _said(general, config, tracker), tracker)
        if summary["num_kept"] == 0:
            raise TrainingError(
                f"none of {summary['num_rejected']} completions passed the rules, see {config.output}/rejected.jsonl; "
                "loosen keep, raise num_samples or take easier problems"
            )
        return tracker.finish({**summary, "left_out": dict(problems.dropped)})


def _check_kinds(config: RejectSampleConfig, scorer: Scorer, problems: Mixture) -> None:
    """Refuse general problems where nothing says which of their completions are good.

    Raises:
        ConfigError: there are some, and no reward is given for them.
    """
    if scorer.rewards:
        scorer.check_kinds([kind for kind in problems.kinds if kind is ProblemKind.GENERAL])
        Rewarder.check(scorer)
    elif ProblemKind.GENERAL in problems.kinds and config.keep.require_correct:
        raise ConfigError(
            "problems of kind general have no right answer, so something else must say which completions are kept; name "
            "rewards, for example reward_model:PATH, or set keep.require_correct to false to keep any"
        )


def _said(
    general: LoadedConversations | None, config: RejectSampleConfig, tracker: Tracker
) -> list[Conversation]:
    """The general texts, after what was read and left out was said."""
    if general is None or config.general is None:
        return []
    tracker.say(
        f"{config.general.path}: {left_out_in_words(len(general.conversations), 'texts', general.dropped)}"
    )
    return general.conversations


def _sample(config: RejectSampleConfig, problems: Mixture, scorer: Scorer, tracker: Tracker) -> list[Group]:
    problems.announce(tracker.say)
    for note in scorer.notes(problems.kinds):
        tracker.say(note)
    cap_memory(config.memory, resolve_device(config.model.device))
    policy = load_policy(config.model, train=False, seed=config.seed, say=tracker.say)
    prompted = problems.render(policy, config.sampling.max_new_tokens, tracker.say)
    longest = max(len(problem.prompt_ids) for problem in prompted)
    sizes = resolve_sizes(config, policy, tracker.say, longest_prompt=longest)
    engine = build_engine(policy, config.engine, tracker.say, sizes.kv_tokens)
    rewarder = Rewarder.open(scorer, policy, sizes.micro_batch_tokens, tracker.say)
    total = len(prompted) * config.num_samples
    with tracker.progress("sample", total=total, unit="completion") as progress:
        return collect_judged(
            engine,
            prompted,
            group_size=config.num_samples,
            sampling=config.sampling,
            rewarder=rewarder,
            seed=derive_seed(config.seed, "reject-sample"),
            on_progress=shown_on(progress),
            record=lambda groups: tracker.rollouts(0, groups, phase="sample"),
        )


def _write(
    config: RejectSampleConfig, groups: Sequence[Group], general: Sequence[Conversation], tracker: Tracker
) -> dict[str, Any]:
    """Apply the rules, write the files, say what happened; the summary."""
    rng = random.Random(derive_seed(config.seed, "keep"))
    decided = [(group, decide(group, config.keep, rng)) for group in groups]
    kept = [_kept_row(group, d) for group, decisions in decided for d in decisions if d.reason is None]
    rejected = [
        _rejected_row(group, d) for group, decisions in decided for d in decisions if d.reason is not None
    ]
    rows = kept + [_general_row(conversation) for conversation in general]
    rng.shuffle(rows)
    write_jsonl(config.output / "sft.jsonl", rows)
    write_jsonl(config.output / "rejected.jsonl", rejected)
    rates = [rate for group in groups if (rate := _pass_rate(group)) is not None]
    histogram = _histogram(rates)
    write_json(config.output / "pass_rates.json", histogram)
    reasons = Counter(row["reason"] for row in rejected)
    _say(tracker, groups, rates, len(kept), reasons, len(general))
    return {
        "num_kept": len(kept),
        "num_general": len(general),
        "num_rejected": len(rejected),
        **({"pass_rate": mean(rates)} if rates else {}),
        "num_always_solved": sum(rate == 1 for rate in rates),
        "num_never_solved": sum(rate == 0 for rate in rates),
        "rejected_by_reason": dict(reasons),
        "pass_rate_histogram": histogram,
    }


def _kept_row(group: Group, decision: Decision) -> dict[str, Any]:
    messages = [message.as_dict() for message in group.messages]
    text, pass_rate = decision.rollout.completion.text, _pass_rate(group)
    return {
        "messages": [*messages, {"role": "assistant", "content": text}],
        "source": {
            "kind": str(group.problem.kind),
            "problem_id": group.problem.id,
            **({} if pass_rate is None else {"pass_rate": pass_rate}),
        },
        "rewards": dict(decision.rollout.score.parts),
        "num_tokens": decision.rollout.completion.num_tokens,
    }


def _general_row(conversation: Conversation) -> dict[str, Any]:
    return {
        "messages": [message.as_dict() for message in conversation.messages],
        "source": {"kind": "general", "text_id": conversation.id},
    }


def _rejected_row(group: Group, decision: Decision) -> dict[str, Any]:
    score = decision.rollout.score
    return {
        "problem_id": group.problem.id,
        "reason": decision.reason,
        "verdict": score.verdict,
        "extracted": score.extracted,
        "completion": decision.rollout.completion.text,
    }


def _pass_rate(group: Group) -> float | None:
    """The share of CORRECT samples; None for a problem that nothing judges."""
    if any(rollout.score.verdict is None for rollout in group.rollouts):
        return None
    return mean([rollout.score.verdict is Verdict.CORRECT for rollout in group.rollouts])


def _histogram(rates: Sequence[float]) -> dict[str, int]:
    """Problems by pass rate, in tenths; the last bin includes 1."""
    counts = Counter(min(int(rate * _BINS), _BINS - 1) for rate in rates)
    return {f"{b / _BINS:.1f}-{(b + 1) / _BINS:.1f}": counts[b] for b in range(_BINS)}


def _say(
    tracker: Tracker,
    groups: Sequence[Group],
    rates: Sequence[float],
    num_kept: int,
    reasons: Counter[str],
    num_general: int,
) -> None:
    if rates:
        always, never = sum(rate == 1 for rate in rates), sum(rate == 0 for rate in rates)
        tracker.say(
            f"{len(groups)} problems, mean pass rate {mean(rates):.3f}: {always} always solved, {never} never"
        )
    for interval, count in _histogram(rates).items() if rates else ():
        tracker.say(f"  {interval} {'#' * round(40 * count / len(rates))} {count}")
    why = ", ".join(f"{count} {reason}" for reason, count in reasons.most_common())
    tracker.say(f"kept {num_kept} completions, {num_general} general texts added; rejected: {why or 'none'}")
