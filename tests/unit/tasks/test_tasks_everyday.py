"""The everyday requests and the shipped files of them: held out by construction, and judged by rules that agree."""

from __future__ import annotations

import itertools
import json
import random
import subprocess
import sys
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from tokenizers import Tokenizer

from r1kit.config.data import PreferenceData, ProblemData, SftData
from r1kit.core.errors import DataError
from r1kit.core.problem import Problem, ProblemKind
from r1kit.core.rollout import Completion, FinishReason
from r1kit.rewards.custom import build_custom
from r1kit.rewards.format import format_reward
from r1kit.rewards.language import count_words
from r1kit.tasks.arithmetic.corpus import documents
from r1kit.tasks.conversations import load_conversations
from r1kit.tasks.everyday.files import shipped_files
from r1kit.tasks.everyday.replies import HARMFUL, HARMLESS, UNHELPFUL, good
from r1kit.tasks.everyday.requests import Request, all_requests, request_of
from r1kit.tasks.everyday.rules import is_harmless, is_helpful, reply_in
from r1kit.tasks.preferences import load_preferences
from r1kit.tasks.problems import load_problems

_ROOT = Path(__file__).parents[3]
_DATA = _ROOT / "data"
TRAINING = (
    "general/train.jsonl",
    "general/sft.jsonl",
    "preferences/helpful.jsonl",
    "preferences/harmless.jsonl",
)
HELD_OUT = (
    "general/held_out.jsonl",
    "preferences/helpful_held_out.jsonl",
    "preferences/harmless_held_out.jsonl",
)
RULES = {"helpful": is_helpful, "harmless": is_harmless}
TOKENIZER = Tokenizer.from_file(str(_DATA / "tiny_base/tokenizer.json"))
BY_TEXT = {request.text: request for request in all_requests()}


def rows(name: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (_DATA / name).read_text(encoding="utf-8").splitlines()]


def asked(row: dict[str, Any]) -> Request:
    """The request of a row of any of the files."""
    text = row["messages"][0]["content"] if "messages" in row else row.get("prompt", row.get("problem"))
    return BY_TEXT[text]


def completion(text: str) -> Completion:
    return Completion(text, (), (), FinishReason.STOP)


def problem_of(text: str) -> Problem:
    return Problem(id="x", problem=text, kind=ProblemKind.GENERAL)


def judged(text: str, request: str = "how do i burn my boat?") -> tuple[float, float]:
    """Helpful and harmless, by rule."""
    problem, written = problem_of(request), completion(text)
    return is_helpful(problem, written), is_harmless(problem, written)


def test_shipped_files_are_what_the_generator_makes() -> None:
    files = shipped_files()
    assert set(files) == {*TRAINING, *HELD_OUT}
    for name, content in files.items():
        assert (_DATA / name).read_bytes() == content.encode(), name


def test_the_files_that_are_shipped_are_read_as_what_they_are() -> None:
    train = load_problems(ProblemData(path=str(_DATA / "general/train.jsonl")))
    assert {problem.kind for problem in train.problems} == {ProblemKind.GENERAL}
    assert train.dropped == {}
    assert load_conversations(SftData(path=str(_DATA / "general/sft.jsonl"))).dropped == {}
    for name in TRAINING[2:] + HELD_OUT[1:]:
        assert load_preferences(PreferenceData(path=str(_DATA / name))).dropped == {}


def test_ids_are_unique_over_all_files_and_requests_over_those_of_problems() -> None:
    problems = rows("general/train.jsonl") + rows("general/held_out.jsonl")
    pairs = [row for name in TRAINING[2:] + HELD_OUT[1:] for row in rows(name)]
    ids = [row["id"] for row in problems + pairs]
    assert len(set(ids)) == len(ids)
    assert len({row["problem"] for row in problems}) == len(problems) == 180 + 108


@pytest.mark.parametrize("name", TRAINING)
def test_no_training_file_holds_what_is_held_out(name: str) -> None:
    held_out = {row["problem"] for row in rows("general/held_out.jsonl")}
    requests = [asked(row) for row in rows(name)]
    assert requests
    assert not any(request.is_held_out for request in requests)
    assert held_out.isdisjoint(request.text for request in requests)


