"""From a problem to the messages a policy gets."""

from __future__ import annotations

from typing import Final

from r1kit.config.data import ProblemData
from r1kit.core.problem import Message, Problem

NAMED_PROMPTS: Final = {
    "boxed": (
        "{problem}\n\nWork through this step by step. At the end, put the final answer, and nothing else, "
        "inside \\boxed{}."
    ),
    "think_answer": (
        "{problem}\n\nFirst work through this step by step between <think> and </think>. Then give the final "
        "answer, and nothing else, between <answer> and </answer>."
    ),
    "code": (
        "{problem}\n\nWrite the solution in Python. At the end, give the whole code, with the imports it needs, in one "
        "block between ```python and ```."
    ),
    "complete_code": (
        "Complete this Python code:\n\n```python\n{problem}\n```\n\nAt the end, give the whole function, with the "
        "imports it needs, in one block between ```python and ```."
    ),
}
"""User messages that a configuration can name instead of writing them out."""


def build_messages(problem: Problem, data: ProblemData) -> tuple[Message, ...]:
    """The user message made by `data.prompt`, behind the system message if there is one."""
    template = NAMED_PROMPTS.get(data.prompt, data.prompt)
    # replace, not format: braces are everywhere in LaTeX.
    user = Message("user", template.replace("{problem}", problem.problem))
    return (user,) if data.system_prompt is None else (Message("system", data.system_prompt), user)
