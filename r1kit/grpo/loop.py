"""GRPO on one screen: sample problems, collect groups, update the policy, log.

The objective is DeepSeekMath's (Shao et al. 2024, eq. 3) as DeepSeek-R1 uses it (2025, eq. 1 to 3). Every
variant is a setting of `config.algorithm` (presets: `config/algorithms.py`); the mathematics is in
`objectives/`, a step in `trainer.py`.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from r1kit.config.stages import GrpoConfig
from r1kit.core.errors import DataError
from r1kit.generation import build_engine
from r1kit.grpo.collect import ProblemStream
from r1kit.grpo.held_out import HeldOut
from r1kit.grpo.metrics import last_tenth
from r1kit.grpo.self_check import SamplingGapAlarm
from r1kit.grpo.trainer import GrpoTrainer
from r1kit.models.device import resolve_device
from r1kit.models.load import find_model, load_policy
from r1kit.models.policy import Policy
from r1kit.rewards.compose import Scorer, build_scorer
from r1kit.rollout.estimators import first_and_last_tenth
from r1kit.rollout.progress import shown_beside
from r1kit.rollout.setup import UsableProblems, left_out_in_words, load_usable_problems
from r1kit.tracking.tracker import Tracker
from r1kit.training.memory import cap_memory, prove, resolve_sizes
from r1kit.training.optimizer import Optimizer, peak_learning_rate
from r1kit.training.recovery import MicroBatchSize


def run(config: GrpoConfig) -> dict[str, Any]:
    """Train a policy as `config` says; the run's summary, as written to `summary.json`.

    Raises:
        R1KitError: data, rewards or model cannot be used (nothing was trained), or training diverged.
    """
    max_tokens = config.sampling.max_new_tokens
    scorer = build_scorer(config.rewards, default_max_tokens=max_tokens, sandbox=config.sandbox)
    problems = load_usable_problems(config.data, scorer.code)
    held_out = load_usable_problems(config.held_out.data, scorer.code) if config.held_out else None
    _check_batch(config, len(problems.problems), problems)
    find_model(config.model)
    with Tracker(
        config.output, stage="grpo", config=config.model_dump(mode="json"), seed=config.seed
    ) as tracker:
        return tracker.finish(_train(config, scorer, problems, held_out, tracker))


def _train(
    config: GrpoConfig,
    scorer: Scorer,
    problems: UsableProblems,
    held_out_problems: UsableProblems | None,
    tracker: Tracker,
) -> dict[str, Any]:
    for loaded in filter(None, (problems, held_out_problems)):
        loaded.announce(tracker.say)
    cap_memory(config.memory, resolve_device(config.model.device))
    with_reference = config.algorithm.beta > 0
    policy = load_policy(
        config.model, train=True, with_reference=with_reference, seed=config.seed, say=tracker.say
    )
    prompted = problems.render(policy, config.sampling.max_new_tokens, tracker.say)
    _check_batch(config, len(prompted), problems)
    max_new_tokens = config.sampling.max_new_tokens
    held_out_prompted = (
        held_out_problems.render(policy, max_new_tokens, tracker.say) if held_out_problems else []
    )
    longest = max(len(p.prompt_ids) for p in (*prompted, *held_out_prompted))
    trainer = _trainer(config, policy, scorer, tracker, longest)
    held_out = HeldOut(config, held_out_prompted, trainer.engine, tracker, scorer.code)
    held_out.evaluate(step=0)
    stream = ProblemStream(prompted, config.algorithm.problems_per_step, config.seed)
    history: list[dict[str, float]] = []
    with tracker.progress("grpo", total=config.steps, unit="step") as progress:
        for step in range(1, config.steps + 1):
            metrics = trainer.step(step, stream, shown_beside(progress))
            history.append(metrics)
            held_out.evaluate(step)
            progress.advance(**_headline(metrics))
    rewards = [metrics["reward/mean"] for metrics in history if "reward/mean" in metrics]
    tracker.say(f"{config.steps} steps: {_in_words(rewards, held_out)}")
    policy.save(config.output / policy.saved_as, stage="grpo", seed=config.seed)
    figures = {**last_tenth(history), **held_out.summary()}
    return {**figures, "num_problems": len(prompted), "left_out": dict(problems.dropped)}


def _trainer(
    config: GrpoConfig, policy: Policy, scorer: Scorer, tracker: Tracker, longest_prompt: int
) -> GrpoTrainer:
    """A trainer with the sizes of the memory plan; on a GPU they are proven before anything is sampled."""
    sizes = resolve_sizes(config, policy, tracker.say, longest_prompt=longest_prompt)
    size = MicroBatchSize(sizes.micro_batch_tokens, tracker.say)
    trainer = GrpoTrainer(
        config,
        policy,
        build_engine(policy, config.engine, tracker.say, sizes.kv_tokens),
        scorer,
        _optimizer(config, policy),
        tracker,
        size,
        SamplingGapAlarm(config.max_sampling_gap, tracker.say),
    )
    if policy.device.type == "cuda":
        size.tokens = prove(lambda tokens: trainer.prove(tokens, longest_prompt), size.tokens, tracker.say)
    return trainer


def _check_batch(config: GrpoConfig, num_problems: int, problems: UsableProblems) -> None:
    wanted = config.algorithm.problems_per_step
    if wanted > num_problems:
        can_be_used = left_out_in_words(num_problems, "problems can be used", problems.reasons())
        raise DataError(
            f"{config.data.path}: {can_be_used}; algorithm.problems_per_step is {wanted}; the "
            "same problem twice in a step would give the same completions; lower it"
        )


def _optimizer(config: GrpoConfig, policy: Policy) -> Optimizer:
    return Optimizer(
        policy.trainable_parameters(),
        config.optim,
        learning_rate=peak_learning_rate(config.optim, "grpo", config.model),
        num_steps=config.steps * config.algorithm.updates_per_batch,
    )


def _in_words(rewards: Sequence[float], held_out: HeldOut) -> str:
    """What training changed: mean reward over the first and the last tenth of the steps, and held-out accuracy."""
    text = "no completion had a reward, so nothing was learned"
    if rewards:
        before, after = first_and_last_tenth(rewards)
        text = f"mean reward {before:.3f} -> {after:.3f}"
    if "pass@1" in held_out.first:
        text += f", held-out pass@1 {held_out.first['pass@1']:.3f} -> {held_out.last['pass@1']:.3f}"
    return text


def _headline(metrics: dict[str, float]) -> dict[str, float]:
    """What the screen leads with. Not the loss: at one update a batch its value is about 0, its gradient is not."""
    names = {
        "reward": "reward/mean",
        "kl": "policy/kl",
        "grad": "optim/grad_norm",
        "tokens": "completion/mean_tokens",
    }
    return {short: metrics[name] for short, name in names.items() if name in metrics}