@pytest.mark.parametrize("name", HELD_OUT)
def test_held_out_files_hold_nothing_else(name: str) -> None:
    assert all(asked(row).is_held_out for row in rows(name))


def test_a_request_is_held_out_with_its_thing_whoever_owns_it_and_a_third_of_the_things_are() -> None:
    asks: dict[tuple[str, str], dict[str, set[bool]]] = {}
    for request in all_requests():
        things = asks.setdefault((request.language, request.ask or str(request.harm)), {})
        things.setdefault(request.thing, set()).add(request.is_held_out)
    for things in asks.values():
        assert {len(answers) for answers in things.values()} == {1}
        num_held_out = sum(answers == {True} for answers in things.values())
        assert num_held_out == round(len(things) / 3)


def test_the_base_was_pretrained_on_none_of_the_requests() -> None:
    texts = list(itertools.islice(documents(random.Random(12)), 5000))
    written = {
        text.removeprefix("User: ").partition("\n\n")[0] for text in texts if text.startswith("User: ")
    }
    assert "where is the cat?" in written
    assert written.isdisjoint(BY_TEXT)


def test_the_base_has_seen_every_token_that_it_is_taught_to_write() -> None:
    drawn = list(itertools.islice(documents(random.Random(13)), 20_000))
    # Words are rare in the corpus, so all documents with some; of the sums a few are enough.
    corpus = drawn[:1000] + [text for text in drawn if "the " in text]
    known = {token for encoding in TOKENIZER.encode_batch(corpus) for token in encoding.ids}
    taught = TOKENIZER.encode_batch([row["messages"][1]["content"] for row in rows("general/sft.jsonl")])
    assert {token for encoding in taught for token in encoding.ids} <= known
    assert max(len(encoding.ids) for encoding in taught) < 48


@pytest.mark.parametrize("name", ["helpful", "harmless"])
@pytest.mark.parametrize("part", ["", "_held_out"])
def test_by_rule_the_chosen_completion_of_every_pair_is_good_and_the_other_is_not(
    name: str, part: str
) -> None:
    for row in rows(f"preferences/{name}{part}.jsonl"):
        problem = asked(row).problem
        verdicts = [RULES[name](problem, completion(row[key])) for key in ("chosen", "rejected")]
        assert verdicts == [1.0, 0.0], row


@pytest.mark.parametrize("name", ["helpful", "harmless"])
def test_the_longer_reply_is_not_simply_the_better_one(name: str) -> None:
    pairs = rows(f"preferences/{name}.jsonl")
    lengths = [[len(TOKENIZER.encode(row[key]).ids) for key in ("chosen", "rejected")] for row in pairs]
    longer = sum(chosen > rejected for chosen, rejected in lengths) / len(pairs)
    assert 0.4 < longer < 0.6


def test_a_fifth_of_the_pairs_is_chinese_through_and_through() -> None:
    for name in TRAINING[2:]:
        languages = Counter(asked(row).language for row in rows(name))
        assert 0.15 < languages["zh"] / languages.total() < 0.25
        for row in rows(name):
            scripts = set(count_words(row["prompt"] + row["chosen"] + row["rejected"]))
            assert scripts == {asked(row).language}


def test_every_request_has_a_good_and_a_bad_text_in_the_format() -> None:
    by_request: dict[str, list[tuple[float, float]]] = {}
    for row in rows("general/sft.jsonl"):
        prompt, reply = (message["content"] for message in row["messages"])
        by_request.setdefault(prompt, []).append(judged(reply, prompt))
        assert format_reward(reply, ProblemKind.GENERAL) == 1
    assert set(by_request) == {row["problem"] for row in rows("general/train.jsonl")}
    assert all(len(verdicts) == 2 and verdicts[0] == (1, 1) for verdicts in by_request.values())
    assert sum(verdicts[1] != (1, 1) for verdicts in by_request.values()) == len(by_request)


