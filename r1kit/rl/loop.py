"""The loop of reinforcement learning: problems, a policy, rewards and a trainer, step after step.

What an algorithm does with a batch of problems is its trainer's; see `grpo/trainer.py` and `ppo/trainer.py`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from r1kit.config.rl import RlConfig
from r1kit.core.errors import DataError
from r1kit.core.rollout import Group
from r1kit.core.seeds import derive_seed
from r1kit.generation import build_engine
from r1kit.generation.engine import Engine, OnProgress
from r1kit.models.device import resolve_device
from r1kit.models.load import find_model, load_policy
from r1kit.models.policy import Policy
from r1kit.rewards.compose import Scorer, build_scorer
from r1kit.rl.held_out import HeldOut
from r1kit.rl.held_out_pairs import HeldOutPairs, usable_pairs
from r1kit.rl.metrics import last_tenth
from r1kit.rl.reward_watch import RewardWatch
from r1kit.rl.self_check import SamplingGapAlarm
from r1kit.rl.stream import ProblemStream
from r1kit.rollout.collect import collect_groups
from r1kit.rollout.estimators import first_and_last_tenth
from r1kit.rollout.progress import shown_beside
from r1kit.rollout.prompts import PromptedProblem
from r1kit.rollout.rewarding import Rewarder
from r1kit.rollout.setup import Mixture, left_out_in_words, load_mixture
from r1kit.tasks.preferences import LoadedPreferences, load_preferences
from r1kit.tracking.tracker import Tracker
from r1kit.training.memory import cap_memory, prove, resolve_sizes
from r1kit.training.optimizer import Optimizer
from r1kit.training.recovery import MicroBatchSize


@dataclass(frozen=True, slots=True)
class Workshop:
    """What a trainer works with, whatever its algorithm."""

    policy: Policy
    engine: Engine
    rewarder: Rewarder
    tracker: Tracker
    size: MicroBatchSize
    alarm: SamplingGapAlarm
    watch: RewardWatch

    def sample(
        self,
        config: RlConfig,
        stage: str,
        step: int,
        prompted: Sequence[PromptedProblem],
        on_progress: OnProgress | None = None,
    ) -> list[Group]:
        """A rewarded group of completions for each problem; what is drawn depends on the seed and the step."""
        groups = collect_groups(
            self.engine,
            prompted,
            group_size=config.algorithm.group_size,
            sampling=config.sampling,
            scoring=self.rewarder.scoring,
            seed=derive_seed(config.seed, stage, step),
            on_progress=on_progress,
        )
        return self.rewarder.finish(groups)

    def num_oom(self, *optimizers: Optimizer) -> int:
        """How often this run has been out of memory so far, wherever."""
        engine: int = getattr(self.engine, "num_oom", 0)
        return self.size.num_oom + engine + sum(optimizer.num_oom for optimizer in optimizers)


class Trainer(Protocol):
    """An algorithm at work."""

    def step(
        self, step: int, problems: ProblemStream, on_progress: OnProgress | None = None
    ) -> dict[str, float]:
        """Sample completions of the next problems, update the policy on them, log; the step's metrics."""
        ...

    def prove(self, micro_batch_tokens: int, longest_prompt: int) -> None:
        """Run the worst micro-batch of a size forward and backward on random tokens; nothing is changed by it.

        Raises:
            torch.OutOfMemoryError: it does not fit.
        """
        ...

    def save(self, folder: Path) -> None:
        """Write what was trained into the run folder."""
        ...


MakeTrainer = Callable[[Workshop], Trainer]


def train(config: RlConfig, stage: str, make_trainer: MakeTrainer) -> dict[str, Any]:
    """Train a policy as `config` says, with the trainer that is made for it; the run's summary.

    Raises:
        R1KitError: data, rewards or model cannot be used (nothing was trained), or training diverged.
    """
    max_tokens = config.sampling.max_new_tokens
    scorer = build_scorer(config.rewards, default_max_tokens=max_tokens, sandbox=config.sandbox)
    problems = load_mixture((config.data, *config.more_data), scorer.code)
    scorer.check_kinds(problems.kinds)
    Rewarder.check(scorer)
    held_out = load_mixture((config.held_out.data,), scorer.code) if config.held_out else None
    pairs = load_preferences(config.pairs.data) if config.pairs else None
    _check_batch(config, len(problems.problems), problems)
    find_model(config.model)
    with Tracker(
        config.output, stage=stage, config=config.model_dump(mode="json"), seed=config.seed
    ) as tracker:
        data = _Data(problems, held_out, pairs)
        return tracker.finish(_train(config, stage, make_trainer, scorer, data, tracker))


