"""Which part of a completion is its code."""

from __future__ import annotations

import time

import pytest

from r1kit.core.problem import CodeGold, ProblemKind
from r1kit.rewards.code import extract_code
from r1kit.rewards.code.program import whole_program
from r1kit.rewards.format import format_reward

PROMPT = '''from math import sqrt


def helper(x):
    return x + 1


def area(n):
    """The area of a square of side n."""
'''
GOLD = CodeGold((), prompt=PROMPT, entry_point="area")


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("```python\nx = 1\n```", "x = 1\n"),
        ("```py\nx = 1\n```", "x = 1\n"),
        ("```Python3 title=a\nx = 1\n```", "x = 1\n"),
        ("```\nx = 1\n```", "x = 1\n"),
        ("~~~python\nx = 1\n~~~\n", "x = 1\n"),
        ("Like so:\n\n```python\r\nx = 1\r\n```\r\n\nDone.", "x = 1\n"),
        # The last of several counts.
        ("```python\nx = 1\n```\nbetter:\n```python\nx = 2\n```", "x = 2\n"),
        ("```python\nx = 1\n```\nIt prints:\n```text\n1\n```", "x = 1\n"),
        ("```python\nx = 1\n```\n```\n\n```", "x = 1\n"),
        # One without a tag behind it may be what it prints; among themselves the last counts.
        ("```python\nx = 1\n```\nOutput:\n```\n1\n```", "x = 1\n"),
        ("```\nx = 1\n```\nbetter:\n```\nx = 2\n```", "x = 2\n"),
        ("```python3.12\nx = 1\n```\n```pycon\n>>> x\n```", "x = 1\n"),
        ("```{python}\nx = 1\n```", "x = 1\n"),
        ("The answer: ```python\nx = 1\n```", "x = 1\n"),
        ("It is ``` then\nx = 1\n```", None),
        # Only what follows the thinking.
        ("<think>```python\nx = 1\n```</think>\n```python\nx = 2\n```", "x = 2\n"),
        ("<think>\n```python\nx = 1\n```\n</think>\nIt is 1.", None),
        ("<think>\n```python\nx = 1\n```\n", None),
        ("<think>a</think><answer>\n```python\nx = 1\n```\n</answer>", "x = 1\n"),
        ("<think>a</think><answer>```python\nx = 1\n```</answer>", "x = 1\n"),
        # A block that was cut off is none; one before it still is.
        ("```python\nx = 1\n", None),
        ("```python\nx = 1\n```\nor\n```python\nx = ", "x = 1\n"),
        # Fences inside of fences, and shorter ones.
        ("````python\ns = '''\n```\n'''\n````", "s = '''\n```\n'''\n"),
        ("~~~\na = '```'\n```\n~~~", "a = '```'\n```\n"),
        ("```python\nx = 1\n`````", "x = 1\n"),
        ("```python\nx = 1\n``` so\n```", "x = 1\n``` so\n"),
        # In a list, a block is indented as a whole.
        ("1. Do\n   ```python\n   if a:\n       b()\n   ```", "if a:\n    b()\n"),
        ("```python\n    return n * n\n```", "    return n * n\n"),
        # No code at all.
        ("x = 1", None),
        ("Use ```x = 1``` here.", None),
        ("```x``` ```\nx = 1", None),
        ("```js\nlet x\n```", None),
        ("``\nx = 1\n``", None),
        ("", None),
    ],
)
def test_the_code_is_the_last_closed_block_of_python_after_the_thinking(text: str, code: str | None) -> None:
    assert extract_code(text) == code


def test_a_long_text_of_fences_takes_no_time() -> None:
    started = time.perf_counter()
    assert extract_code("```python\n" * 100_000) is None
    assert extract_code("`" * 1_000_000) is None
    assert extract_code(("```" + "`" * 500 + "\n") * 2_000) is None
    assert time.perf_counter() - started < 2


def run(program: str) -> object:
    names: dict = {}
    # Without what this file imports from the future.
    exec(compile(program, "program", "exec", dont_inherit=True), names)
    return names["area"](3)


@pytest.mark.parametrize(
    "code",
    [
        "    return n * n\n",
        "    return helper(n) ** 2 - 2 * n - 1\n\nprint(area(1))\n",
        "def area(n):\n    return n * n\n",
        "def area(n):\n    return int(sqrt(n ** 4))\n",
        "from __future__ import annotations\nimport math\n\ndef area(n: Any):\n    return helper(n - 1) ** 2\n",
        "area = lambda n: n * n\n",
        "class area(int):\n    def __new__(cls, n):\n        return n * n\n",
    ],
)
def test_a_completion_may_go_on_with_the_problems_code_or_write_it_anew(code: str) -> None:
    assert run(whole_program(code, GOLD)) == 9


def test_a_problem_in_words_adds_nothing_to_the_code() -> None:
    assert whole_program("x = 1\n", CodeGold(())) == "x = 1\n"


def test_the_reply_to_a_code_problem_may_be_code_in_the_format() -> None:
    text = "<think>square it</think>\nHere:\n```python\nx = 1\n```"
    assert format_reward(text, ProblemKind.CODE) == 1.0
    assert format_reward(text) == 0.0
    assert format_reward("<think>a</think>\n```python\nx = ", ProblemKind.CODE) == 0.0
    assert format_reward("<think>a</think><answer>```python\nx = 1\n```</answer>", ProblemKind.CODE) == 1.0
    assert format_reward("```python\nx = 1\n```", ProblemKind.CODE) == 0.0


def test_a_prelude_stands_before_the_code_and_behind_future_imports() -> None:
    gold = CodeGold((), prelude="from typing import *\n")
    code = "from __future__ import annotations\ndef f(a: List[int]): return a"
    program = whole_program(code, gold)
    assert program.startswith("from __future__ import annotations\nfrom typing import *\n")
    names: dict[str, object] = {}
    exec(compile(program, "program", "exec"), names)
    assert names["f"]([1]) == [1]  # type: ignore[operator]
    both = CodeGold((), prelude="import math\n", prompt=PROMPT, entry_point="area")
    assert whole_program("    return n * n\n", both).index("import math") < program.index("def")
