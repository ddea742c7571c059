"""What every generation engine does."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

from r1kit.config.sampling import SamplingConfig
from r1kit.core.rollout import Completion

OnProgress = Callable[[int, int], None]
"""Called from time to time, with how many completions have ended since and how many tokens were drawn."""

OnGroup = Callable[[int, tuple[Completion, ...]], None]
"""Called once a request when its last completion has ended, with the request's number and its completions."""


@dataclass(frozen=True, slots=True)
class GenerationRequest:
    """One prompt and the seeds of its completions: one completion a seed.

    A completion depends on the policy, the prompt, the sampling configuration and its own seed; which other
    requests run beside it, and in which order, changes it only through floating-point rounding.
    """

    prompt_ids: tuple[int, ...]
    seeds: tuple[int, ...]


class Engine(Protocol):
    """Draws completions from a policy."""

    def generate(
        self,
        requests: Sequence[GenerationRequest],
        sampling: SamplingConfig,
        on_progress: OnProgress | None = None,
        on_group: OnGroup | None = None,
    ) -> list[tuple[Completion, ...]]:
        """The completions of each request, in the order of the requests and of their seeds.

        `on_group` gets them as soon as they are whole, in whatever order that is. A completion that reaches `max_new_tokens` or fills the model's context ends with reason LENGTH.

        Raises:
            DataError: a prompt is empty, or leaves no room in the model's context.
        """
        ...
