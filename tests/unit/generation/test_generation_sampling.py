import math

import numpy as np
import pytest
import torch

from r1kit.config.sampling import SamplingConfig
from r1kit.generation.sampling import UniformStreams, draw, sampling_logprobs

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


def test_drawn_frequencies_follow_the_probabilities():
    streams = UniformStreams(range(20_000))
    counts = draw(LOGITS.expand(20_000, -1), streams.draw()).bincount(minlength=4) / 20_000
    # Four standard errors of a share of 0.5 in 20,000 draws are 0.014.
    assert counts.tolist() == pytest.approx([0.5, 0.25, 0.15, 0.1], abs=0.015)


def test_a_stream_depends_on_its_seed_alone():
    together, alone = UniformStreams([1, 2, 3]), UniformStreams([3])
    for step in range(600):
        assert together.draw()[-1] == alone.draw()[0], step
        if step == 300:
            together.keep([2])


def test_streams_of_different_seeds_differ():
    first = UniformStreams([1, 2]).draw()
    assert first[0] != first[1]
