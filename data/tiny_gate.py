"""Measures a tiny base: does it have the skill, and not the habit?"""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import torch
from transformers import LlamaForCausalLM, PreTrainedTokenizerFast

from r1kit.core.problem import Problem
from r1kit.tasks.arithmetic.chains import parse_chain
from r1kit.tasks.arithmetic.corpus import chat_text
from r1kit.tasks.arithmetic.problems import generate_problems
from r1kit.tasks.arithmetic.reading import answer_in, language_of, thinking_in, works_every_step
from r1kit.tasks.arithmetic.traces import Language, worked_lines

MAX_NEW_TOKENS: Final = 48


@dataclass(frozen=True)
class Base:
    """A model with its tokenizer."""

    model: LlamaForCausalLM
    tokenizer: PreTrainedTokenizerFast

    def complete(
        self, prompts: Sequence[str], temperature: float, seed: int = 0, max_new_tokens: int = MAX_NEW_TOKENS
    ) -> list[tuple[str, int]]:
        """A completion of each prompt and its number of tokens, EOS included; temperature 0 is greedy.

        Prompts of one call must have the same number of tokens (chains of one length do), so none is padded.
        """
        ids = torch.tensor(self.tokenizer(list(prompts), add_special_tokens=False).input_ids)
        new = _decode(self.model, ids, temperature, torch.Generator().manual_seed(seed), max_new_tokens)
        return [self._finish(row) for row in new.tolist()]

    def _finish(self, row: list[int]) -> tuple[str, int]:
        eos = self.tokenizer.eos_token_id
        kept = row[: row.index(eos)] if eos in row else row
        return str(self.tokenizer.decode(kept)), len(kept) + (eos in row)


@torch.no_grad()
def _decode(
    model: LlamaForCausalLM, ids: torch.Tensor, temperature: float, rng: torch.Generator, max_new_tokens: int
) -> torch.Tensor:
    """New token ids [B, T]; whatever follows a row's EOS is noise."""
    cache, new = None, []
    done = torch.zeros(len(ids), dtype=torch.bool)
    for _ in range(max_new_tokens):
        output = model(input_ids=ids, past_key_values=cache, use_cache=True, logits_to_keep=1)
        cache, logits = output.past_key_values, output.logits[:, -1]
        if temperature == 0:
            ids = logits.argmax(-1, keepdim=True)
        else:
            ids = torch.multinomial((logits / temperature).softmax(-1), 1, generator=rng)
        new.append(ids)
        done |= ids[:, 0] == model.config.eos_token_id
        if done.all():
            break
    return torch.cat(new, dim=1)


def is_right(problem: Problem, reply: str) -> bool:
    """Whether the reply's answer is the gold."""
    return answer_in(reply) in problem.answers


def _is_right_or_bare(problem: Problem, reply: str) -> bool:
    return is_right(problem, reply) or reply.strip() in problem.answers


def accuracy(base: Base, problems: Sequence[Problem], temperature: float, prefill: str = "") -> float:
    """Share of `problems` of one level that are answered right, the reply starting with `prefill`."""
    prompts = [chat_text(problem.problem, prefill) for problem in problems]
    replies = [prefill + text for text, _ in base.complete(prompts, temperature)]
    return sum(map(is_right, problems, replies)) / len(problems)


def pass_at(base: Base, problems: Sequence[Problem], samples: int) -> float:
    """Share of `problems` solved by at least one of `samples` replies at temperature 1."""
    prompts = [chat_text(problem.problem, "") for problem in problems]
    solved = [False] * len(problems)
    for seed in range(samples):
        texts = [text for text, _ in base.complete(prompts, 1.0, seed)]
        solved = [before or now for before, now in zip(solved, map(is_right, problems, texts), strict=True)]
    return sum(solved) / len(problems)


