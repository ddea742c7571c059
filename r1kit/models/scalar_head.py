"""A number from a hidden state: what a reward model or a value network puts on top of a language model.

Legend: N tokens, D hidden.
"""

from __future__ import annotations

from pathlib import Path
from typing import Final

import torch
from jaxtyping import Float
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from r1kit.core.errors import ModelError, first_line

SCALAR_HEAD_FILE: Final = "scalar_head.safetensors"
"""The file in a folder that holds a saved head."""


class ScalarHead(nn.Module):
    """A linear map from a hidden state to one number, in float32 whatever the model computes in.

    It starts as zero, so that every text has the value 0 before the first step and no seed matters. Its own
    gradient is not zero there; the layers below get theirs from the second step on.

    Attributes:
        weight: float32 [D].
        bias: float32 [].
    """

    def __init__(self, hidden_size: int, device: torch.device | str | None = None) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.zeros(hidden_size, dtype=torch.float32, device=device))
        self.bias = nn.Parameter(torch.zeros((), dtype=torch.float32, device=device))

    def forward(self, hidden: Float[Tensor, "N D"]) -> Float[Tensor, " N"]:
        """The value [N] of each hidden state, float32."""
        # not `@`: a product of matrices may be computed in half precision where autocast says so
        return (hidden.float() * self.weight).sum(dim=-1) + self.bias

    def save(self, folder: Path) -> None:
        """Write the head to SCALAR_HEAD_FILE in `folder`, which exists."""
        save_file(
            {name: value.detach().cpu().contiguous() for name, value in self.state_dict().items()},
            folder / SCALAR_HEAD_FILE,
        )

    @classmethod
    def load(cls, folder: Path, device: torch.device | str | None = None) -> ScalarHead:
        """The head saved in `folder`, trainable, on `device`.

        Raises:
            ModelError: there is no such file, or it holds something else.
        """
        path = folder / SCALAR_HEAD_FILE
        if not path.is_file():
            raise ModelError(
                f"{path}: no such file; a folder with a scalar head is written by a stage that trains one"
            )
        try:
            values = load_file(path)
        except (OSError, SafetensorError) as error:
            raise ModelError(f"{path} cannot be read: {first_line(error)}") from error
        shapes = {name: tuple(value.shape) for name, value in values.items()}
        weight = values.get("weight")
        if weight is None or shapes != {"weight": (weight.numel(),), "bias": ()}:
            raise ModelError(f"{path} is not a scalar head: it holds {shapes}, not weight [D] and bias []")
        head = cls(weight.numel(), device)
        head.load_state_dict(values)
        return head


def hidden_size_of(model: nn.Module) -> int:
    """D of a transformers model, wrapped in adapters or not."""
    size: int = model.config.get_text_config().hidden_size  # type: ignore[operator, union-attr]
    return size
