"""One batch of pairs through TRL's RewardTrainer and r1kit's: how far loss and gradient are apart.

Both sides have the same base, adapter and head (moved away from zero by the same noise) and are given the same token
ids. TRL runs chosen and rejected replies as padded rows of a sequence classifier; r1kit runs packed trees in micro-batches,
in which the two replies of a pair share their prompt. The error is |g_r1kit - g_TRL| / |g_TRL| over the adapter, and
over the head's weight.

Where definitions differ, and what is done about it here:
- r1kit's head has a bias, TRL's has none. The bias stays 0; its gradient, which is 0 but for the centring term, is not
  compared.
- TRL finds the last token as the last one that is not padding, r1kit counts. With a padding token of its own, as here,
  that is the same token.
- TRL takes a margin as it stands, r1kit multiplies it by margin_weight (1 here).
- TRL tokenizes the whole conversation through the chat template, r1kit the reply apart. Ids are given, so this plays no
  part.
- TRL switches dropout off, r1kit leaves it to model.lora.dropout (0 by default).
"""

from __future__ import annotations

import argparse
import tempfile
from collections.abc import Sequence
from contextlib import redirect_stdout
from io import StringIO
from pathlib import Path
from typing import Any, Final

import torch
from datasets import Dataset
from peft import LoraConfig as PeftLora
from rich.box import MARKDOWN
from rich.console import Console
from rich.table import Table
from torch import Tensor, nn
from transformers import AutoModelForSequenceClassification
from trl import RewardConfig, RewardTrainer

from r1kit.config.data import PreferenceData
from r1kit.config.reward_model import RewardModelConfig
from r1kit.models.load import load_policy
from r1kit.models.policy import Policy
from r1kit.models.scalar_head import ScalarHead, hidden_size_of
from r1kit.reward_model.examples import PairIds, tokenize_pairs
from r1kit.reward_model.trainer import RewardTrainer as OurTrainer
from r1kit.tasks.preferences import load_preferences
from r1kit.tracking.tracker import Tracker
from r1kit.training.optimizer import Optimizer
from r1kit.training.recovery import MicroBatchSize

ROOT: Final = Path(__file__).parents[1]
RANK: Final = 8
NOISE: Final = 0.05
MICRO_BATCH_TOKENS: Final = 600
LIMIT: Final = 1e-5

VARIANTS: Final[dict[str, tuple[float, bool]]] = {
    "Bradley-Terry": (0.0, False),
    "with centring 0.01": (0.01, False),
    "with margins": (0.0, True),
    "with margins and centring 0.1": (0.1, True),
}
"""Name -> weight of the centring term, and whether pairs have margins."""

Gradient = dict[str, Tensor]


def main() -> None:
    """Replay every variant and print the table; SystemExit 1 when an error is over the limit."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--model", default=str(ROOT / "data/tiny_base"))
    parser.add_argument("--data", default=str(ROOT / "data/preferences/harmless.jsonl"))
    parser.add_argument("--pairs", type=int, default=32)
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    table = Table(box=MARKDOWN)
    for heading in ("variant", "loss TRL", "loss error", "adapter error", "head error"):
        table.add_column(heading, justify="left" if heading == "variant" else "right")
    worst = 0.0
    for name, (center_weight, with_margin) in VARIANTS.items():
        with tempfile.TemporaryDirectory() as folder:
            errors = replay(arguments, Path(folder), center_weight, with_margin=with_margin)
        table.add_row(name, f"{errors[0]:.6f}", *(f"{error:.1e}" for error in errors[1:]))
        worst = max(worst, *errors[1:])
    Console(width=100).print(table)
    if worst > LIMIT:
        raise SystemExit(f"the largest error is {worst:.1e}, over {LIMIT:g}")


def replay(
    arguments: argparse.Namespace, folder: Path, center_weight: float, *, with_margin: bool
) -> tuple[float, float, float, float]:
    """TRL's loss, and the relative errors of r1kit's loss, adapter gradient and head gradient."""
    config = RewardModelConfig(
        model={"path": arguments.model, "device": "cpu", "lora": {"rank": RANK, "alpha": 2.0 * RANK}},
        output=folder / "r1kit",
        data=PreferenceData(path=arguments.data, limit=arguments.pairs),
        center_weight=center_weight,
        margin_weight=1.0 if with_margin else 0.0,
    )
    policy = load_policy(config.model, train=True)
    head = ScalarHead(hidden_size_of(policy.model))
    pairs = with_margins(policy, config, with_margin=with_margin)
    move([*adapter_of(policy.model).values(), head.weight])
    loss, ours = r1kit_gradient(config, policy, head, pairs)
    trl_loss, theirs = trl_gradient(arguments.model, pairs, folder / "trl", policy, head, center_weight)
    head_error = float((ours.pop("head") - (reference := theirs.pop("head"))).norm() / reference.norm())
    if ours.keys() != theirs.keys():
        raise ValueError(f"parameters differ: {sorted(ours.keys() ^ theirs.keys())[:4]}")
    apart = norm([ours[name] - theirs[name] for name in ours]) / norm(list(theirs.values()))
    return trl_loss, abs(loss - trl_loss) / abs(trl_loss), apart, head_error


def with_margins(policy: Policy, config: RewardModelConfig, *, with_margin: bool) -> list[PairIds]:
    """The pairs of the data as ids, with margins of 0, 0.25, 0.5 and 0.75 in turn."""
    pairs = tokenize_pairs(policy, load_preferences(config.data), config, config.data.path, lambda _: None)
    return [
        PairIds(p.id, p.prompt_ids, p.chosen_ids, p.rejected_ids, 0.25 * (i % 4) if with_margin else None)
        for i, p in enumerate(pairs)
    ]


@torch.no_grad()
def move(parameters: Sequence[nn.Parameter]) -> None:
    """Add normal noise to `parameters`."""
    generator = torch.Generator().manual_seed(1)
    for parameter in parameters:
        parameter.add_(torch.randn(parameter.shape, generator=generator), alpha=NOISE)


def adapter_of(model: nn.Module) -> dict[str, nn.Parameter]:
    """The adapter's parameters by their name, which is the same on both sides."""
    return {name: parameter for name, parameter in model.named_parameters() if ".lora_" in name}