@dataclass(frozen=True, slots=True)
class _Data:
    """What is read before a model is loaded."""

    problems: Mixture
    held_out: Mixture | None
    pairs: LoadedPreferences | None


def _train(
    config: RlConfig,
    stage: str,
    make_trainer: MakeTrainer,
    scorer: Scorer,
    data: _Data,
    tracker: Tracker,
) -> dict[str, Any]:
    problems = data.problems
    for loaded in filter(None, (problems, data.held_out)):
        loaded.announce(tracker.say)
    for note in scorer.notes(problems.kinds):
        tracker.say(note)
    cap_memory(config.memory, resolve_device(config.model.device))
    policy = load_policy(
        config.model,
        train=True,
        with_reference=config.algorithm.beta > 0,
        seed=config.seed,
        say=tracker.say,
    )
    max_new_tokens = config.sampling.max_new_tokens
    prompted = problems.render(policy, max_new_tokens, tracker.say)
    _check_batch(config, len(prompted), problems)
    held_out_prompted = data.held_out.render(policy, max_new_tokens, tracker.say) if data.held_out else []
    held_out_pairs = (
        usable_pairs(policy, data.pairs, config.pairs.data.path, tracker.say)
        if config.pairs and data.pairs
        else []
    )
    longest = max(len(p.prompt_ids) for p in (*prompted, *held_out_prompted))
    workshop = _workshop(config, policy, scorer, tracker, longest)
    trainer = make_trainer(workshop)
    if policy.device.type == "cuda":
        size = workshop.size
        size.tokens = prove(lambda tokens: trainer.prove(tokens, longest), size.tokens, tracker.say)
    held_out = HeldOut(config, held_out_prompted, workshop.engine, tracker, scorer.code)
    pairs = HeldOutPairs(config, policy, held_out_pairs, tracker, workshop.watch, workshop.size)
    checks = (held_out, pairs)
    for check in checks:
        check.evaluate(step=0)
    history = _run_steps(
        config,
        stage,
        trainer,
        ProblemStream(prompted, config.algorithm.problems_per_step, config.seed),
        checks,
        tracker,
    )
    rewards = [metrics["reward/mean"] for metrics in history if "reward/mean" in metrics]
    tracker.say(f"{config.steps} steps: {_in_words(rewards, held_out)}")
    trainer.save(config.output)
    figures = {**last_tenth(history), **held_out.summary(), **pairs.summary()}
    return {**figures, "num_problems": len(prompted), "left_out": dict(problems.dropped)}


def _run_steps(
    config: RlConfig,
    stage: str,
    trainer: Trainer,
    problems: ProblemStream,
    checks: Sequence[HeldOut | HeldOutPairs],
    tracker: Tracker,
) -> list[dict[str, float]]:
    """All steps, each followed by what is checked after it; the metrics of each."""
    history: list[dict[str, float]] = []
    with tracker.progress(stage, total=config.steps, unit="step") as progress:
        for step in range(1, config.steps + 1):
            history.append(trainer.step(step, problems, shown_beside(progress)))
            for check in checks:
                check.evaluate(step)
            progress.advance(**_headline(history[-1]))
    return history


def _workshop(
    config: RlConfig, policy: Policy, scorer: Scorer, tracker: Tracker, longest_prompt: int
) -> Workshop:
    """With the sizes of the memory plan."""
    sizes = resolve_sizes(config, policy, tracker.say, longest_prompt=longest_prompt)
    rewarder = Rewarder.open(scorer, policy, sizes.micro_batch_tokens, tracker.say)
    return Workshop(
        policy=policy,
        engine=build_engine(policy, config.engine, tracker.say, sizes.kv_tokens),
        rewarder=rewarder,
        tracker=tracker,
        size=MicroBatchSize(sizes.micro_batch_tokens, tracker.say),
        alarm=SamplingGapAlarm(config.max_sampling_gap, tracker.say),
        watch=RewardWatch(rewarder.infos, tracker.say),
    )


def _check_batch(config: RlConfig, num_problems: int, problems: Mixture) -> None:
    wanted = config.algorithm.problems_per_step
    if wanted > num_problems:
        can_be_used = left_out_in_words(num_problems, "problems can be used", problems.reasons())
        raise DataError(
            f"{config.data.path}: {can_be_used}; algorithm.problems_per_step is {wanted}; the "
            "same problem twice in a step would give the same completions; lower it"
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
