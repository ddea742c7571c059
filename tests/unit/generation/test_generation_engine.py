from collections.abc import Callable
from dataclasses import replace

import pytest
import torch
from tiny_models import FAMILIES, tiny_tokenizer, write_tiny_model
from transformers import GPT2Config, GPT2LMHeadModel

from r1kit.config.model import ModelConfig
from r1kit.config.sampling import EngineConfig, SamplingConfig
from r1kit.core.errors import DataError
from r1kit.core.rollout import Completion, FinishReason
from r1kit.generation import GenerationRequest, build_engine
from r1kit.models.load import load_policy
from r1kit.models.policy import Policy

PROMPTS = [tuple(range(20, 25)), tuple(range(40, 52)), tuple(range(60, 62)), tuple(range(80, 110))]


@pytest.fixture(scope="module")
def policy(tmp_path_factory: pytest.TempPathFactory) -> Policy:
    folder = write_tiny_model(tmp_path_factory.mktemp("engine") / "model", "llama")
    return load_policy(ModelConfig(path=str(folder)), train=False)


def requests(num_samples: int) -> list[GenerationRequest]:
    return [
        GenerationRequest(ids, tuple(range(100 * i, 100 * i + num_samples))) for i, ids in enumerate(PROMPTS)
    ]


Generate = Callable[..., list[tuple[Completion, ...]]]


@pytest.fixture(params=["native", "transformers"])
def generate(request) -> Generate:
    """Draws completions through each engine in turn."""

    def draw(policy: Policy, asked, batch_size: int = 64, on_progress=None, **sampling):
        sampling = SamplingConfig(**({"max_new_tokens": 12} | sampling))
        engine = build_engine(policy, EngineConfig(kind=request.param, batch_size=batch_size))
        return engine.generate(asked, sampling, on_progress)

    return draw


@torch.no_grad()
def naive_greedy(policy: Policy, prompt_ids: tuple[int, ...], num_tokens: int) -> list[int]:
    """One row, the whole sequence through the model again for every token, no cache, no padding."""
    ids = list(prompt_ids)
    for _ in range(num_tokens):
        ids.append(int(policy.model(torch.tensor([ids])).logits[0, -1].argmax()))
        if ids[-1] in policy.eos_token_ids:
            break
    return ids[len(prompt_ids) :]


@pytest.mark.parametrize("family", FAMILIES)
def test_greedy_equals_a_naive_loop_without_cache_for_every_family(family, tmp_path, generate):
    # 40 tokens are more than twice the sliding windows of the tiny models.
    policy = load_policy(ModelConfig(path=str(write_tiny_model(tmp_path / "model", family))), train=False)
    asked = [GenerationRequest(ids, (0,)) for ids in PROMPTS]
    groups = generate(policy, asked, temperature=0.0, max_new_tokens=40)
    for ids, (completion,) in zip(PROMPTS, groups, strict=True):
        assert list(completion.token_ids) == naive_greedy(policy, ids, 40)


def token_ids(groups) -> list[list[tuple[int, ...]]]:
    return [[completion.token_ids for completion in group] for group in groups]


def test_completions_do_not_depend_on_what_runs_beside_them(policy, generate):
    together = token_ids(generate(policy, requests(3)))
    assert [token_ids(generate(policy, [request]))[0] for request in requests(3)] == together
    for batch_size in (1, 2, 5):
        assert token_ids(generate(policy, requests(3), batch_size)) == together
    backwards = token_ids(generate(policy, requests(3)[::-1]))
    assert backwards[::-1] == together


def test_completions_of_one_prompt_differ_by_seed(policy, generate):
    group = generate(policy, requests(4))[0]
    assert len({completion.token_ids for completion in group}) == 4


def test_recorded_logprobs_are_those_of_the_model_under_the_temperature(policy, generate):
    groups = generate(policy, requests(2), temperature=0.7)
    for request, group in zip(requests(2), groups, strict=True):
        for completion in group:
            ids = torch.tensor([[*request.prompt_ids, *completion.token_ids]])
            with torch.no_grad():
                logprobs = torch.log_softmax(policy.model(ids).logits[0, :-1] / 0.7, -1)
            start = len(request.prompt_ids) - 1
            expected = [float(logprobs[start + t, token]) for t, token in enumerate(completion.token_ids)]
            assert completion.logprobs == pytest.approx(expected, abs=1e-4)


