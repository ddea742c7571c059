"""Going on after the memory ran out: smaller micro-batches, the same update again.

The micro-batches of an update add up to the same gradient however its texts are cut (see
`objectives.aggregate`), so an update that ran out of memory is done again from its start in smaller pieces.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final, TypeVar

from r1kit.core.errors import EnvironmentError_, first_line
from r1kit.ops.out_of_memory import free_memory, is_out_of_memory

T = TypeVar("T")

TRIES: Final = 3
"""How often work that cannot be cut into smaller pieces is begun; another program may give memory back."""


@dataclass(slots=True)
class MicroBatchSize:
    """How many tokens a micro-batch of this run may hold; smaller each time the memory ran out.

    Attributes:
        tokens: most tokens of a micro-batch from now on; a longer single text still runs.
        say: where it is told that the size has changed.
        num_oom: how often the memory ran out.
    """

    tokens: int
    say: Callable[[str], None] = print
    num_oom: int = 0
    _running: tuple[int, int] = field(default=(0, 0), repr=False)

    def running(self, num_texts: int, num_tokens: int) -> None:
        """Take note of the micro-batch that runs now; of none with 0 texts (clipping, the optimizer's step)."""
        self._running = (num_texts, num_tokens)

    def recover(self, work: Callable[[], T], reset: Callable[[], None]) -> T:
        """What `work` returns; when the memory runs out `reset` is called and `work` begun again.

        `work` cuts its texts by `tokens`, which is halved when a micro-batch of several texts did not fit, and
        tells `running` what it runs. `reset` takes back what `work` has done so far (the gradient).

        Raises:
            EnvironmentError_: a single text does not fit, or something beside the micro-batches.
        """
        tries = 0
        while True:
            self.running(0, 0)
            try:
                return work()
            except RuntimeError as error:
                if not is_out_of_memory(error):
                    raise
                said = first_line(error)
            # Outside the except block: the error's traceback would keep the frames of `work` and their tensors.
            self.num_oom += 1
            reset()
            free_memory()
            tries = 0 if self._halve() else tries + 1
            if tries:
                self._try_again(tries, said)

    def _halve(self) -> bool:
        """Halve the size, if the micro-batch that did not fit can be cut."""
        texts, tokens = self._running
        if texts < 2:
            return False
        self.tokens = max(1, min(self.tokens, tokens) // 2)
        self.say(
            f"out of memory in a micro-batch of {texts} texts, {tokens} tokens; from now on a micro-batch holds at "
            f"most {self.tokens} tokens, and the update is done again with the same gradient"
        )
        return True

    def _try_again(self, tries: int, said: str) -> None:
        texts, tokens = self._running
        what = f"a single text of {tokens} tokens" if texts else "the step of the optimizer"
        if tries >= TRIES:
            raise EnvironmentError_(
                f"out of memory: {what} does not fit ({said[:160]}); set model.gradient_checkpointing, "
                "model.quantization nf4 or a smaller model.lora.rank, or shorten the texts (sampling.max_new_tokens, "
                "max_length)"
            )
        self.say(f"out of memory in {what}; memory was freed and the update is done again")
