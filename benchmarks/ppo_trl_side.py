"""TRL's PPO on the batch of the replay: its own trainer, with three functions replaced; see `ppo_replay.py`."""

from __future__ import annotations

import contextlib
import io
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import torch
from grpo_workload import PAD
from ppo_replay_batch import (
    RATE,
    VALUE_WEIGHT,
    Saved,
    Side,
    gradient_of,
    moved,
    sampled_logits,
    scores_of,
    set_head,
)
from torch import Tensor, nn
from transformers import Qwen2ForCausalLM, Qwen2ForSequenceClassification


def trl_side(saved: Saved, settings: dict[str, Any], folder: str) -> Side:
    """TRL's trainer on the batch."""
    from datasets import Dataset
    from transformers import AutoTokenizer
    from trl.experimental.ppo import PPOConfig, PPOTrainer, ppo_trainer

    side = Side()
    policy = moved(Qwen2ForCausalLM.from_pretrained(saved.model, dtype=torch.float32), "trained")
    value = value_model(saved.model)
    named = {"policy": dict(policy.named_parameters()), "value": dict(value.named_parameters())}
    sgd = torch.optim.SGD([*policy.parameters(), *value.parameters()], lr=RATE)
    sgd.register_step_pre_hook(lambda *_: note(side, named))
    data = Dataset.from_list([{"input_ids": list(prompt)} for prompt in saved.prompts])
    tokenizer = AutoTokenizer.from_pretrained(saved.model, padding_side="left")
    tokenizer.pad_token_id = PAD
    order: list[int] = []
    with replaced(ppo_trainer, saved, side, order), quiet():
        PPOTrainer(
            args=PPOConfig(**trl_settings(saved, folder) | settings),
            processing_class=tokenizer,
            model=policy,
            ref_model=Qwen2ForCausalLM.from_pretrained(saved.model, dtype=torch.float32),
            reward_model=value_model(saved.model),
            train_dataset=data,
            eval_dataset=data,
            value_model=value,
            optimizers=(sgd, torch.optim.lr_scheduler.LambdaLR(sgd, lambda _: 1.0)),
        ).train()
    lengths = [len(saved.completions[index]) for index in order]
    for name in ("raw", "advantages"):
        by_place = {
            index: row[:length]
            for index, row, length in zip(order, getattr(side, name)[0], lengths, strict=True)
        }
        setattr(side, name, [by_place[index] for index in range(len(order))])
    return side


def trl_settings(saved: Saved, folder: str) -> dict[str, Any]:
    """One batch in one micro-batch, twice."""
    return {
        "output_dir": folder,
        "per_device_train_batch_size": len(saved.prompts),
        "per_device_eval_batch_size": len(saved.prompts),
        "local_rollout_forward_batch_size": len(saved.prompts),
        "gradient_accumulation_steps": 1,
        "num_mini_batches": 1,
        "num_ppo_epochs": 2,
        "total_episodes": len(saved.prompts),
        "response_length": max(map(len, saved.completions)),
        "temperature": 1.0,
        "kl_coef": 0.05,
        "vf_coef": VALUE_WEIGHT,
        "gamma": 1.0,
        "lam": 0.95,
        "num_sample_generations": 0,
        "missing_eos_penalty": None,
        "gradient_checkpointing": False,
        "save_strategy": "no",
        "report_to": "none",
        "use_cpu": True,
        "bf16": False,
        "disable_tqdm": True,
    }


def value_model(path: Path) -> Qwen2ForSequenceClassification:
    """The value network as TRL takes it."""
    base = moved(Qwen2ForCausalLM.from_pretrained(path, dtype=torch.float32), "value")
    base.config.num_labels = 1
    model = Qwen2ForSequenceClassification(base.config)
    model.model.load_state_dict(base.model.state_dict())
    set_head(model.score.weight)
    return model


def note(side: Side, named: dict[str, dict[str, nn.Parameter]]) -> None:
    """Keep the gradients that an optimizer step is about to take."""
    side.policy.append({name: gradient_of(parameter) for name, parameter in named["policy"].items()})
    side.value.append({name: gradient_of(p) / VALUE_WEIGHT for name, p in named["value"].items()})


@contextlib.contextmanager
def quiet() -> Iterator[None]:
    """TRL prints its progress, and transformers remarks on fields it is about to rename."""
    with warnings.catch_warnings(), contextlib.redirect_stdout(io.StringIO()):
        warnings.simplefilter("ignore", FutureWarning)
        yield


@contextlib.contextmanager
def replaced(module: Any, saved: Saved, side: Side, order: list[int]) -> Iterator[None]:
    """TRL's generation, scores, whitening and log for the time of a run; `order` is that of its rows."""
    logits, scores = sampled_logits(saved), scores_of(saved)
    real = {name: getattr(module, name) for name in ("batch_generation", "get_reward", "masked_whiten")}
    log = module.PPOTrainer.log
    seen: list[int] = []

    def generation(_: Any, queries: Tensor, *__: Any) -> tuple[Tensor, Tensor]:
        width = max(map(len, saved.completions))
        order.extend(saved.prompts.index(tuple(row[row != PAD].tolist())) for row in queries)
        responses = torch.full((len(order), width), PAD)
        drawn = torch.zeros(len(order), width, logits[0].shape[-1])
        for place, index in enumerate(order):
            length = len(saved.completions[index])
            responses[place, :length] = torch.tensor(saved.completions[index])
            drawn[place, :length] = logits[index]
        return torch.cat([queries, responses], 1), drawn

    def reward(*arguments: Any) -> tuple[Tensor, Tensor, Tensor]:
        found = real["get_reward"](*arguments)
        seen.append(0)
        # The first call is the value network's, the second the reward model's.
        return (found[0], torch.tensor([scores[i] for i in order]), found[2]) if len(seen) == 2 else found

    def whiten(values: Tensor, mask: Tensor, **named: Any) -> Tensor:
        whitened = real["masked_whiten"](values, mask, **named)
        side.raw, side.advantages = [values.clone()], [whitened.clone()]
        return whitened

    def keep(self: Any, metrics: dict[str, float], *rest: Any, **named: Any) -> None:
        side.losses = {"policy": metrics["loss/policy_avg"], "value": metrics["loss/value_avg"]}
        log(self, metrics, *rest, **named)

    module.batch_generation, module.get_reward, module.masked_whiten = generation, reward, whiten
    module.PPOTrainer.log = keep
    try:
        yield
    finally:
        for name, function in real.items():
            setattr(module, name, function)
        module.PPOTrainer.log = log
