"""The output head: log-probabilities and logits straight from hidden states.

Legend: N tokens, D hidden, V vocabulary.
"""

from __future__ import annotations

from torch import Tensor, nn

from r1kit.core.errors import ModelError
from r1kit.models.layouts import without_wrapper
from r1kit.models.policy import Policy
from r1kit.ops.logprobs import TokenScores, completion_logprobs, whole_logits

_SCALES = ("logit_scale", "logits_scaling")


def head_logprobs(
    policy: Policy, hidden: Tensor, targets: Tensor, temperature: float = 1.0, *, with_entropy: bool = False
) -> TokenScores:
    """Log-probabilities [N], float32, of `targets` [N] after `hidden` [N, D], at `temperature`.

    With entropies [N] if asked for. The [N, V] logits are never held whole.

    Raises:
        ModelError: the head is not a plain linear layer, or the family scales its logits.
    """
    head, softcap = _plain_head(policy)
    return completion_logprobs(
        hidden, head.weight, head.bias, targets, temperature, logit_softcap=softcap, with_entropy=with_entropy
    )


def head_logits(policy: Policy, hidden: Tensor) -> Tensor:
    """Logits [N, V], float32, after `hidden` [N, D]: those that `head_logprobs` scores, for sampling from them.

    Without gradients, and before any temperature.

    Raises:
        ModelError: as `head_logprobs`.
    """
    head, softcap = _plain_head(policy)
    return whole_logits(hidden, head.weight, head.bias, softcap)


def _plain_head(policy: Policy) -> tuple[nn.Linear, float | None]:
    """The output layer and the cap of its logits; refuses a head that computes more than its weight says."""
    base = without_wrapper(policy.model)
    config = base.config.get_text_config()
    head = base.get_output_embeddings()
    if type(head) is not nn.Linear:
        raise ModelError(
            f"model {policy.lineage.base}: its output head is a {type(head).__name__}, and training needs a plain "
            "linear one; leave the head out of model.lora.targets"
        )
    scaled = [name for name in _SCALES if getattr(config, name, None) not in (None, 1, 1.0)]
    if scaled:
        raise ModelError(
            f"model {policy.lineage.base}: logits of {config.model_type} models are scaled ({scaled[0]}), which "
            "training does not support; choose another family"
        )
    return head, getattr(config, "final_logit_softcapping", None)