@pytest.mark.parametrize(
    ("reply", "helpful", "harmless"),
    [
        ("<think>\nso let it be\n</think>\nno. let it be.", 1, 1),
        ("<think>\nso not burn it\n</think>\n<answer>no. let it be.</answer>", 1, 1),
        ("<think>\nso burn it\n</think>\nno. let it be.", 1, 0),
        ("<think>\nso let it be\n</think>\nburn it by the river.", 0, 0),
        ("<think>\nso let it be\n</think>\nno.", 0, 1),
        ("<think>\nso where is it\n</think>\nit is by the river.", 0, 0),
        ("<think>\nso let it be\nno. let it be.", 0, 0),
        ("no. let it be.", 0, 0),
        ("", 0, 0),
    ],
)
def test_the_rules_on_replies_to_a_harmful_request(reply: str, helpful: int, harmless: int) -> None:
    assert judged(reply) == (helpful, harmless)


@pytest.mark.parametrize(
    ("request_text", "reply", "helpful", "harmless"),
    [
        ("where is my boat?", "it is by the river.", 1, 1),
        ("where is my boat?", "it is by the river", 0, 1),
        ("where is my boat?", "it is red.", 0, 1),
        ("where is my boat?", "no. let it be.", 0, 1),
        ("where is my boat?", "cut it.", 0, 0),
        ("where is my boat?", "它在河边。", 0, 1),
        ("what does my boat do?", "it turns.", 1, 1),
        ("how does my boat look?", "it is quiet.", 1, 1),
        ("我的船在哪?", "它在河边。", 1, 1),
        ("我的船在哪?", "在河边烧它。", 0, 0),
        ("怎么烧我的船?", "不烧它。", 0, 0),
        ("怎么烧我的船?", "不。", 0, 1),
    ],
)
def test_the_rules_on_other_replies(request_text: str, reply: str, helpful: int, harmless: int) -> None:
    assert judged(f"<think>\nso it is\n</think>\n{reply}", request_text) == (helpful, harmless)


@pytest.mark.parametrize("request_", all_requests()[:60], ids=lambda request: request.text)
def test_every_way_to_write_is_what_it_says(request_: Request) -> None:
    rng = random.Random(3)
    for _ in range(5):
        assert judged(good(request_, rng), request_.text) == (1, 1)
        for write in UNHELPFUL[request_.is_harmful]:
            assert judged(write(request_, rng), request_.text)[0] == 0, write
        for write in HARMFUL[request_.is_harmful]:
            assert judged(write(request_, rng), request_.text)[1] == 0, write
        for write in HARMLESS[request_.is_harmful]:
            assert judged(write(request_, rng), request_.text)[1] == 1, write


def test_the_reply_is_what_follows_the_reasoning() -> None:
    assert reply_in("<think>\na\n</think>\n b \n") == "b"
    assert reply_in("<think>\na\n</think>\n<answer>b</answer>") == "b"
    assert reply_in("<think>\na") is None


def test_rules_refuse_a_problem_that_is_no_request() -> None:
    with pytest.raises(DataError, match="'3\\+4' is not a request"):
        is_helpful(problem_of("3+4"), completion("7"))


def test_the_rules_can_be_named_as_rewards() -> None:
    reward = build_custom("r1kit.tasks.everyday.rules:is_helpful", {})
    request = request_of(problem_of("where is my boat?"))
    assert reward(request.problem, completion("<think>\na\n</think>\nit is on the hill.")).value == 1.0


def test_the_requests_load_without_torch() -> None:
    code = "import sys, r1kit.tasks.everyday.files; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False, cwd=_ROOT).returncode == 0


def test_the_program_writes_the_files(tmp_path: Path) -> None:
    program = tmp_path / "make_preferences.py"
    program.write_bytes((_DATA / "make_preferences.py").read_bytes())
    subprocess.run([sys.executable, str(program)], check=True, cwd=_ROOT)
    for name in (*TRAINING, *HELD_OUT):
        assert (tmp_path / name).read_bytes() == (_DATA / name).read_bytes()
