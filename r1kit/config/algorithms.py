"""The variants of GRPO: the values that each gives to the fields of `algorithm`. A value that is written wins."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final, Literal

AlgorithmName = Literal["grpo", "dr_grpo", "dapo", "gspo", "cispo", "rloo"]

PRESETS: Final[Mapping[str, Mapping[str, Any]]] = {
    # The article's: every field as its own default has it. Empty, so that naming another variant beside a
    # section that was made without a name takes nothing over from this one.
    "grpo": {},
    # Liu et al. 2025: neither the deviation nor the length of a completion weighs in.
    "dr_grpo": {"advantage_scale": "none", "aggregation": "constant_length", "beta": 0.0},
    # Yu et al. 2025: token mean (eq. 8), clip-higher, dynamic sampling, overlong filtering.
    "dapo": {
        "aggregation": "token_mean",
        "clip_eps_high": 0.28,
        "beta": 0.0,
        "resample_groups": True,
        "mask_truncated": True,
    },
    # Zheng et al. 2025, eq. 5 and 7, with the bounds of their section 5.1.
    "gspo": {"ratio": "sequence", "clip_eps_low": 3e-4, "clip_eps_high": 4e-4, "beta": 0.0},
    # MiniMax-M1, 2025, eq. 4 and 5. There is no lower bound; the upper one is not given there, 5 is ours.
    "cispo": {
        "surrogate": "cispo",
        "aggregation": "token_mean",
        "clip_eps_low": 1.0,
        "clip_eps_high": 4.0,
        "beta": 0.0,
    },
    # Ahmadian et al. 2024: a completion is one action, and the KL is part of its reward.
    "rloo": {
        "baseline": "leave_one_out",
        "advantage_scale": "none",
        "surrogate": "unclipped",
        "aggregation": "sequence_sum",
        "kl_in": "reward",
        "kl_estimator": "k1",
    },
}
"""Variant -> field of `algorithm` -> value."""

PRESET_REWARDS: Final[Mapping[str, tuple[str, ...]]] = {"dapo": ("math", "format=0.2", "length")}
"""Variant -> rewards, where it has one of its own: DAPO's soft overlong punishment (eq. 13)."""


def with_preset(values: Any) -> Any:
    """The values of an `algorithm` section, filled up with those of the variant they name.

    What is no section, or names no known variant, stays as it is, for validation to report.
    """
    if not isinstance(values, Mapping):
        return values
    return {**PRESETS.get(str(values.get("name", "grpo")), {}), **values}


def with_preset_rewards(values: Any) -> Any:
    """The values of a GRPO configuration, with the rewards of the variant they name where they give none."""
    if not isinstance(values, Mapping) or "rewards" in values:
        return values
    algorithm = values.get("algorithm")
    name = algorithm.get("name") if isinstance(algorithm, Mapping) else getattr(algorithm, "name", None)
    rewards = PRESET_REWARDS.get(str(name))
    return values if rewards is None else {**values, "rewards": rewards}
