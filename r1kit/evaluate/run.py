"""Runs benchmarks on a model: k samples a problem, and one greedy one if asked for."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from r1kit.config.data import ProblemData
from r1kit.config.sampling import SamplingConfig
from r1kit.config.stages import EvalConfig
from r1kit.core.rollout import Group
from r1kit.core.seeds import derive_seed
from r1kit.generation import Engine, build_engine
from r1kit.models.device import resolve_device
from r1kit.models.load import find_model, load_policy
from r1kit.rewards.compose import build_scorer
from r1kit.rollout.judging import collect_judged
from r1kit.rollout.progress import shown_on
from r1kit.rollout.prompts import PromptedProblem
from r1kit.rollout.rewarding import Rewarder
from r1kit.rollout.setup import keep_usable
from r1kit.rollout.summary import summarise, summarise_by_level
from r1kit.tasks.benchmarks import BENCHMARKS, load_benchmark
from r1kit.tracking.tracker import Tracker
from r1kit.training.memory import cap_memory, resolve_sizes


@dataclass(frozen=True, slots=True)
class Protocol:
    """One way of asking: its name in metrics, the samples a problem, the distribution and the prompt."""

    name: str
    num_samples: int
    sampling: SamplingConfig
    template: str
    data: ProblemData

    def describe(self) -> str:
        """The settings a figure cannot be read without, on one line."""
        parts = [self._draws(), f"at most {self.sampling.max_new_tokens} tokens", f"template {self.template}"]
        parts += ["system prompt"] if self.data.system_prompt else []
        return ", ".join([*parts, f"prompt {_shortened(self.data.prompt)}"])

    def _draws(self) -> str:
        s = self.sampling
        if s.temperature == 0:
            return "greedy"
        top_k = f", top-k={s.top_k}" if s.top_k else ""
        min_p = f", min-p={s.min_p:g}" if s.min_p else ""
        return f"k={self.num_samples}, T={s.temperature:g}, top-p={s.top_p:g}{top_k}{min_p}"


def run(config: EvalConfig) -> dict[str, Any]:
    """Evaluate as `config` says; the summary as written to `summary.json`, every sample in `rollouts.jsonl`.

    Metrics are named `TASK/FIGURE`, `TASK/greedy/FIGURE` for the greedy run, and `TASK/level=L/FIGURE` where
    problems have levels.

    Raises:
        R1KitError: a benchmark or the model cannot be used; nothing was sampled.
    """
    max_tokens = config.sampling.max_new_tokens
    scorer = build_scorer(config.rewards, default_max_tokens=max_tokens, sandbox=config.sandbox)
    Rewarder.check(scorer)
    code = scorer.code
    tasks = {task.name: keep_usable(load_benchmark(task), code) for task in config.tasks}
    find_model(config.model)
    with Tracker(
        config.output, stage="eval", config=config.model_dump(mode="json"), seed=config.seed
    ) as tracker:
        for usable in tasks.values():
            usable.announce(tracker.say)
        for note in scorer.notes({problem.kind for usable in tasks.values() for problem in usable.problems}):
            tracker.say(note)
        cap_memory(config.memory, resolve_device(config.model.device))
        policy = load_policy(config.model, train=False, seed=config.seed, say=tracker.say)
        prompted = {
            name: problems.render(policy, config.sampling.max_new_tokens, tracker.say)
            for name, problems in tasks.items()
        }
        longest = max(len(problem.prompt_ids) for problems in prompted.values() for problem in problems)
        sizes = resolve_sizes(config, policy, tracker.say, longest_prompt=longest)
        engine = build_engine(policy, config.engine, tracker.say, sizes.kv_tokens)
        rewarder = Rewarder.open(scorer, policy, sizes.micro_batch_tokens, tracker.say)
        metrics: dict[str, float] = {}
        for name, problems in prompted.items():
            for protocol in _protocols(config, name, tasks[name].data):
                metrics |= _evaluate(name, problems, protocol, config, engine, tracker, rewarder)
        tracker.metrics(0, metrics)
        protocols = {
            f"{name}/{protocol.name}": protocol.describe()
            for name, problems in tasks.items()
            for protocol in _protocols(config, name, problems.data)
        }
        left_out = {name: dict(problems.dropped) for name, problems in tasks.items()}
        return tracker.finish({**metrics, "protocols": protocols, "left_out": left_out})


def _protocols(config: EvalConfig, task: str, data: ProblemData) -> list[Protocol]:
    num_samples = config.num_samples
    if num_samples is None:
        num_samples = BENCHMARKS[task].num_samples if task in BENCHMARKS else 1
    template = Path(config.model.chat_template).name
    protocols = [Protocol("sampled", num_samples, config.sampling, template, data)]
    if config.greedy:
        greedy = config.sampling.model_copy(update={"temperature": 0.0})
        protocols.append(Protocol("greedy", 1, greedy, template, data))
    return protocols


def _shortened(prompt: str) -> str:
    text = " ".join(prompt.split())
    return text if len(text) <= 40 else f"{text[:37]}..."


def _evaluate(
    name: str,
    prompted: Sequence[PromptedProblem],
    protocol: Protocol,
    config: EvalConfig,
    engine: Engine,
    tracker: Tracker,
    rewarder: Rewarder,
) -> dict[str, float]:
    """Sample, judge and log one benchmark under one protocol; its figures by metric name."""
    label = f"{name} ({protocol.name})"
    with tracker.progress(label, total=len(prompted) * protocol.num_samples, unit="completion") as progress:
        groups = collect_judged(
            engine,
            prompted,
            group_size=protocol.num_samples,
            sampling=protocol.sampling,
            rewarder=rewarder,
            seed=derive_seed(config.seed, "eval", name, protocol.name),
            on_progress=shown_on(progress),
            record=lambda groups: tracker.rollouts(0, groups, phase=label),
        )
    prefix = name if protocol.name == "sampled" else f"{name}/{protocol.name}"
    figures = summarise(groups, config.language)
    tracker.say(f"{label}: {_in_words(figures)} [{protocol.describe()}]")
    return _named(groups, figures, prefix, config.language)


def _named(
    groups: Sequence[Group], figures: dict[str, float], prefix: str, language: str | None
) -> dict[str, float]:
    metrics = {f"{prefix}/{figure}": value for figure, value in figures.items()}
    for level, level_figures in summarise_by_level(groups, language).items():
        metrics |= {f"{prefix}/level={level}/{figure}": value for figure, value in level_figures.items()}
    return metrics


def _in_words(figures: dict[str, float]) -> str:
    error = f" +- {figures['pass@1_stderr']:.3f}" if "pass@1_stderr" in figures else ""
    accuracy = f"pass@1 {figures['pass@1']:.3f}{error}, " if "pass@1" in figures else ""
    runnable = f"runnable {figures['runnable_rate']:.3f}, " if "runnable_rate" in figures else ""
    rewards = "".join(
        f"{name.removeprefix('reward/')} {value:.3f}, "
        for name, value in figures.items()
        if name.startswith("reward/") and not name.endswith("_stderr")
    )
    no_answer = f"no answer {figures['no_answer_rate']:.2f}, " if "no_answer_rate" in figures else ""
    return (
        f"{accuracy}{runnable}{rewards}truncated {figures['truncated_rate']:.2f}, {no_answer}"
        f"{figures['mean_tokens']:.1f} tokens"
    )
