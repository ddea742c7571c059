"""A prompt and a reply as token ids, as they stand when the model writes the reply itself."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from transformers import PreTrainedTokenizerBase

from r1kit.core.problem import Message
from r1kit.models.tokenizer import render_chat
from r1kit.rewards.reasoning import THINK_OPEN


@dataclass(frozen=True, slots=True)
class TextIds:
    """A prompt and a reply, which ends with the token that ends a turn."""

    prompt_ids: tuple[int, ...]
    completion_ids: tuple[int, ...]

    def __len__(self) -> int:
        return len(self.prompt_ids) + len(self.completion_ids)


def text_ids(
    tokenizer: PreTrainedTokenizerBase, eos_token_id: int, messages: Sequence[Message], reply: str
) -> TextIds:
    """`messages` through the chat template, and `reply` behind them.

    The reply is tokenized apart from the prompt, as it is when the model writes it, and not through the chat
    template: several templates drop the reasoning from assistant turns. Where the template has opened the
    reasoning already, the reply goes on from there.
    """
    prompt, prompt_ids = render_chat(tokenizer, messages, add_generation_prompt=True)
    opened = opened_reasoning(prompt)
    if opened:
        reply = reply.removeprefix(opened if reply.startswith(opened) else THINK_OPEN)
    completion_ids = tokenizer(reply, add_special_tokens=False, verbose=False)["input_ids"]
    return TextIds(prompt_ids, (*completion_ids, eos_token_id))


def opened_reasoning(prompt: str) -> str:
    """The end of `prompt` from the <think> with which a chat template opens the reasoning; "" if it does not."""
    return prompt[prompt.rindex(THINK_OPEN) :] if prompt.rstrip().endswith(THINK_OPEN) else ""