def r1kit_gradient(
    config: RewardModelConfig, policy: Policy, head: ScalarHead, pairs: list[PairIds]
) -> tuple[float, Gradient]:
    """Loss and gradient of r1kit's trainer, micro-batch by micro-batch."""
    tracker = Tracker(config.output, stage="reward-model", config={}, seed=0, quiet=True)
    optimizer = Optimizer(
        [*policy.trainable_parameters(), *head.parameters()], config.optim, learning_rate=1.0, num_steps=1
    )
    trainer = OurTrainer(config, policy, head, optimizer, tracker, MicroBatchSize(MICRO_BATCH_TOKENS))
    loss, _ = trainer._accumulate(pairs)  # noqa: SLF001
    tracker.finish({})
    return loss, {**gradients(adapter_of(policy.model)), "head": gradient_of(head.weight)}


def trl_gradient(
    model: str, pairs: Sequence[PairIds], folder: Path, policy: Policy, head: ScalarHead, center_weight: float
) -> tuple[float, Gradient]:
    """Loss and gradient of TRL's trainer on one padded batch, with r1kit's adapter and head copied in."""
    trainer = build_trainer(model, pairs, folder, policy, center_weight)
    named = adapter_of(trainer.model)
    ours = adapter_of(policy.model)
    score = next(
        parameter
        for name, parameter in trainer.model.named_parameters()
        if "score" in name and parameter.requires_grad
    )
    with torch.no_grad():
        for name, parameter in named.items():
            parameter.copy_(ours[name])
        score.copy_(head.weight[None])
    inputs = trainer.data_collator([trainer.train_dataset[i] for i in range(len(pairs))])
    trainer.model.train()
    loss = trainer.compute_loss(trainer.model, inputs)
    loss.backward()
    return loss.item(), {**gradients(named), "head": gradient_of(score)[0]}


def build_trainer(
    model: str, pairs: Sequence[PairIds], folder: Path, policy: Policy, center_weight: float
) -> Any:
    """TRL's trainer on a sequence classifier over the same base, with an adapter on the same layers."""
    classifier = AutoModelForSequenceClassification.from_pretrained(model, num_labels=1, dtype=torch.float32)
    classifier.config.pad_token_id = policy.pad_token_id
    targets = policy.model.peft_config["default"].target_modules
    lora = PeftLora(task_type="SEQ_CLS", r=RANK, lora_alpha=2 * RANK, target_modules=sorted(targets))
    rows = [
        {
            "chosen_ids": [*pair.prompt_ids, *pair.chosen_ids],
            "rejected_ids": [*pair.prompt_ids, *pair.rejected_ids],
            **({} if pair.margin is None else {"margin": pair.margin}),
        }
        for pair in pairs
    ]
    config = RewardConfig(
        output_dir=str(folder),
        center_rewards_coefficient=center_weight or None,
        max_length=None,
        report_to=[],
        use_cpu=True,
        gradient_checkpointing=False,
    )
    with redirect_stdout(StringIO()):
        return RewardTrainer(
            model=classifier,
            args=config,
            train_dataset=Dataset.from_list(rows),
            processing_class=policy.tokenizer,
            peft_config=lora,
        )


def gradients(named: dict[str, nn.Parameter]) -> Gradient:
    """The gradient of each parameter in float64."""
    return {name: gradient_of(parameter) for name, parameter in named.items()}


def gradient_of(parameter: nn.Parameter) -> Tensor:
    """The gradient in float64."""
    return torch.zeros_like(parameter).double() if parameter.grad is None else parameter.grad.double()


def norm(values: Sequence[Tensor]) -> float:
    """The Euclidean norm of all values as one vector."""
    return torch.cat([value.flatten() for value in values]).norm().item()


if __name__ == "__main__":
    main()
