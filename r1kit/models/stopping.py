"""Which tokens end a completion.

Base and chat model, tokenizer, generation config and template often disagree: Qwen2.5's base tokenizer ends
with <|endoftext|>, its template ends turns with <|im_end|>. A policy that stops at one and was taught the other
never stops, so every one of them counts.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from jinja2 import TemplateError
from transformers import GenerationConfig, PreTrainedTokenizerBase

from r1kit.core.errors import ModelError, first_line

_REPLY: Final = "r1kit-reply"


def stop_token_ids(tokenizer: PreTrainedTokenizerBase, generation: GenerationConfig) -> tuple[int, ...]:
    """Every id that ends a completion: the template's end of turn first, then EOS, then the model's own list.

    Of that list only special tokens of this tokenizer count: a generation config often keeps the defaults of
    its architecture, and stopping at an ordinary token would cut completions short.
    """
    own = (end_of_turn_id(tokenizer), tokenizer.eos_token_id)
    special = tokenizer.added_tokens_decoder
    listed = [index for index in listed_eos(generation) if index in special]
    return tuple(dict.fromkeys(index for index in (*own, *listed) if index is not None))


def listed_eos(generation: GenerationConfig) -> list[int]:
    """The EOS ids of a generation config, which holds none, one or a list."""
    listed = generation.eos_token_id
    if listed is None:
        return []
    return list(listed) if isinstance(listed, (list, tuple)) else [int(listed)]


def end_of_turn_id(tokenizer: PreTrainedTokenizerBase) -> int | None:
    """The special token the chat template writes right after an assistant's reply; None if it writes none.

    Raises ModelError when the template cannot even render one question and one reply.
    """
    turns = [{"role": "user", "content": "question"}, {"role": "assistant", "content": _REPLY}]
    try:
        text = str(tokenizer.apply_chat_template(turns, tokenize=False))
    except (TemplateError, ValueError, TypeError) as error:
        raise ModelError(
            f"the chat template cannot render a question and a reply: {first_line(error)}; "
            "see model.chat_template"
        ) from error
    if _REPLY not in text:
        raise ModelError("the chat template drops the assistant's reply; see model.chat_template")
    after = text.rpartition(_REPLY)[2].lstrip()
    special = [(index, token) for index, token in tokenizer.added_tokens_decoder.items() if token.special]
    ends = [(len(token.content), index) for index, token in special if after.startswith(token.content)]
    return max(ends)[1] if ends else None


def align_generation(generation: GenerationConfig, stop_ids: Sequence[int], pad_id: int) -> None:
    """Write the stop and padding tokens into a model's generation config, so that other tools stop as well."""
    generation.eos_token_id = list(stop_ids) if len(stop_ids) > 1 else stop_ids[0]
    generation.pad_token_id = pad_id


def stop_words(tokenizer: PreTrainedTokenizerBase, generation: GenerationConfig) -> str:
    """The decision in words, for the line a user reads."""
    stop_ids = stop_token_ids(tokenizer, generation)
    names = ", ".join(f"{tokenizer.convert_ids_to_tokens(index)} ({index})" for index in stop_ids)
    ignored = [index for index in listed_eos(generation) if index not in stop_ids]
    note = f" (the generation config's {ignored} ignored: no special tokens here)" if ignored else ""
    end_of_turn = end_of_turn_id(tokenizer)
    if end_of_turn is None:
        return f"EOS {names}{note}, but the template ends a reply with no special token: stopping must be learned"
    if end_of_turn != tokenizer.eos_token_id:
        end = tokenizer.convert_ids_to_tokens(end_of_turn)
        return f"EOS aligned: the template ends turns with {end}, the policy stops at {names}{note}"
    return f"EOS {names}{note}"
