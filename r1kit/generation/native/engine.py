"""Continuous batching: rows enter as others end, over the weights that are being trained.

Each distinct prompt runs through the model once, whatever number of completions it has. Rows that end free
their slot; waiting rows take it in the next round. Where keys and values would outgrow the budget, the rows with
the fewest tokens are set aside and read again later, and running out of memory does the same with half of it. A
row's randomness is its own, so none of this changes what it writes.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from r1kit.config.sampling import SamplingConfig
from r1kit.core.errors import ConfigError, EnvironmentError_
from r1kit.core.rollout import Completion
from r1kit.generation.engine import GenerationRequest, OnGroup, OnProgress
from r1kit.generation.native.batch import Batch
from r1kit.generation.native.limits import Limits
from r1kit.generation.native.steps import Recorder
from r1kit.generation.rows import Row, RowRules
from r1kit.models.folding import folded_adapters
from r1kit.models.policy import Policy
from r1kit.ops.out_of_memory import free_memory, is_out_of_memory


class NativeEngine:
    """Samples from `policy`, whose model must follow layouts; at most `batch_size` rows and `kv_tokens` at once.

    With `record`, rounds are recorded and replayed (see `steps.RecordedSteps`).

    Attributes:
        num_oom: how often memory ran out and was made do with.
    """

    def __init__(
        self,
        policy: Policy,
        batch_size: int,
        kv_tokens: int | None = None,
        say: Callable[[str], None] | None = None,
        record: Recorder | None = None,
    ) -> None:
        self._policy = policy
        self._limits = Limits(batch_size, kv_tokens)
        self._say = say
        self._record = record
        self.num_oom = 0

    def generate(
        self,
        requests: Sequence[GenerationRequest],
        sampling: SamplingConfig,
        on_progress: OnProgress | None = None,
        on_group: OnGroup | None = None,
    ) -> list[tuple[Completion, ...]]:
        """The completions of each request; see `Engine.generate`.

        Raises:
            ConfigError: `kv_tokens` cannot hold one prompt with its completion.
            EnvironmentError_: memory does not hold a single row.
        """
        rules = RowRules(self._policy, sampling, on_progress, on_group)
        started = rules.start(requests)
        # The rows of a prompt stand together, so that it is in memory once and not for long.
        waiting = [row for group in started for row in group]
        self._check_budget(waiting)
        with self._policy.sampling(), folded_adapters(self._policy.model):
            while waiting:
                waiting = self._decode(rules, waiting)
        return rules.finished()

    def _check_budget(self, rows: Sequence[Row]) -> None:
        budget = self._limits.kv_tokens
        prompt = max((len(row.prompt_ids) for row in rows), default=0)
        completion = max((row.limit for row in rows), default=0)
        if budget is not None and prompt + completion > budget:
            raise ConfigError(
                f"engine.kv_tokens is {budget}, but the longest prompt has {prompt} tokens and a completion up to "
                f"{completion}; raise it, or lower sampling.max_new_tokens"
            )

    def _decode(self, rules: RowRules, waiting: list[Row]) -> list[Row]:
        """Decode `waiting` to the end; the rows that are left when memory ran out, with smaller limits set."""
        batch = Batch(rules, waiting, self._limits, self._record)
        try:
            batch.run()
        except RuntimeError as error:
            if not is_out_of_memory(error):
                raise
            # What the traceback holds is let go with this block; memory is freed below.
            left, num_slots = batch.unfinished(), batch.num_slots
        else:
            return []
        del batch
        self._shrink(num_slots)
        return left

    def _shrink(self, num_slots: int) -> None:
        """Go on with half of the rows that there was room for."""
        if num_slots <= 1:
            raise EnvironmentError_(
                "out of memory while sampling a single completion; lower sampling.max_new_tokens or "
                "data.max_prompt_tokens, or set model.quantization to nf4"
            )
        self.num_oom += 1
        self._limits = self._limits.halved(num_slots)
        free_memory()
        if self._say is not None:
            self._say(
                f"out of memory while sampling with room for {num_slots} completions; going on with {self._limits.batch_size} at a "
                f"time (engine.batch_size)"
            )
