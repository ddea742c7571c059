import math

import numpy as np
import pytest
import torch

from r1kit.config.sampling import SamplingConfig
from r1kit.generation.rows import UniformStream
from r1kit.generation.sampling import draw, sample, sampling_logprobs

PROBABILITIES = torch.tensor([[0.5, 0.25, 0.15, 0.1]])
LOGITS = PROBABILITIES.log()


def probabilities(**settings: float) -> list[float]:
    return sampling_logprobs(LOGITS, SamplingConfig(**settings)).exp()[0].tolist()


def test_plain_sampling_keeps_the_distribution():
    assert probabilities() == pytest.approx([0.5, 0.25, 0.15, 0.1])


def test_temperature_two_takes_square_roots():
    roots = [math.sqrt(p) for p in (0.5, 0.25, 0.15, 0.1)]
    assert probabilities(temperature=2.0) == pytest.approx([root / sum(roots) for root in roots])


def test_greedy_puts_everything_on_the_most_likely_token():
    assert probabilities(temperature=0.0) == [1.0, 0.0, 0.0, 0.0]


def test_top_k_keeps_the_k_most_likely():
    assert probabilities(top_k=2) == pytest.approx([2 / 3, 1 / 3, 0, 0])


def test_top_p_keeps_the_smallest_set_that_reaches_it():
    assert probabilities(top_p=0.7) == pytest.approx([2 / 3, 1 / 3, 0, 0])
    assert probabilities(top_p=0.76) == pytest.approx([0.5 / 0.9, 0.25 / 0.9, 0.15 / 0.9, 0])


def test_top_p_keeps_at_least_one_token():
    assert probabilities(top_p=0.01) == [1.0, 0.0, 0.0, 0.0]


def test_min_p_is_relative_to_the_most_likely():
    assert probabilities(min_p=0.4) == pytest.approx([2 / 3, 1 / 3, 0, 0])


def test_filters_apply_one_after_the_other():
    # After top-k 3 the first two hold 0.75 / 0.9 = 0.83 of what is left, which reaches 0.8.
    assert probabilities(top_k=3, top_p=0.8) == pytest.approx([2 / 3, 1 / 3, 0, 0])


def test_draw_inverts_the_distribution_function():
    uniforms = torch.tensor([0.0, 0.49, 0.51, 0.74, 0.76, 0.95])
    assert draw(LOGITS.expand(6, -1), uniforms).tolist() == [0, 0, 1, 1, 2, 3]


def test_tokens_of_probability_zero_are_never_drawn():
    logprobs = torch.tensor([[0.0, 0.5, 0.0, 0.5, 0.0]]).log()
    uniforms = torch.tensor(np.linspace(0, 1 - 2**-24, 1001), dtype=torch.float32)
    drawn = draw(logprobs.expand(1001, -1), uniforms)
    assert set(drawn.tolist()) == {1, 3}


def uniforms_of(seeds, n: int = 0) -> torch.Tensor:
    return torch.tensor([UniformStream(seed).at(n) for seed in seeds])


@pytest.mark.parametrize("vocabulary", [7, 256, 700])
@pytest.mark.parametrize("settings", [{}, {"temperature": 0.7}, {"top_p": 0.9}, {"top_k": 5}, {"min_p": 0.2}])
def test_drawn_frequencies_pass_a_chi_square_test(vocabulary, settings):
    generator = torch.Generator().manual_seed(vocabulary)
    logits = 2 * torch.randn(1, vocabulary, generator=generator)
    sampling = SamplingConfig(**settings)
    probability = sampling_logprobs(logits, sampling)[0].double().exp()
    num_draws = 10_000
    uniforms = torch.rand(num_draws, generator=generator)
    tokens, logprobs = sample(logits.expand(num_draws, -1), sampling, uniforms)
    torch.testing.assert_close(logprobs, probability.log()[tokens].float(), atol=1e-5, rtol=0)
    # Rare tokens are one class, so that every class is expected some twenty times.
    rare = probability * num_draws < 20
    counts = tokens.bincount(minlength=vocabulary).double()
    observed = torch.cat([counts[~rare], counts[rare].sum()[None]])
    expected = torch.cat([probability[~rare], probability[rare].sum()[None]]) * num_draws
    used = expected > 0
    assert observed[~used].sum() == 0
    statistic = ((observed - expected).square() / expected)[used].sum().item()
    freedom = int(used.sum()) - 1
    # The chi-square distribution's mean is its degrees of freedom, its variance twice that.
    assert statistic < freedom + 4 * math.sqrt(2 * freedom) + 4


@pytest.mark.parametrize("vocabulary", [256, 257, 1000])
def test_blocks_give_the_token_of_one_running_sum(vocabulary):
    logits = torch.randn(500, vocabulary, generator=torch.Generator().manual_seed(1))
    uniforms = torch.rand(500, generator=torch.Generator().manual_seed(2))
    cumulative = logits.double().softmax(-1).cumsum(-1)
    wanted = torch.searchsorted(cumulative, uniforms.double()[:, None], right=True).squeeze(-1)
    assert torch.equal(sample(logits, SamplingConfig(), uniforms)[0], wanted)


def test_a_nucleus_larger_than_the_likely_tokens_is_still_exact():
    logits = torch.zeros(1, 4000)
    logits[0, 7] = 1.0
    kept = sampling_logprobs(logits, SamplingConfig(top_p=0.9)).isfinite().sum().item()
    # Token 7 holds e / (3999 + e), the others 1 / (3999 + e) each.
    assert kept == 1 + math.ceil((0.9 * (3999 + math.e) - math.e) / 1)


def test_a_stream_depends_on_its_seed_alone_and_differs_between_seeds():
    stream, again = UniformStream(3), UniformStream(3)
    numbers = [stream.at(n) for n in range(600)]
    assert [again.at(n) for n in (0, 0, 255, 256, 599)] == [numbers[n] for n in (0, 0, 255, 256, 599)]
    assert len(set(numbers)) > 590
    assert uniforms_of([1])[0] != uniforms_of([2])[0]
    with pytest.raises(ValueError, match="long ago"):
        again.at(0)