def next_line_accuracy(base: Base, problems: Sequence[Problem], language: Language) -> float:
    """Share of all lines of all traces that greedy decoding writes right, given the lines before.

    `problems` are of one level; each line is started with its connective, so this measures the skill alone.
    """
    traces = [_trace(problem, language) for problem in problems]
    right = total = 0
    for index in range(len(traces[0])):
        starts, wanted = zip(*(_line_start(lines, index) for lines in traces), strict=True)
        prompts = [chat_text(problem.problem, start) for problem, start in zip(problems, starts, strict=True)]
        # A line has at most a number and a step for each operation, and a newline.
        replies = base.complete(prompts, 0.0, max_new_tokens=2 * len(traces[0]))
        right += sum(text.split("\n")[0] == want for (text, _), want in zip(replies, wanted, strict=True))
        total += len(problems)
    return right / total


def _trace(problem: Problem, language: Language) -> list[str]:
    chain = parse_chain(problem.problem)
    return worked_lines(chain, chain.num_operations, language, random.Random(0))[0]


def _line_start(lines: list[str], index: int) -> tuple[str, str]:
    """The reply up to and with the connective of line `index`, and what that line should go on with."""
    connective, rest = lines[index].rsplit(" ", 1)
    before = "".join(f"{line}\n" for line in lines[:index])
    return f"<think>\n{before}{connective} ", rest


def reply_figures(base: Base, problems: Sequence[Problem]) -> dict[str, float]:
    """What replies at temperature 1 look like: accuracy, tokens, and shares of all replies by kind."""
    questions = [problem.problem for problem in problems]
    replies = base.complete([chat_text(question, "") for question in questions], 1.0)
    texts = [text for text, _ in replies]
    thinking = [found for text in texts if (found := thinking_in(text)) is not None]
    languages = Counter(map(language_of, thinking))
    count = len(problems)
    return {
        "accuracy": sum(map(is_right, problems, texts)) / count,
        "accuracy_if_bare_numbers_count": sum(map(_is_right_or_bare, problems, texts)) / count,
        "mean_tokens": sum(tokens for _, tokens in replies) / count,
        "thinks": len(thinking) / count,
        "works_every_step": sum(map(works_every_step, questions, texts)) / count,
        **{f"language_{each}": languages[each] / count for each in Language},
    }


def measure(base: Base, count: int = 800, seed: int = 7) -> dict[str, float]:
    """Every figure of the model card by name, on `count` held-out problems a level."""
    levels = {level: generate_problems(level, count, seed, held_out=True) for level in (3, 4, 5, 6)}
    figures: dict[str, float] = {}
    for level, problems in levels.items():
        figures |= {f"{level}/{name}": value for name, value in reply_figures(base, problems).items()}
        figures[f"{level}/greedy_accuracy"] = accuracy(base, problems, 0.0)
        figures[f"{level}/greedy_accuracy_after_first"] = accuracy(
            base, problems, 0.0, prefill="<think>\nfirst "
        )
        for language in (Language.ENGLISH, Language.CHINESE):
            figures[f"{level}/next_line_{language}"] = next_line_accuracy(base, problems, language)
    figures["4/pass@8"] = pass_at(base, levels[4], 8)
    return figures


def gate_failures(figures: dict[str, float]) -> list[str]:
    """Why a base with these figures must not be shipped; empty when it may."""
    bounds = {
        f"{level}/next_line_{language}": (0.98, 1.0) for level in (3, 4, 5) for language in ("en", "zh")
    }
    bounds |= {f"{level}/greedy_accuracy_after_first": (0.97, 1.0) for level in (3, 4, 5)}
    bounds |= {
        "4/greedy_accuracy": (0.0, 0.40),
        "4/works_every_step": (0.02, 0.10),
        "4/accuracy": (0.0, 0.10),
    }
    return [
        f"{name} is {figures[name]:.3f}, not in {low:.2f} to {high:.2f}"
        for name, (low, high) in bounds.items()
        if not low <= figures[name] <= high
    ]
