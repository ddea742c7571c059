"""What is known of a reward model beside its weights, written as reward_model.json."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Final, Literal

from r1kit.core.errors import ModelError, first_line
from r1kit.core.jsonl import write_json

REWARD_MODEL_FILE: Final = "reward_model.json"


@dataclass(frozen=True)
class RewardInfo:
    """What a reward model judges, how its scores are normalised, and how good it was on held-out pairs.

    Attributes:
        span: what it was trained on: "summary" (what follows the reasoning) or "completion" (all of it).
        mean: of the scores of the held-out replies, chosen and rejected.
        std: their standard deviation; a normalised score is (score - mean) / std.
        accuracy: share of the held-out pairs whose chosen reply scored higher; ties count a half.
        accuracy_interval: its 95 % interval.
        num_pairs: held-out pairs.
        mean_margin: by how many `std` the chosen reply scored higher, on the mean.
        calibration_error: expected calibration error of sigmoid(chosen - rejected), 0 for a perfect one.
        length_correlation: Pearson's correlation of score and number of tokens; None where it is not defined.
        length_rule_accuracy: accuracy of the rule "the longer reply is better" on the same pairs.
        chosen_quantiles: share to the normalised score that so many chosen replies stay below.
        eos_token_id: the token behind every reply that is scored.
        dtype: what it was trained in.
    """

    span: Literal["summary", "completion"]
    mean: float
    std: float
    accuracy: float
    accuracy_interval: tuple[float, float]
    num_pairs: int
    mean_margin: float
    calibration_error: float
    length_correlation: float | None
    length_rule_accuracy: float
    eos_token_id: int
    dtype: str
    chosen_quantiles: Mapping[str, float] = field(default_factory=dict)

    def normalised(self, score: float) -> float:
        """`score` in standard deviations above the mean of the held-out replies."""
        return (score - self.mean) / self.std

    def write(self, folder: Path) -> None:
        """Write reward_model.json into `folder`."""
        write_json(folder / REWARD_MODEL_FILE, asdict(self))

    @classmethod
    def read(cls, folder: Path) -> RewardInfo:
        """What is written in `folder`.

        Raises:
            ModelError: it is no reward model's folder, or the file is damaged.
        """
        path = folder / REWARD_MODEL_FILE
        if not path.is_file():
            raise ModelError(
                f"{folder}: not a reward model, {REWARD_MODEL_FILE} is missing; name the reward_model folder in the "
                "run of `r1kit reward-model`"
            )
        try:
            fields = json.loads(path.read_text(encoding="utf-8"))
            low, high = fields.pop("accuracy_interval")
            info = cls(**fields, accuracy_interval=(low, high))
        except (ValueError, TypeError, KeyError, AttributeError) as error:
            raise ModelError(
                f"{path} is damaged ({first_line(error)}); copy it again or train again"
            ) from error
        if not info.std > 0 or info.span not in ("summary", "completion"):
            raise ModelError(f"{path} is damaged (std {info.std}, span {info.span!r}); train again")
        return info
