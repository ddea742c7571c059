"""Reward-model training: a scalar head and an adapter learn which of two replies people prefer.

The loss is Bradley and Terry's (1952), as in Ouyang et al. 2022 (InstructGPT, eq. 1). What is trained is a second
adapter beside the one a policy will have on the same base; see `models/reward_model.py`.
"""

from __future__ import annotations

from itertools import islice
from typing import Any

from r1kit.config.reward_model import RewardModelConfig
from r1kit.core.jsonl import write_jsonl
from r1kit.models.device import resolve_device
from r1kit.models.load import find_model, load_policy
from r1kit.models.policy import Policy
from r1kit.models.reward_info import RewardInfo
from r1kit.models.reward_model import save_reward_model
from r1kit.models.scalar_head import ScalarHead, hidden_size_of
from r1kit.reward_model.examples import PairIds, split_pairs, tokenize_pairs
from r1kit.reward_model.quality import Quality, ScoredPair, alarms, in_words, measure
from r1kit.reward_model.trainer import RewardTrainer
from r1kit.rollout.estimators import first_and_last_tenth
from r1kit.tasks.preferences import LoadedPreferences, load_preferences
from r1kit.tracking.tracker import Tracker
from r1kit.training.memory import cap_memory, prove, resolve_sizes
from r1kit.training.optimizer import Optimizer, peak_learning_rate
from r1kit.training.recovery import MicroBatchSize
from r1kit.training.sampler import shuffled_batches

FOLDER = "reward_model"
"""Name of the folder in a run that holds the reward model."""


def run(config: RewardModelConfig) -> dict[str, Any]:
    """Train a reward model as `config` says; the run's summary, as written to `summary.json`.

    Raises:
        R1KitError: data or model cannot be used (nothing was trained), or training diverged.
    """
    loaded = load_preferences(config.data)
    eval_loaded = load_preferences(config.eval_data) if config.eval_data else None
    split = split_pairs(config, loaded, eval_loaded)
    find_model(config.model)
    with Tracker(
        config.output, stage="reward-model", config=config.model_dump(mode="json"), seed=config.seed
    ) as tracker:
        return tracker.finish(_train(config, split, tracker))


def _train(
    config: RewardModelConfig, split: tuple[LoadedPreferences, LoadedPreferences], tracker: Tracker
) -> dict[str, Any]:
    cap_memory(config.memory, resolve_device(config.model.device))
    policy = load_policy(config.model, train=True, seed=config.seed, say=tracker.say)
    pairs, held_out = _tokenize(config, split, policy, tracker)
    batch_size = min(config.batch_size, len(pairs))
    if batch_size < config.batch_size:
        tracker.say(f"batch_size {config.batch_size} is more than there are pairs; {batch_size} are taken")
    num_steps = config.steps or max(1, round(config.epochs * len(pairs) / batch_size))
    trainer = _make_trainer(
        config, policy, num_steps, max(p.num_tokens for p in (*pairs, *held_out)), tracker
    )
    begun, _ = _evaluate(trainer, held_out, 0)
    losses: list[float] = []
    with tracker.progress("reward-model", total=num_steps, unit="step") as progress:
        for step, indices in enumerate(
            islice(shuffled_batches(len(pairs), batch_size, config.seed), num_steps), start=1
        ):
            metrics = trainer.step(step, [pairs[i] for i in indices])
            losses.append(metrics["reward_model/loss"])
            if step == num_steps or (config.eval_every and step % config.eval_every == 0):
                quality, scored = _evaluate(trainer, held_out, step)
            progress.advance(loss=metrics["reward_model/loss"], right=metrics["reward_model/train_accuracy"])
    first, last = first_and_last_tenth(losses)
    tracker.say(f"{num_steps} steps on {len(pairs)} pairs: loss {first:.3f} -> {last:.3f}")
    for alarm in alarms(quality):
        tracker.say(alarm)
    _write(trainer, quality, scored)
    return {
        **metrics,
        **quality.metrics(),
        "reward_model/accuracy_before": begun.accuracy,
        "reward_model/loss": last,
        "reward_model/loss_before": first,
        "num_pairs": len(pairs),
        "num_held_out": len(held_out),
        "num_steps": num_steps,
    }


def _tokenize(
    config: RewardModelConfig,
    split: tuple[LoadedPreferences, LoadedPreferences],
    policy: Policy,
    tracker: Tracker,
) -> tuple[list[PairIds], list[PairIds]]:
    train, held_out = split
    eval_path = f"{config.data.path} (held out)" if config.eval_data is None else config.eval_data.path
    return (
        tokenize_pairs(policy, train, config, config.data.path, tracker.say),
        tokenize_pairs(policy, held_out, config, eval_path, tracker.say),
    )


def _make_trainer(
    config: RewardModelConfig, policy: Policy, num_steps: int, longest: int, tracker: Tracker
) -> RewardTrainer:
    head = ScalarHead(hidden_size_of(policy.model), policy.device)
    sizes = resolve_sizes(config.model_copy(update={"max_length": longest}), policy, tracker.say)
    size = MicroBatchSize(sizes.micro_batch_tokens, tracker.say)
    optimizer = Optimizer(
        [*policy.trainable_parameters(), *head.parameters()],
        config.optim,
        learning_rate=peak_learning_rate(config.optim, "reward-model", config.model),
        num_steps=num_steps,
    )
    trainer = RewardTrainer(config, policy, head, optimizer, tracker, size)
    if policy.device.type == "cuda":
        size.tokens = prove(lambda tokens: trainer.prove(tokens, longest), size.tokens, tracker.say)
    return trainer


def _evaluate(trainer: RewardTrainer, held_out: list[PairIds], step: int) -> tuple[Quality, list[ScoredPair]]:
    """The figures on the held-out pairs, logged and said, and their scores."""
    scored = trainer.scored(held_out)
    quality = measure(scored, trainer.config.seed)
    trainer.tracker.metrics(step, quality.metrics())
    if step:
        trainer.tracker.say(f"step {step}: {in_words(quality)}")
    return quality, scored


def _write(trainer: RewardTrainer, quality: Quality, scored: list[ScoredPair]) -> None:
    """The reward model, and what it says of each held-out pair."""
    config, policy = trainer.config, trainer.policy
    info = RewardInfo(
        span=config.span,
        mean=quality.mean,
        std=quality.std,
        accuracy=quality.accuracy,
        accuracy_interval=quality.accuracy_interval,
        num_pairs=quality.num_pairs,
        mean_margin=quality.mean_margin,
        calibration_error=quality.calibration_error,
        length_correlation=quality.length_correlation,
        length_rule_accuracy=quality.length_rule_accuracy,
        eos_token_id=policy.eos_token_ids[0],
        dtype=str(policy.dtype).removeprefix("torch."),
        chosen_quantiles=quality.chosen_quantiles,
    )
    save_reward_model(policy, trainer.head, info, config.output / FOLDER, seed=config.seed)
    rows = [
        {
            "id": pair.id,
            "score_chosen": info.normalised(pair.chosen),
            "score_rejected": info.normalised(pair.rejected),
            "num_tokens_chosen": pair.num_tokens_chosen,
            "num_tokens_rejected": pair.num_tokens_rejected,
        }
        for pair in scored
    ]
    write_jsonl(config.output / "held_out.jsonl", rows)
