"""Log-probabilities straight from a policy's hidden states: the backbone and the head, taken apart.

Legend: R rows, L row length, N tokens, D hidden, V vocabulary.
"""

from __future__ import annotations

import peft
from torch import Tensor, nn
from transformers import PreTrainedModel

from r1kit.core.errors import ModelError
from r1kit.models.policy import Policy
from r1kit.ops.logprobs import completion_logprobs

_SCALES = ("logit_scale", "logits_scaling")


def hidden_states(policy: Policy, input_ids: Tensor, position_ids: Tensor) -> Tensor:
    """Last hidden states [R, L, D] for `input_ids` and `position_ids`, both int64 [R, L], adapter applied.

    Attention is causal. Where the positions of a row start again at 0 a new text begins, which sees nothing
    before it (transformers builds that mask from the positions, for each attention implementation and for
    sliding windows too).
    """
    base, shape = _base_model(policy), input_ids.shape
    if "flash" in str(getattr(base.config, "_attn_implementation", "")):
        # Flash attention reads texts from the positions of a single row; each row begins at position 0 anyway.
        input_ids, position_ids = input_ids.reshape(1, -1), position_ids.reshape(1, -1)
    hidden: Tensor = base.base_model(
        input_ids=input_ids, attention_mask=None, position_ids=position_ids, use_cache=False
    ).last_hidden_state
    return hidden.view(*shape, -1)


def head_logprobs(policy: Policy, hidden: Tensor, targets: Tensor, temperature: float = 1.0) -> Tensor:
    """Log-probabilities [N], float32, of `targets` [N] after `hidden` [N, D], at `temperature`.

    The [N, V] logits are never held whole.

    Raises:
        ModelError: the head is not a plain linear layer, or the family scales its logits.
    """
    base = _base_model(policy)
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
    softcap = getattr(config, "final_logit_softcapping", None)
    scores = completion_logprobs(hidden, head.weight, head.bias, targets, temperature, logit_softcap=softcap)
    return scores.logprobs


def _base_model(policy: Policy) -> PreTrainedModel:
    model = policy.model
    return model.get_base_model() if isinstance(model, peft.PeftModel) else model