def test_a_completion_ends_with_the_eos_token_and_its_text_without_it(policy, generate):
    ends = replace(policy, eos_token_ids=tuple(range(3, 160)))
    group = generate(ends, [GenerationRequest(PROMPTS[0], tuple(range(40)))], max_new_tokens=30)[0]
    for completion in group:
        assert completion.finish_reason is FinishReason.STOP
        assert completion.token_ids[-1] in ends.eos_token_ids
        assert not set(completion.token_ids[:-1]) & set(ends.eos_token_ids)
        assert completion.text == policy.tokenizer.decode(completion.token_ids[:-1])


def test_a_completion_without_eos_is_cut_off_at_the_limit(policy, generate):
    never = replace(policy, eos_token_ids=(10**6,))
    for group in generate(never, requests(2), max_new_tokens=7):
        for completion in group:
            assert (completion.num_tokens, completion.finish_reason) == (7, FinishReason.LENGTH)


def test_a_completion_is_cut_off_where_the_context_ends(policy, generate):
    never = replace(policy, eos_token_ids=(10**6,))
    long, short = tuple(range(3, 253)), tuple(range(3, 8))
    groups = generate(
        never, [GenerationRequest(long, (1,)), GenerationRequest(short, (2,))], max_new_tokens=20
    )
    assert [group[0].num_tokens for group in groups] == [256 - 250, 20]
    assert groups[0][0].finish_reason is FinishReason.LENGTH


def test_a_stop_string_ends_the_completion_and_stays_in_its_text(policy, generate):
    never = replace(policy, eos_token_ids=(10**6,))
    request = GenerationRequest(PROMPTS[0], (7,))
    text = generate(never, [request])[0][0].text
    stop = text[3:5]
    stopped = generate(never, [request], stop=(stop,))[0][0]
    assert stopped.finish_reason is FinishReason.STOP
    assert stop in stopped.text
    assert text.startswith(stopped.text)
    assert len(stopped.text) < len(text)


def test_every_token_and_every_ended_completion_is_reported_once(policy, generate):
    seen: list[tuple[int, int]] = []
    groups = generate(policy, requests(3), 3, lambda n, t: seen.append((n, t)), max_new_tokens=9)
    assert sum(n for n, _ in seen) == 12
    assert sum(t for _, t in seen) == sum(c.num_tokens for group in groups for c in group)


def test_a_prompt_that_fills_the_context_is_refused(policy, generate):
    with pytest.raises(DataError, match="context is 256"):
        generate(policy, [GenerationRequest(tuple(range(3, 259)), (0,))])


def test_an_empty_prompt_is_refused(policy, generate):
    with pytest.raises(DataError, match="no tokens"):
        generate(policy, [GenerationRequest((), (0,))])


def test_rows_that_have_ended_are_not_fed_past_the_context(tmp_path, generate):
    # GPT-2's positions are a table: one past its end is an error, and its rows end at different places.
    folder = tmp_path / "gpt2"
    with torch.random.fork_rng():
        torch.manual_seed(0)
        sizes = {"n_positions": 40, "n_embd": 32, "n_layer": 1, "n_head": 2, "vocab_size": 320}
        GPT2LMHeadModel(GPT2Config(**sizes, bos_token_id=None, eos_token_id=None)).save_pretrained(folder)
    tiny_tokenizer().save_pretrained(folder)
    never = replace(load_policy(ModelConfig(path=str(folder)), train=False), eos_token_ids=(10**6,))
    asked = [
        GenerationRequest(tuple(range(3, 8)), tuple(range(7))),
        GenerationRequest(tuple(range(3, 33)), (9,)),
    ]
    short, (long,) = generate(never, asked, max_new_tokens=30)
    assert [completion.num_tokens for completion in short] == [30] * 7
    assert long.num_tokens == 10
