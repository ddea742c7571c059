"""The tokenizer, its chat template, and its padding token.

Padding: r1kit masks by position, never by comparing ids with the padding token, and places padding itself. A
tokenizer whose only special token is its EOS therefore keeps pad == eos without harm (the real EOS is still
trained), and embeddings are never resized for a padding token. The tokenizer's padding side plays no part.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Final

from jinja2 import TemplateError
from transformers import AutoTokenizer, PreTrainedTokenizerBase

from r1kit.core.errors import DataError, ModelError, first_line
from r1kit.core.problem import Message
from r1kit.models.quiet import quiet_libraries
from r1kit.tasks.templates import NAMED_TEMPLATES

_SAVED_TEMPLATE: Final = "chat_template.jinja"
_VOCABULARIES: Final = ("tokenizer.json", "tokenizer.model", "spiece.model", "vocab.json", "tekken.json")


def load_tokenizer(
    folder: Path, chat_template: str, adapter: Path | None = None
) -> tuple[PreTrainedTokenizerBase, str]:
    """The tokenizer in `folder` with its chat template set, and words that say which template it is.

    "auto" is the template saved with the starting adapter, else the tokenizer's own, else r1; "own" the
    tokenizer's; "r1" and "r1_zero" those of `tasks.templates`; anything else the path of a Jinja file.
    Raises ModelError when there is no tokenizer, no such template, or no EOS token.
    """
    # Without this check transformers builds an empty tokenizer of the model's type.
    if not any((folder / name).is_file() for name in _VOCABULARIES):
        raise ModelError(
            f"{folder} holds no tokenizer (tokenizer.json); copy the base model's tokenizer there"
        )
    try:
        with quiet_libraries():
            tokenizer = AutoTokenizer.from_pretrained(folder, trust_remote_code=False)
    except (OSError, ValueError, KeyError, TypeError, ImportError) as error:
        raise ModelError(f"the tokenizer in {folder} cannot be loaded: {first_line(error)}") from error
    if tokenizer.eos_token_id is None:
        raise ModelError(
            f"the tokenizer in {folder} has no EOS token, so no completion could ever end; "
            'set "eos_token" in its tokenizer_config.json'
        )
    text, words = _choose_template(tokenizer, folder, chat_template, adapter)
    tokenizer.chat_template = text
    return tokenizer, words


def _choose_template(
    tokenizer: PreTrainedTokenizerBase, folder: Path, choice: str, adapter: Path | None
) -> tuple[str, str]:
    if choice == "auto" and adapter is not None and (adapter / _SAVED_TEMPLATE).is_file():
        return (adapter / _SAVED_TEMPLATE).read_text(encoding="utf-8"), "the adapter's"
    if choice in ("auto", "own") and tokenizer.chat_template:
        return _single(tokenizer.chat_template), "the tokenizer's own"
    if choice == "own":
        raise ModelError(
            f"model.chat_template is own, but the tokenizer in {folder} has no chat template; use r1 or r1_zero"
        )
    name = "r1" if choice == "auto" else choice
    if name in NAMED_TEMPLATES:
        return _bos_prefix(tokenizer) + NAMED_TEMPLATES[name], name
    path = Path(choice).expanduser()
    if not path.is_file():
        names = ", ".join(["auto", "own", *NAMED_TEMPLATES])
        raise ModelError(f"model.chat_template {choice!r}: no such file; use one of {names}, or a Jinja file")
    return path.read_text(encoding="utf-8"), str(path)


def _single(template: str | dict[str, str]) -> str:
    """Some tokenizers hold several named templates; "default" is the one for chat without tools."""
    return template if isinstance(template, str) else template.get("default", next(iter(template.values())))


def _bos_prefix(tokenizer: PreTrainedTokenizerBase) -> str:
    """A BOS in front of r1kit's templates exactly for tokenizers that put one in front of any text.

    Bases such as Llama and Gemma were trained with it and fall apart without.
    """
    bos = tokenizer.bos_token_id
    adds_bos = bos is not None and tokenizer("a").input_ids[:1] == [bos]
    return "{{ bos_token }}" if adds_bos else ""


def render_chat(
    tokenizer: PreTrainedTokenizerBase, messages: Sequence[Message], add_generation_prompt: bool
) -> tuple[str, tuple[int, ...]]:
    """A conversation as the template writes it: the text and its token ids.

    The template writes every special token itself, so none is added while tokenizing: one BOS at most. Raises
    DataError when the template refuses the conversation, for example for its order of roles.
    """
    try:
        text = tokenizer.apply_chat_template(
            [message.as_dict() for message in messages],
            tokenize=False,
            add_generation_prompt=add_generation_prompt,
        )
    except (TemplateError, ValueError, TypeError, IndexError) as error:
        roles = ", ".join(message.role for message in messages) or "none"
        raise DataError(
            f"the chat template refuses a conversation with roles [{roles}]: {first_line(error)}"
        ) from error
    return str(text), tuple(tokenizer(text, add_special_tokens=False, verbose=False).input_ids)


def choose_padding(tokenizer: PreTrainedTokenizerBase, stop_ids: Sequence[int]) -> str:
    """Give the tokenizer a padding token that ends nothing, if it has one; words that say which.

    Looked for among its special tokens, in this order: its padding token, one with "pad" in its name,
    `<|endoftext|>` (where turns end with another token), the unknown token. Otherwise padding stays EOS.
    """
    special = {
        token.content: index for index, token in tokenizer.added_tokens_decoder.items() if token.special
    }
    named = [content for content in special if "pad" in content.lower()]
    for content in (tokenizer.pad_token, *named, "<|endoftext|>", tokenizer.unk_token):
        if content in special and special[content] not in (*stop_ids, tokenizer.bos_token_id):
            tokenizer.pad_token = content
            return f"pad {content}"
    tokenizer.pad_token = tokenizer.eos_token
    return f"pad {tokenizer.eos_token} (same as EOS; harmless, masks go by position)"
