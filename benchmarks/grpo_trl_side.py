"""One run of TRL's GRPOTrainer on the benchmark's workload, in a process of its own; prints its steps as JSON.

`--settings NAME` picks a row of SETTINGS. What the comparison fixes is the same in each: loss type, beta, learning
rate, clip, float32, and `use_bias_correction_kl` off, since r1kit's KL gradient is the article's.
"""

from __future__ import annotations

import argparse
import json
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

import peft
import torch
import transformers
import trl
from datasets import Dataset
from grpo_stopwatch import Record, Stopwatch, forward_or_reference
from grpo_workload import WARM_UP_TOKENS, Workload, even_share, prompt_ids, text_of
from transformers import AutoTokenizer, Qwen2ForCausalLM, TrainerCallback
from trl import GRPOConfig, GRPOTrainer

SETTINGS: Final[dict[str, dict[str, Any]]] = {
    # All of TRL's own: gradient checkpointing, 8 completions a micro-batch.
    "defaults": {},
    "plain-1": {"gradient_checkpointing": False, "per_device_train_batch_size": 1},
    "plain-2": {"gradient_checkpointing": False, "per_device_train_batch_size": 2},
    "plain-4": {"gradient_checkpointing": False, "per_device_train_batch_size": 4},
    "plain-8": {"gradient_checkpointing": False},
    "plain-16": {"gradient_checkpointing": False, "per_device_train_batch_size": 16},
    "plain-32": {"gradient_checkpointing": False, "per_device_train_batch_size": 32},
    "static-1": {
        "gradient_checkpointing": False,
        "per_device_train_batch_size": 1,
        "cache_implementation": "static",
    },
    "static-8": {"gradient_checkpointing": False, "cache_implementation": "static"},
    "continuous-batching": {"gradient_checkpointing": False, "use_transformers_continuous_batching": True},
}
"""Fields of GRPOConfig by name; the rest are its defaults."""


def main() -> None:
    """Run the steps that the command line asks for."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("workload", type=Workload.loads)
    parser.add_argument("model", type=Path)
    parser.add_argument("adapter", type=Path)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--steps", type=int, default=5)
    parser.add_argument("--settings", choices=SETTINGS, default="defaults")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    transformers.utils.logging.disable_progress_bar()
    prompts = prompt_ids(arguments.workload, arguments.seed, arguments.steps + 1)
    with tempfile.TemporaryDirectory() as folder:
        config = grpo_config(
            arguments.workload,
            folder,
            SETTINGS[arguments.settings],
            seed=arguments.seed,
            max_steps=len(prompts),
        )
        trainer = build_trainer(arguments.workload, arguments.model, arguments.adapter, config, prompts)
        record = Record(Stopwatch())
        watch_trainer(trainer, record)
        record.loaded()
        trainer.train()
    print(json.dumps(record.report(torch=torch.__version__, trl=trl.__version__)))


def grpo_config(workload: Workload, folder: str, settings: dict[str, Any], **more: Any) -> GRPOConfig:
    """The workload as TRL's configuration. A step is one batch of completions and one update in all of them."""
    completions = workload.prompts_per_step * workload.group_size
    rows = settings.get("per_device_train_batch_size", min(8, completions))
    fixed = {
        "output_dir": folder,
        "num_generations": workload.group_size,
        "per_device_train_batch_size": rows,
        "gradient_accumulation_steps": completions // rows,
        "max_completion_length": workload.max_new_tokens,
        "loss_type": "grpo",
        "beta": workload.beta,
        "epsilon": workload.clip,
        "learning_rate": workload.learning_rate,
        "lr_scheduler_type": "constant",
        "use_bias_correction_kl": False,
        "bf16": False,
        "use_cpu": True,
        "dataloader_pin_memory": False,
        "shuffle_dataset": False,
        "save_strategy": "no",
        "report_to": "none",
        "disable_tqdm": True,
    }
    return GRPOConfig(**{**fixed, **settings, **more})


def build_trainer(
    workload: Workload,
    model_path: Path,
    adapter_path: Path,
    config: GRPOConfig,
    prompts: Sequence[Sequence[tuple[int, ...]]],
) -> GRPOTrainer:
    """The trainer on the saved model and adapter, with the prompts of all steps in order."""
    base = Qwen2ForCausalLM.from_pretrained(model_path, dtype=torch.float32)
    rows = [{"prompt": text_of(workload, ids)} for step in prompts for ids in step]
    return GRPOTrainer(
        model=peft.PeftModel.from_pretrained(base, adapter_path, is_trainable=True),
        reward_funcs=even_reward,
        args=config,
        train_dataset=Dataset.from_list(rows),
        processing_class=AutoTokenizer.from_pretrained(model_path, padding_side="left"),
    )


def even_reward(completion_ids: list[list[int]], **_: Any) -> list[float]:
    """The benchmark's reward, as TRL asks for one."""
    return [even_share(ids) for ids in completion_ids]


def watch_trainer(trainer: GRPOTrainer, record: Record) -> None:
    """Time the phases of `trainer`, and let `record` take each step as it ends.

    A step lasts from the end of the one before to its own end: data loading and logging are in it. The warm-up step
    has short completions.
    """
    watch, lengths = record.watch, []
    generate = watch.timed("generation", trainer._generate_single_turn)  # noqa: SLF001  # there is no public one

    def counted(*args: Any, **kwargs: Any) -> tuple[list[list[int]], Any]:
        completions, logprobs = generate(*args, **kwargs)
        lengths.extend(map(len, completions))
        return completions, logprobs

    class AtStepEnd(TrainerCallback):
        def on_step_end(self, *_: Any, **__: Any) -> None:
            record.end(lengths.copy())
            lengths.clear()
            trainer.generation_config.max_new_tokens = trainer.max_completion_length

    trainer.generation_config.max_new_tokens = min(WARM_UP_TOKENS, trainer.max_completion_length)
    trainer._generate_single_turn = counted  # noqa: SLF001
    logprobs = trainer._get_per_token_logps_and_entropies  # noqa: SLF001
    trainer._get_per_token_logps_and_entropies = watch.timed(forward_or_reference, logprobs)  # noqa: SLF001
    watch.watch_torch()
    trainer.add_callback(AtStepEnd())


if __name__ == "__main__":
    main()
