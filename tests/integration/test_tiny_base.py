"""The committed tiny base: its tokenizer, and the gate it must pass ("the skill without the habit")."""

from __future__ import annotations

import random
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from transformers import AutoModelForCausalLM, AutoTokenizer

from r1kit.tasks.arithmetic.chains import draw_chain
from r1kit.tasks.arithmetic.corpus import END, chat_text
from r1kit.tasks.arithmetic.problems import generate_problems
from r1kit.tasks.arithmetic.traces import Language, Style, reply
from r1kit.tasks.templates import R1_TEMPLATE

_DATA = Path(__file__).parents[2] / "data"
_TOKENIZER = AutoTokenizer.from_pretrained(_DATA / "tiny_base")
_COUNT = 200


def _ids(text: str) -> list[int]:
    return list(_TOKENIZER(text, add_special_tokens=False).input_ids)


@pytest.fixture(scope="module")
def data_modules() -> Iterator[dict[str, ModuleType]]:
    """The scripts under `data/`, which are no package."""
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(_DATA)
        import tiny_gate
        import tiny_tokenizer

        yield {"gate": tiny_gate, "tokenizer": tiny_tokenizer}
    for name in ("tiny_gate", "tiny_tokenizer"):
        sys.modules.pop(name)


@pytest.fixture(scope="module")
def gate(data_modules: dict[str, ModuleType]) -> ModuleType:
    """The module that measures a base."""
    return data_modules["gate"]


@pytest.fixture(scope="module")
def base(gate: ModuleType) -> Any:
    """The committed model with its tokenizer."""
    model = AutoModelForCausalLM.from_pretrained(_DATA / "tiny_base", dtype=torch.float32)
    return gate.Base(model.eval(), _TOKENIZER)


@given(st.text())
def test_any_text_survives_the_tokenizer(text: str) -> None:
    if END in text or _TOKENIZER.pad_token in text:
        return
    assert _TOKENIZER.decode(_ids(text)) == text


@pytest.mark.parametrize(
    "text", ["héllo wörld", "先7-5、然后 2。", "🙂 \r\n\t\x00", "<think >", "  a  b  ", "210 007"]
)
def test_unusual_text_survives_the_tokenizer(text: str) -> None:
    assert _TOKENIZER.decode(_ids(text)) == text


@pytest.mark.parametrize("around", ["{}", "+{}", "{}-", "first {}", "<answer>{}</answer>", "\n{}\n", "= {}."])
def test_a_number_is_the_same_single_token_wherever_it_stands(around: str) -> None:
    for number in range(21):
        (token,) = _ids(str(number))
        assert _ids(around.format(number)).count(token) == 1
        before, after = around.split("{}")
        assert _ids(around.format(number)) == [*_ids(before), token, *_ids(after)]


@pytest.mark.parametrize("word", ["first ", "then ", "so ", "先 ", "然后 ", "所以 ", "User: ", "Assistant:"])
def test_words_of_the_format_are_single_tokens(word: str) -> None:
    assert len(_ids(word)) == 1


@pytest.mark.parametrize("tag", ["<think>", "</think>", "<answer>", "</answer>"])
def test_tags_are_single_ordinary_tokens(tag: str) -> None:
    (token,) = _ids(tag)
    assert token not in _TOKENIZER.all_special_ids


@given(st.text())
def test_a_prompt_has_the_same_tokens_alone_and_before_any_completion(completion: str) -> None:
    prompt = chat_text("3+4-5", "")
    assert _ids(prompt + completion) == _ids(prompt) + _ids(completion)


def test_eos_and_pad_are_distinct_special_tokens_and_no_template_is_shipped() -> None:
    assert (_TOKENIZER.eos_token, _TOKENIZER.pad_token) == (END, "<|pad|>")
    assert _TOKENIZER.eos_token_id != _TOKENIZER.pad_token_id
    assert len(_TOKENIZER) == 384
    assert _TOKENIZER.chat_template is None


def test_the_r1_template_renders_what_the_base_was_trained_on() -> None:
    messages = [{"role": "user", "content": "3+4-5"}, {"role": "assistant", "content": "2"}]
    text = _TOKENIZER.apply_chat_template(messages, chat_template=R1_TEMPLATE, tokenize=False)
    prompt = _TOKENIZER.apply_chat_template(
        messages[:1], chat_template=R1_TEMPLATE, tokenize=False, add_generation_prompt=True
    )
    assert text == chat_text("3+4-5", "2") + END + "\n\n"
    assert prompt == chat_text("3+4-5", "")


def test_a_worked_reply_to_six_operands_fits_in_48_tokens() -> None:
    rng = random.Random(0)
    chains = [draw_chain(rng, 5, avoid_held_out=False) for _ in range(200)]
    texts = [reply(chain, Style.CAREFUL, language, rng) + END for chain in chains for language in Language]
    assert {len(_ids(text)) for text in texts} == {43}


def test_the_committed_tokenizer_is_the_one_its_builder_makes(data_modules: dict[str, ModuleType]) -> None:
    built = data_modules["tokenizer"].build_tokenizer(seed=0, max_length=512)
    assert built.get_vocab() == _TOKENIZER.get_vocab()
    assert str(built.backend_tokenizer.pre_tokenizer) == str(_TOKENIZER.backend_tokenizer.pre_tokenizer)


@pytest.mark.parametrize("num_operands", [3, 4, 5])
@pytest.mark.parametrize("language", ["en", "zh"])
def test_the_base_has_the_skill(gate: ModuleType, base: Any, num_operands: int, language: str) -> None:
    problems = generate_problems(num_operands, _COUNT, seed=5, held_out=True)
    assert gate.next_line_accuracy(base, problems, Language(language)) >= 0.98


@pytest.mark.parametrize("num_operands", [3, 4, 5])
def test_the_base_is_right_once_it_starts_to_work(gate: ModuleType, base: Any, num_operands: int) -> None:
    problems = generate_problems(num_operands, _COUNT, seed=5, held_out=True)
    assert gate.accuracy(base, problems, temperature=0.0, prefill="<think>\nfirst ") >= 0.97


def test_the_base_lacks_the_habit(gate: ModuleType, base: Any) -> None:
    problems = generate_problems(4, 4 * _COUNT, seed=5, held_out=True)
    figures = gate.reply_figures(base, problems)
    assert 0.02 <= figures["works_every_step"] <= 0.10
    assert figures["accuracy"] <= 0.10
    assert gate.accuracy(base, problems, temperature=0.0) <= 0.40
