"""Chat templates for base models that ship none, as Jinja text for `tokenizer.chat_template`.

Both are plain text, so any tokenizer can hold them: turns start with a role word, an assistant turn ends with
the tokenizer's EOS, and the generation prompt is everything up to the newline after "Assistant:".
"""

from __future__ import annotations

from typing import Final

_TURNS: Final = (
    "{%- for message in messages -%}"
    "{%- if message['role'] == 'system' -%}{{ message['content'] + '\\n\\n' }}"
    "{%- elif message['role'] == 'user' -%}{{ 'User: ' + message['content'] + '\\n\\n' }}"
    "{%- else -%}{{ 'Assistant:\\n' + message['content'] + eos_token + '\\n\\n' }}"
    "{%- endif -%}"
    "{%- endfor -%}"
    "{%- if add_generation_prompt -%}{{ 'Assistant:\\n' }}{%- endif -%}"
)

R1_TEMPLATE: Final = _TURNS
"""User and assistant turns, nothing else: the reasoning format is learned from the cold-start examples."""

_ZERO_PREFACE: Final = (
    "Below, a user puts a question to an assistant. Before it replies, the assistant works the question out"
    " between <think> and </think>; the reply itself then stands between <answer> and </answer>, as in:"
    " <think> the working </think> <answer> the reply </answer>."
)

R1_ZERO_TEMPLATE: Final = (
    "{%- if messages[0]['role'] != 'system' -%}{{ '" + _ZERO_PREFACE + "\\n\\n' }}{%- endif -%}" + _TURNS
)
"""For RL straight on a base model: a preface describes the think/answer format, since no example shows it."""

NAMED_TEMPLATES: Final = {"r1": R1_TEMPLATE, "r1_zero": R1_ZERO_TEMPLATE}
