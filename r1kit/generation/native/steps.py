"""One round of decoding: a token a row through the model and its head.

Plainly, with tensors of just the size that is needed; or, on a GPU, recorded once for a few sizes and replayed,
since a small batch leaves a GPU waiting for the next kernel to be started.

Legend: S rows, P prompts, G the most rows of a prompt, C tokens of a completion that are read, V vocabulary.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final, Protocol

import torch
from torch import Tensor

from r1kit.generation.native.layouts import DecodeLayout, Members
from r1kit.generation.native.memory import KvStore
from r1kit.models.layouts import forward_with_layout, without_wrapper
from r1kit.models.logprobs import head_logits
from r1kit.models.policy import Policy

_WARM_UPS: Final = 2


@dataclass(frozen=True, slots=True)
class Round:
    """What a round needs to know: of each row its newest token, its tokens before that, and its prompt's slot.

    `prompt_lengths` holds the tokens of each prompt in memory.
    """

    newest: Sequence[int]
    places: Sequence[int]
    prompt_of: Sequence[int]
    prompt_lengths: Sequence[int]


class Stepper(Protocol):
    """Runs rounds over the two stores it was made for."""

    def logits(self, round_: Round) -> Tensor:
        """Logits [S, V], float32, of each row's next token."""
        ...


class PlainSteps:
    """Every round as it comes."""

    def __init__(self, policy: Policy, prompts: KvStore, completions: KvStore) -> None:
        self._policy, self._prompts, self._completions = policy, prompts, completions
        self._members: tuple[Sequence[int], Sequence[int], Members] | None = None

    def logits(self, round_: Round) -> Tensor:
        """See `Stepper.logits`."""
        device = self._policy.device
        places = torch.tensor(round_.places, device=device)
        layout = DecodeLayout(
            self._members_of(round_), self._prompts, self._completions, places, max(round_.places) + 1
        )
        return _step(self._policy, torch.tensor(round_.newest, device=device), layout)

    def _members_of(self, round_: Round) -> Members:
        """The rows of each prompt; made anew only when rows or prompts have come or gone."""
        if self._members is None or self._members[:2] != (round_.prompt_of, round_.prompt_lengths):
            members = Members.of(round_.prompt_of, round_.prompt_lengths, self._policy.device)
            self._members = (round_.prompt_of, round_.prompt_lengths, members)
        return self._members[2]


Recorder = Callable[[Callable[[], Tensor]], Callable[[], Tensor]]
"""From work on tensors that stay where they are to a replay of it, which returns the same tensor each time."""


class RecordedSteps:
    """Rounds of a few sizes, each recorded once: rows, and tokens that are read of them, are rounded up.

    Rows that are added to fill a size compute on a slot that is not in use. Recordings hold the addresses of the
    stores, so a store that changes its size needs new ones; `group_size` is the most rows of a prompt.
    """

    def __init__(
        self, policy: Policy, prompts: KvStore, completions: KvStore, *, group_size: int, record: Recorder
    ) -> None:
        self._policy, self._prompts, self._completions = policy, prompts, completions
        self._group_size, self._record = group_size, record
        self._recordings: dict[tuple[int, int], _Recording] = {}
        self._num_resizes = (0, 0)

    def logits(self, round_: Round) -> Tensor:
        """See `Stepper.logits`; the tensor is overwritten by the next round."""
        num_resizes = (self._prompts.num_resizes, self._completions.num_resizes)
        if num_resizes != self._num_resizes:
            self._recordings, self._num_resizes = {}, num_resizes
        num_rows = min(_up_to_power_of_two(len(round_.newest)), self._completions.num_slots)
        longest = min(_up_to_quarter(max(round_.places) + 1), self._completions.length)
        if (num_rows, longest) not in self._recordings:
            self._recordings[num_rows, longest] = self._make(num_rows, longest, round_)
        recording = self._recordings[num_rows, longest]
        recording.load(round_)
        return recording.replay()[: len(round_.newest)]

    def _make(self, num_rows: int, longest: int, round_: Round) -> _Recording:
        recording = _Recording(num_rows, self._prompts.num_slots, self._group_size, self._policy.device)
        recording.load(round_)
        members = recording.members(self._prompts.length)

        def step() -> Tensor:
            layout = DecodeLayout(members, self._prompts, self._completions, recording.places, longest)
            return _step(self._policy, recording.newest, layout)

        recording.replay = self._record(step)
        return recording


class _Recording:
    """The tensors that a recording reads, and its replay."""

    def __init__(self, num_rows: int, num_prompts: int, group_size: int, device: torch.device) -> None:
        self.newest, self.places, self.lengths, self.inverse = torch.zeros(
            4, num_rows, dtype=torch.int64, device=device
        ).unbind()
        self.lanes = torch.zeros(num_prompts, group_size, dtype=torch.int64, device=device)
        self.replay: Callable[[], Tensor]

    def members(self, longest_prompt: int) -> Members:
        return Members(self.lengths, self.lanes, self.inverse, longest_prompt)

    def load(self, round_: Round) -> None:
        """Put a round's numbers in place; what is left over computes on nothing that counts."""
        lanes = [[0] * self.lanes.shape[1] for _ in range(len(self.lanes))]
        taken = [0] * len(self.lanes)
        inverse = []
        for row, prompt in enumerate(round_.prompt_of):
            lanes[prompt][taken[prompt]] = row
            inverse.append(prompt * self.lanes.shape[1] + taken[prompt])
            taken[prompt] += 1
        lengths = [round_.prompt_lengths[prompt] for prompt in round_.prompt_of]
        self.lanes.copy_(torch.tensor(lanes))
        for tensor, values in (
            (self.newest, round_.newest),
            (self.places, round_.places),
            (self.lengths, lengths),
            (self.inverse, inverse),
        ):
            tensor.copy_(torch.tensor([*values, *[0] * (len(tensor) - len(values))]))


def record_cuda_graph(step: Callable[[], Tensor]) -> Callable[[], Tensor]:
    """`step` as a CUDA graph (its first runs write the same keys and values again, which changes nothing)."""
    side = torch.cuda.Stream()
    side.wait_stream(torch.cuda.current_stream())
    with torch.cuda.stream(side):
        for _ in range(_WARM_UPS):
            step()
    torch.cuda.current_stream().wait_stream(side)
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        result = step()

    def replay() -> Tensor:
        graph.replay()
        return result

    return replay


def _step(policy: Policy, newest: Tensor, layout: DecodeLayout) -> Tensor:
    model = without_wrapper(policy.model)
    return head_logits(policy, forward_with_layout(model, newest, layout.position_ids(), layout))


def _up_to_power_of_two(number: int) -> int:
    return 1 << (number - 1).bit_length()


def _up_to_quarter(number: int) -> int:
    """The next of 64, 80, 96, 112, 128, 160, ...: at most a quarter more than `number`, from 64 on."""
    step = max(16, (1 << (number - 1).bit_length()) // 8)
    return max(64, -(-number // step) * step)
