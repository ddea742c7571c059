"""Groups from a real engine: seeds belong to problems, and prompts that open <think> leave whole texts."""

from __future__ import annotations

from pathlib import Path

import pytest
from tiny_models import write_tiny_model

from r1kit.config.data import ProblemData
from r1kit.config.model import ModelConfig
from r1kit.config.sampling import EngineConfig, SamplingConfig
from r1kit.core.problem import Problem
from r1kit.core.rollout import Completion, Group, Score
from r1kit.core.seeds import derive_seed
from r1kit.generation import GenerationRequest, build_engine
from r1kit.models.load import load_policy
from r1kit.models.policy import Policy
from r1kit.rollout.collect import Scoring, collect_groups
from r1kit.rollout.progress import shown_on
from r1kit.rollout.prompts import PromptedProblem, render_problems

PROBLEMS = [Problem(name, text, ("7",)) for name, text in [("a", "3+4"), ("b", "9-2"), ("c", "1+2+4")]]
SAMPLING = SamplingConfig(max_new_tokens=6)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_tiny_model(tmp_path_factory.mktemp("collect") / "model")


@pytest.fixture(scope="module")
def policy(folder: Path) -> Policy:
    return load_policy(ModelConfig(path=str(folder)), train=False)


def count_characters(problem: Problem, completion: Completion) -> Score:
    return Score(float(len(completion.text)), {"of": float(len(problem.id))})


def collect(policy: Policy, problems: list[Problem], seed: int = 5, group_size: int = 3) -> list[Group]:
    prompted, _ = render_problems(policy, problems, ProblemData(path="x"))
    return collect_groups(
        build_engine(policy, EngineConfig()),
        prompted,
        group_size=group_size,
        sampling=SAMPLING,
        scoring=Scoring(count_characters),
        seed=seed,
    )


def tokens(group: Group) -> list[tuple[int, ...]]:
    return [rollout.completion.token_ids for rollout in group.rollouts]


def test_a_group_a_problem_in_order_each_completion_with_its_score(policy):
    groups = collect(policy, PROBLEMS)
    assert [group.problem.id for group in groups] == ["a", "b", "c"]
    assert [len(group.rollouts) for group in groups] == [3, 3, 3]
    for group in groups:
        assert group.prompt == f"User: {group.problem.problem}\n\nAssistant:\n"
        assert policy.tokenizer.decode(group.prompt_ids) == group.prompt
        for rollout in group.rollouts:
            assert rollout.score == count_characters(group.problem, rollout.completion)


def test_the_seeds_are_of_the_problem_and_the_place_in_the_group(policy):
    [group] = collect(policy, PROBLEMS[:1], seed=5)
    request = GenerationRequest(group.prompt_ids, tuple(derive_seed(5, "a", index) for index in range(3)))
    [expected] = build_engine(policy, EngineConfig()).generate([request], SAMPLING)
    assert [r.completion for r in group.rollouts] == list(expected)


def test_a_group_does_not_depend_on_the_problems_beside_it(policy):
    together = {group.problem.id: tokens(group) for group in collect(policy, PROBLEMS)}
    backwards = {group.problem.id: tokens(group) for group in collect(policy, PROBLEMS[::-1])}
    assert together == backwards
    for problem in PROBLEMS:
        assert tokens(collect(policy, [problem])[0]) == together[problem.id]


def test_a_smaller_group_is_the_beginning_of_a_larger_one(policy):
    assert tokens(collect(policy, PROBLEMS, group_size=2)[1]) == tokens(collect(policy, PROBLEMS)[1])[:2]


def test_the_seed_and_the_problems_id_change_the_group(policy):
    [group] = collect(policy, PROBLEMS[:1])
    renamed = Problem("z", PROBLEMS[0].problem, PROBLEMS[0].answers)
    assert tokens(collect(policy, PROBLEMS[:1], seed=6)[0]) != tokens(group)
    assert tokens(collect(policy, [renamed])[0]) != tokens(group)


def test_a_tag_that_the_template_opened_stands_in_the_text_again(folder, tmp_path):
    template = tmp_path / "open.jinja"
    turns = "{% for message in messages %}{{ message['content'] + '\\n' }}{% endfor %}"
    template.write_text(
        turns + "{% if add_generation_prompt %}{{ '<think>\\n' }}{% endif %}", encoding="utf-8"
    )
    policy = load_policy(ModelConfig(path=str(folder), chat_template=str(template)), train=False)
    prompted, _ = render_problems(policy, PROBLEMS[:1], ProblemData(path="x"))
    assert prompted[0].prompt.rstrip().endswith("<think>")
    [group] = collect(policy, PROBLEMS[:1])
    for rollout in group.rollouts:
        written = policy.tokenizer.decode(rollout.completion.token_ids, skip_special_tokens=True)
        assert rollout.completion.text == "<think>\n" + written
        assert rollout.score.reward == len("<think>\n" + written)
        assert rollout.completion.num_tokens == len(rollout.completion.logprobs)


def test_a_tag_inside_the_question_is_none_of_the_templates(policy):
    problem = Problem("t", "what does <think> mean", ("7",))
    [group] = collect(policy, [problem])
    assert not any(r.completion.text.startswith("<think>") for r in group.rollouts)


def test_a_prompted_problem_is_what_the_chat_template_says(policy):
    data = ProblemData(path="x", prompt="boxed", system_prompt="Be brief.")
    [prompted], num_long = render_problems(policy, PROBLEMS[:1], data)
    assert isinstance(prompted, PromptedProblem)
    assert prompted.prompt.startswith("Be brief.\n\nUser: 3+4\n\n")
    assert prompted.prompt.endswith("\\boxed{}.\n\nAssistant:\n")
    assert tuple(policy.tokenizer(prompted.prompt, add_special_tokens=False).input_ids) == prompted.prompt_ids
    assert num_long == 0


def test_groups_are_handed_on_in_order_as_soon_as_they_are_whole(policy):
    prompted, _ = render_problems(policy, PROBLEMS, ProblemData(path="x"))
    handed: list[Group] = []
    seen: list[tuple[int, int]] = []
    groups = collect_groups(
        build_engine(policy, EngineConfig(batch_size=1)),
        prompted,
        group_size=2,
        sampling=SAMPLING,
        scoring=Scoring(count_characters),
        seed=5,
        on_progress=lambda ended, tokens: seen.append((len(handed), ended)),
        on_group=handed.append,
    )
    assert groups == handed
    assert [group.problem.id for group in groups] == ["a", "b", "c"]
    # One row at a time: the first group is there before the third row has a token.
    assert [num_handed for num_handed, ended in seen if ended] == [0, 0, 1, 1, 2, 2]


def test_progress_moves_by_completions_and_shows_tokens_a_second():
    moves = []

    class Recorder:
        def advance(self, n: int = 1, /, **shown: float | str) -> None:
            moves.append((n, shown))

    times = iter([10.0, 12.0, 14.0])
    show = shown_on(Recorder(), clock=lambda: next(times))
    show(0, 30)
    show(2, 10)
    assert moves == [(0, {"tokens/s": 15.0}), (2, {"tokens/s": 10.0})]
