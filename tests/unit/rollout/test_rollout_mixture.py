"""Several sources of problems in one run."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from tiny_models import write_tiny_model

from r1kit.config.data import ProblemData
from r1kit.config.model import ModelConfig
from r1kit.config.sampling import EngineConfig, SamplingConfig
from r1kit.core.errors import DataError
from r1kit.core.problem import Message, ProblemKind
from r1kit.generation import build_engine
from r1kit.models.load import load_policy
from r1kit.models.policy import Policy
from r1kit.rewards.compose import judge
from r1kit.rollout.collect import Scoring, collect_groups
from r1kit.rollout.setup import load_mixture, load_usable_problems

UNUSABLE = "5/0"


@pytest.fixture(scope="module")
def policy(tmp_path_factory: pytest.TempPathFactory) -> Policy:
    folder = write_tiny_model(tmp_path_factory.mktemp("mixture") / "model")
    return load_policy(ModelConfig(path=str(folder)), train=False)


def write(tmp_path: Path, name: str, *rows: dict, **fields) -> ProblemData:
    path = tmp_path / name
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return ProblemData(path=str(path), **fields)


@pytest.fixture
def sources(tmp_path: Path) -> tuple[ProblemData, ProblemData]:
    """Math, one of whose three golds cannot be used, and general problems with a prompt of their own."""
    sums = [
        {"problem": "3+4", "answer": "7"},
        {"problem": "?", "answer": UNUSABLE},
        {"problem": "1+1", "answer": 2},
    ]
    math = write(tmp_path, "math.jsonl", *sums)
    poems = [{"problem": "a poem", "id": "poem"}, {"problem": "a very long poem " * 3, "id": "long"}]
    prompt = {"prompt": "Write {problem}!", "system_prompt": "Be kind."}
    general = write(tmp_path, "general.jsonl", *poems, kind="general", **prompt, max_prompt_tokens=60)
    return math, general


def test_the_problems_of_all_sources_follow_one_another_with_their_kinds(sources) -> None:
    mixture = load_mixture(sources)
    assert [problem.id for problem in mixture.problems] == ["math/1", "math/3", "poem", "long"]
    assert mixture.kinds == (ProblemKind.MATH, ProblemKind.GENERAL)
    assert load_mixture(sources[1:]).kinds == (ProblemKind.GENERAL,)


def test_each_problem_is_asked_as_its_own_source_says_and_carries_its_messages(sources, policy) -> None:
    said: list[str] = []
    prompted = load_mixture(sources).render(policy, 8, said.append)
    assert [p.prompt for p in prompted] == [
        "User: 3+4\n\nAssistant:\n",
        "User: 1+1\n\nAssistant:\n",
        "Be kind.\n\nUser: Write a poem!\n\nAssistant:\n",
    ]
    assert prompted[0].messages == (Message("user", "3+4"),)
    assert prompted[2].messages == (Message("system", "Be kind."), Message("user", "Write a poem!"))
    assert said == [f"{sources[1].path}: 1 problems; left out 1: prompt longer than 60 tokens"]
    groups = collect_groups(
        build_engine(policy, EngineConfig()),
        prompted,
        group_size=2,
        sampling=SamplingConfig(max_new_tokens=3),
        scoring=Scoring(judge),
        seed=1,
    )
    assert [group.messages for group in groups] == [p.messages for p in prompted]


def test_what_was_left_out_is_said_source_by_source(sources) -> None:
    said: list[str] = []
    mixture = load_mixture(sources)
    mixture.announce(said.append)
    [(reason, count)] = load_usable_problems(sources[0]).dropped.items()
    assert said == [
        f"{sources[0].path}: 2 problems; left out 1: {reason} (math/2)",
        f"{sources[1].path}: 2 problems",
    ]
    assert mixture.dropped == {f"{sources[0].path}: {reason}": count}
    assert mixture.reasons() == {f"{sources[0].path}: {reason} (math/2)": 1}


def test_one_source_is_as_it_would_be_alone(sources, policy) -> None:
    alone, mixture = load_usable_problems(sources[0]), load_mixture(sources[:1])
    assert mixture.problems == alone.problems
    assert (mixture.dropped, mixture.reasons()) == (alone.dropped, alone.reasons())
    said: tuple[list[str], list[str]] = ([], [])
    assert mixture.render(policy, 8, said[0].append) == alone.render(policy, 8, said[1].append)
    mixture.announce(said[0].append)
    alone.announce(said[1].append)
    assert said[0] == said[1]


def test_a_problem_id_in_two_sources_is_an_error_that_names_both(tmp_path) -> None:
    first = write(tmp_path, "a.jsonl", {"id": "x", "problem": "3+4", "answer": "7"})
    second = write(tmp_path, "b.jsonl", {"id": "x", "problem": "1+1", "answer": "2"})
    with pytest.raises(
        DataError,
        match=r'a\.jsonl and .*b\.jsonl both have a problem with id "x"; ids must be unique over all',
    ):
        load_mixture((first, second))


def test_files_of_the_same_name_whose_rows_have_no_ids_are_told_apart_by_their_places(tmp_path) -> None:
    (tmp_path / "one").mkdir()
    (tmp_path / "two").mkdir()
    first = write(tmp_path / "one", "train.jsonl", {"problem": "3+4", "answer": "7"})
    second = write(tmp_path / "two", "train.jsonl", {"problem": "1+1", "answer": "2"})
    with pytest.raises(DataError, match=r'one/train\.jsonl and .*two/train\.jsonl both have .* "train/1"'):
        load_mixture((first, second))


def test_a_source_that_is_named_twice_is_an_error(sources) -> None:
    with pytest.raises(DataError, match=r'math\.jsonl is named twice as a source .* "math/1"'):
        load_mixture((sources[0], sources[0]))


def test_a_source_without_a_usable_problem_is_named(tmp_path, sources) -> None:
    bad = write(tmp_path, "bad.jsonl", {"problem": "a", "answer": UNUSABLE})
    with pytest.raises(DataError, match=r"bad\.jsonl: no problem can be used"):
        load_mixture((*sources, bad))
