"""One batch through TRL's PPO and r1kit's: how far advantages, losses and gradients are apart.

    pip install --no-deps --target /tmp/trl-ppo "trl==1.12.0"
    PYTHONPATH=/tmp/trl-ppo python benchmarks/ppo_replay.py

Needs a TRL with `trl.experimental.ppo`: 1.12.0 has it, 1.16.0 does not any more. TRL's own `PPOTrainer.train()` runs, for
one batch and two epochs of one minibatch. Three things of it are replaced: its generation returns the saved completions
with the logits of the policy that sampled, its optimizer is plain SGD that notes each gradient, and its `masked_whiten`
notes what it is given. r1kit runs its own passes, batch and update, with an optimizer that does the same. There are four
sets of weights: the reference, the policy that sampled, the policy in training and the value network, set apart by
noise, so that ratios lie away from 1; at the second update the clip of the values acts as well.

Where the definitions agree the limit is 1e-5. They differ in one point: when a completion is shorter than the longest of
the batch, TRL gives it one more state, that after its last token, puts the score there and trains its value as well;
here an episode ends with its last token. The last row shows what that comes to. TRL also divides each micro-batch by its
own tokens and has no gradient clip; one micro-batch, and no clip, stand here on both sides.
"""

from __future__ import annotations

import argparse
import importlib.util
import os
import tempfile
from pathlib import Path
from typing import Any, Final

import torch
from grpo_workload import text_of, write_inputs
from ppo_replay_batch import (
    LONGEST,
    RATE,
    VALUE_WEIGHT,
    WORKLOAD,
    Saved,
    Side,
    gradient_of,
    moved,
    sampled_logits,
    saved_batch,
    scores_of,
    set_head,
)
from rich.box import MARKDOWN
from rich.console import Console
from rich.table import Table
from torch import Tensor, nn

from r1kit.config.load import validate
from r1kit.config.ppo import PpoConfig
from r1kit.core.problem import Problem
from r1kit.core.rollout import Completion, FinishReason, Group, Rollout, Score
from r1kit.models.load import load_policy
from r1kit.models.value_network import SeparateValueNetwork
from r1kit.ppo.batch import build_batch, trained_rows
from r1kit.ppo.learners import Learners
from r1kit.ppo.passes import measured_values
from r1kit.ppo.update import update_learners
from r1kit.rl.passes import reference_logprobs
from r1kit.training.optimizer import StepStats
from r1kit.training.recovery import MicroBatchSize

LIMIT: Final = 1e-5
MICRO_BATCH_TOKENS: Final = 90

CASES: Final[dict[str, tuple[dict[str, Any], dict[str, Any], bool]]] = {
    "beta 0.05, k1": ({}, {}, False),
    "beta 0.05, k3": ({"kl_estimator": "k3"}, {"kl_estimator": "k3"}, False),
    "beta 0": ({"beta": 0.0}, {"kl_coef": 0.0}, False),
    "gamma 0.97, lambda 0.8": ({"gamma": 0.97, "lam": 0.8}, {"gamma": 0.97, "lam": 0.8}, False),
    "clip 0.05, value clip 0.01": (
        {"clip_eps_low": 0.05, "clip_eps_high": 0.05, "value_clip": 0.01},
        {"cliprange": 0.05, "cliprange_value": 0.01},
        False,
    ),
    "completions of several lengths": ({}, {}, True),
}
"""Name -> fields of r1kit's algorithm, of TRL's PPOConfig, and whether lengths (and so definitions) differ."""
HEADINGS: Final = (
    "case",
    "raw advantages",
    "advantages",
    "policy loss",
    "value loss",
    "policy gradients",
    "value gradients",
    "ratios clipped",
    "values clipped",
)


def main() -> None:
    """Replay every case and print the table; SystemExit 1 when an error is over the limit where definitions agree."""
    argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    ).parse_args()
    os.environ["TRL_EXPERIMENTAL_SILENCE"] = "1"
    if importlib.util.find_spec("trl") is None or importlib.util.find_spec("trl.experimental.ppo") is None:
        raise SystemExit("this TRL has no PPO; see the head of this file for a version that does")
    from ppo_trl_side import trl_side

    torch.set_num_threads(1)
    table = Table(box=MARKDOWN)
    for heading in HEADINGS:
        table.add_column(heading, justify="left" if heading == "case" else "right")
    worst = 0.0
    with tempfile.TemporaryDirectory() as folder:
        model, _ = write_inputs(Path(folder), WORKLOAD, seed=0)
        for name, (ours, theirs, is_ragged) in CASES.items():
            saved = saved_batch(WORKLOAD, model, is_ragged=is_ragged)
            one = r1kit_side(saved, ours)
            errors = differences(one, trl_side(saved, theirs, folder))
            shares = (f"{one.losses[which]:.3f}" for which in ("ratios clipped", "values clipped"))
            table.add_row(name, *(f"{error:.1e}" for error in errors), *shares)
            if not is_ragged:
                worst = max(worst, *errors)
    Console(width=170).print(table)
    if not worst <= LIMIT:
        raise SystemExit(f"the largest error is {worst:.1e}, over {LIMIT:g}")


