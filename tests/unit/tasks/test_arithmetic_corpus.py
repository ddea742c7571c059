"""The pretraining corpus and the shipped files: their shares, their form, and nothing held out in them."""

from __future__ import annotations

import itertools
import json
import random
import re
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jinja2
import pytest

from r1kit.tasks.arithmetic import problems as problems_module
from r1kit.tasks.arithmetic.corpus import CHAT_SHARES, DOCUMENT_SHARES, END, chat_text, documents
from r1kit.tasks.arithmetic.files import shipped_files
from r1kit.tasks.arithmetic.held_out import banned_pairs_in, step_pairs_in
from r1kit.tasks.arithmetic.reading import language_of, thinking_in, works_every_step
from r1kit.tasks.arithmetic.traces import Style
from r1kit.tasks.templates import R1_TEMPLATE

_DATA = Path(__file__).parents[3] / "data"
_CORPUS = tuple(itertools.islice(documents(random.Random(11)), 20_000))


def _rows(name: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (_DATA / name).read_text(encoding="utf-8").splitlines()]


def _is_chat(document: str) -> bool:
    return document.startswith("User: ")


def _is_arithmetic_chat(document: str) -> bool:
    return _is_chat(document) and document.removeprefix("User: ")[0].isdigit()


def _runs_of_operands(document: str) -> Iterator[str]:
    for expression in re.findall(r"[0-9]+(?:[-+*][0-9]+)+", document):
        parts = re.findall(r"[0-9]+|[-+*]", expression)
        for start, end in itertools.combinations(range(0, len(parts), 2), 2):
            yield "".join(parts[start : end + 1])


def test_no_document_holds_a_banned_pair() -> None:
    assert sum(len(step_pairs_in(document)) for document in _CORPUS) > 20_000
    assert [document for document in _CORPUS if banned_pairs_in(document)] == []


def test_no_document_holds_a_test_problem_anywhere() -> None:
    # Whole expressions, prefixes, suffixes and what lies between: every run of operands of every document.
    written = {run for document in _CORPUS for run in _runs_of_operands(document)}
    assert "3+4" in written
    assert written.isdisjoint(problem.problem for problem in problems_module.test_problems())


def test_every_document_ends_with_the_only_eos() -> None:
    assert all(document.endswith(END) and document.count(END) == 1 for document in _CORPUS)


def test_chat_documents_are_what_the_r1_template_renders() -> None:
    template = jinja2.Environment(autoescape=False).from_string(R1_TEMPLATE)  # plain text, no HTML
    chats = [document.removesuffix(END) for document in _CORPUS if _is_chat(document)]
    for chat in chats[:500]:
        question, completion = chat.removeprefix("User: ").split("\n\nAssistant:\n")
        messages = [{"role": "user", "content": question}, {"role": "assistant", "content": completion}]
        prompt = template.render(messages=messages[:1], add_generation_prompt=True, eos_token=END)
        whole = template.render(messages=messages, add_generation_prompt=False, eos_token=END)
        assert prompt == chat_text(question, "")
        assert whole == chat_text(question, completion) + END + "\n\n"


def test_documents_come_in_their_shares() -> None:
    chats = sum(map(_is_arithmetic_chat, _CORPUS)) / len(_CORPUS)
    drills = sum("=" in document for document in _CORPUS) / len(_CORPUS)
    assert sum(DOCUMENT_SHARES.values()) == pytest.approx(1)
    assert chats == pytest.approx(DOCUMENT_SHARES["chat"], abs=0.015)
    assert drills == pytest.approx(DOCUMENT_SHARES["drill"], abs=0.01)


def test_chat_seldom_works_every_step() -> None:
    # One operation is excluded: there the guess is the work.
    chats = [document.removesuffix(END) for document in _CORPUS if _is_arithmetic_chat(document)]
    pairs = [chat.removeprefix("User: ").split("\n\nAssistant:\n") for chat in chats]
    long = [(problem, completion) for problem, completion in pairs if step_pairs_in(problem)]
    careful = sum(works_every_step(problem, completion) for problem, completion in long) / len(long)
    bare = sum(completion.isdigit() for _, completion in long) / len(long)
    assert sum(CHAT_SHARES.values()) == pytest.approx(1)
    assert careful == pytest.approx(CHAT_SHARES[Style.CAREFUL], abs=0.01)
    assert bare == pytest.approx(CHAT_SHARES["number"], abs=0.025)


def test_shipped_files_are_what_the_generator_makes() -> None:
    for name, content in shipped_files().items():
        assert (_DATA / name).read_bytes() == content.encode(), name


@pytest.mark.parametrize("name", ["arithmetic/cold_start.jsonl", "arithmetic/train.jsonl", "general.jsonl"])
def test_no_shipped_training_line_holds_a_banned_pair(name: str) -> None:
    lines = (_DATA / name).read_text(encoding="utf-8").splitlines()
    assert lines
    assert [line for line in lines if banned_pairs_in(line)] == []


def test_train_problems_are_2400_distinct_ones_of_three_and_four_operands() -> None:
    rows = _rows("arithmetic/train.jsonl")
    assert Counter(row["level"] for row in rows) == {3: 1200, 4: 1200}
    assert len({row["id"] for row in rows}) == len({row["problem"] for row in rows}) == 2400
    assert all(row["kind"] == "math" and row["answer"].isdigit() for row in rows)


def test_validation_problems_are_held_out_and_not_in_the_benchmark() -> None:
    rows = _rows("arithmetic/validation.jsonl")
    assert len(rows) == 100
    assert all(row["level"] == 4 and banned_pairs_in(row["problem"]) for row in rows)
    assert {row["id"] for row in rows}.isdisjoint(problem.id for problem in problems_module.test_problems())


def test_the_cold_start_mixes_styles_and_languages_as_documented() -> None:
    rows = _rows("arithmetic/cold_start.jsonl")
    exchanges = [[message["content"] for message in row["messages"]] for row in rows]
    assert len({problem for problem, _ in exchanges}) == 100
    languages = Counter(language_of(thinking_in(reply) or "") for _, reply in exchanges)
    assert languages == {"en": 50, "zh": 10, "mixed": 40}
    assert sum(works_every_step(problem, reply) for problem, reply in exchanges) == 20


def test_general_exchanges_are_distinct_plain_english() -> None:
    rows = _rows("general.jsonl")
    texts = {tuple(message["content"] for message in row["messages"]) for row in rows}
    assert len(texts) == len(rows) == 24
    assert all(text.isascii() and not any(map(str.isdigit, text)) for pair in texts for text in pair)


def test_the_task_loads_without_torch() -> None:
    code = "import sys, r1kit.tasks.arithmetic.files; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