class NotingSgd:
    """Stands in for r1kit's optimizer: notes each gradient by name, then takes a step of SGD on `weight` times it."""

    num_oom = 0

    def __init__(self, named: dict[str, nn.Parameter], weight: float) -> None:
        self._named, self._weight = named, weight
        self.gradients: list[dict[str, Tensor]] = []

    @torch.no_grad()
    def step(self) -> StepStats:
        """Take the step."""
        self.gradients.append({name: gradient_of(parameter) for name, parameter in self._named.items()})
        for parameter in self._named.values():
            if parameter.grad is not None:
                parameter.sub_(parameter.grad, alpha=RATE * self._weight)
        self.clear_gradient()
        return StepStats(0.0, RATE)

    def clear_gradient(self) -> None:
        """Forget what has been accumulated."""
        for parameter in self._named.values():
            parameter.grad = None


def r1kit_side(saved: Saved, algorithm: dict[str, Any]) -> Side:
    """r1kit's update on the batch, in micro-batches of packed texts."""
    config = r1kit_config(saved, algorithm)
    policy = load_policy(config.model, train=True, with_reference=config.algorithm.beta > 0)
    network = SeparateValueNetwork.load(config.model, seed=0)
    moved(policy.model, "trained")
    moved(network.network.model, "value")
    set_head(network.head.weight)
    groups = groups_of(saved)
    rows, size = trained_rows(groups, config.algorithm), MicroBatchSize(MICRO_BATCH_TOKENS)
    values = measured_values(policy, network, rows, size)
    references = reference_logprobs(policy, rows, 1.0, size) if config.algorithm.beta > 0 else None
    raw = config.algorithm.model_copy(update={"whiten_advantages": False})
    plain, _ = build_batch(groups, rows, values, references, raw)
    batch, _ = build_batch(groups, rows, values, references, config.algorithm)
    ours = NotingSgd(dict(policy.model.named_parameters()), 1.0)
    its = NotingSgd(value_names(network.network.model, network.head.weight), VALUE_WEIGHT)
    learners = Learners(policy, network, ours, its, size)  # type: ignore[arg-type]
    metrics = update_learners(learners, batch, config, step=1)
    return Side(
        [target.advantages for target in plain.targets],
        [target.advantages for target in batch.targets],
        {
            "policy": -metrics["policy/surrogate"],
            "value": metrics["value/loss"],
            "ratios clipped": metrics["policy/clip_fraction"],
            "values clipped": metrics["value/clip_fraction"],
        },
        ours.gradients,
        its.gradients,
    )


def r1kit_config(saved: Saved, algorithm: dict[str, Any]) -> PpoConfig:
    """Two epochs of one minibatch; the data are never read."""
    values = {
        "model": {"path": str(saved.model), "tuning": "full", "device": "cpu"},
        "output": "run",
        "data": "prompts.jsonl",
        "sampling": {"temperature": 1.0, "max_new_tokens": LONGEST},
        "algorithm": {"beta": 0.05, "epochs": 2, "minibatches": 1, "gamma": 1.0, "lam": 0.95} | algorithm,
    }
    return validate(PpoConfig, values, source="benchmark")


def groups_of(saved: Saved) -> list[Group]:
    """The batch as r1kit's sampling would hand it on."""
    groups = []
    for number, (logits, score) in enumerate(zip(sampled_logits(saved), scores_of(saved), strict=True)):
        ids = saved.completions[number]
        logprobs = torch.log_softmax(logits, -1)[torch.arange(len(ids)), torch.tensor(ids)]
        completion = Completion("", ids, tuple(logprobs.tolist()), FinishReason.STOP)
        prompt = text_of(WORKLOAD, saved.prompts[number])
        rollout = Rollout(completion, Score(score, {"own": score}))
        groups.append(Group(Problem(str(number), prompt), prompt, saved.prompts[number], (rollout,)))
    return groups


def value_names(model: nn.Module, head: nn.Parameter) -> dict[str, nn.Parameter]:
    """The value network's parameters by the names that a classification model has."""
    body = {name: value for name, value in model.named_parameters() if name.startswith("model.")}
    return {**body, "score.weight": head}


def differences(ours: Side, theirs: Side) -> list[float]:
    """|ours - theirs| / |theirs| of each column; of the gradients the worse of the two updates.

    The policy's loss is a mean of ratios times advantages whose mean is 0, so it is nearly 0 itself: its difference is
    in units of the advantages' deviation.
    """
    errors = [
        apart(torch.cat(getattr(ours, name)), torch.cat(getattr(theirs, name)))
        for name in ("raw", "advantages")
    ]
    errors.append(abs(ours.losses["policy"] - theirs.losses["policy"]))
    errors.append(abs(ours.losses["value"] / theirs.losses["value"] - 1))
    for name in ("policy", "value"):
        pairs = zip(getattr(ours, name), getattr(theirs, name), strict=True)
        errors.append(max(apart_by_name(one, other) for one, other in pairs))
    return errors


def apart(ours: Tensor, theirs: Tensor) -> float:
    """The relative error of a tensor as one vector."""
    return ((ours - theirs).norm() / theirs.norm()).item()


def apart_by_name(ours: dict[str, Tensor], theirs: dict[str, Tensor]) -> float:
    """The same of named tensors. ValueError when they do not have the same names."""
    if ours.keys() != theirs.keys():
        raise ValueError(f"parameters differ: {sorted(ours.keys() ^ theirs.keys())[:4]}")
    return apart(*(torch.cat([side[name].flatten() for name in ours]) for side in (ours, theirs)))


if __name__ == "__main__":
    main()
