"""In the judging jail: a benchmark's own test code runs here, and the code under test does not.

Each name in `names` is bound to a proxy. Calling one sends `{"call", "args", "kwargs"}` out; what comes in, after the
parent has asked the jail of the code under test, is `{"value", "args", "kwargs"}` or `{"raised", "message"}`. The last
reply is `{"judged": true}` when the test code went through.
"""

from __future__ import annotations

import builtins

from r1kit.sandbox.inside.encoding import encode
from r1kit.sandbox.inside.programs import run_source
from r1kit.sandbox.inside.values import decode

# typing costs a young interpreter some milliseconds; what follows is for the type checker alone.
TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any


_SILENT = (StopIteration, StopAsyncIteration)


class CodeUnderTestError(Exception):
    """The code under test raised an exception of a type of its own."""


def judge(request: dict[str, Any], exchange: Callable[[dict[str, Any]], Any]) -> dict[str, Any]:
    """Runs the test code in `request` to its end; raises what it raises, AssertionError in the first place.

    The code calls `__settle__` where it may see what the calls before did to their arguments.
    """
    changes: list[tuple[list[Any], list[Any]]] = []

    def settle() -> None:
        for before, after in changes:
            _put_back(before, after)
        changes.clear()

    proxies = {name: _proxy(call, exchange, changes) for name, call in request["names"].items()}
    names = run_source(request["setup"], "setup", {})
    own = {"__name__": "tests", "__settle__": settle}
    run_source(request["judge"], "tests", {**names, **own, **proxies})
    return {"judged": True}


def _proxy(
    call: str, exchange: Callable[[dict[str, Any]], Any], changes: list[tuple[list[Any], list[Any]]]
) -> Callable[..., Any]:
    def proxy(*args: Any, **kwargs: Any) -> Any:
        answer = exchange({"call": call, "args": encode(list(args)), "kwargs": encode(kwargs)})
        if answer is None:
            raise SystemExit
        if "value" not in answer:
            raise _rebuilt(str(answer.get("raised")), str(answer.get("message")))
        changes.append((list(args), decode(answer["args"])))
        changes.append((list(kwargs.values()), list(decode(answer["kwargs"]).values())))
        return decode(answer["value"])

    return proxy


def _rebuilt(name: str, message: str) -> Exception:
    kind = getattr(builtins, name, None)
    # One that ends iterators without a word would end a test before its asserts: all(map(candidate, inputs)).
    if isinstance(kind, type) and issubclass(kind, Exception) and kind not in _SILENT:
        try:
            return kind(message)
        except TypeError:
            # Such as UnicodeDecodeError, which is made from five values.
            pass
    return CodeUnderTestError(f"{name}: {message}")


def _put_back(before: list[Any], after: list[Any]) -> None:
    """Lets a test see what the call did to the lists, dictionaries and sets it was given."""
    for old, new in zip(before, after, strict=False):
        if type(old) is not type(new):
            continue
        if isinstance(old, list):
            old[:] = new
        elif isinstance(old, dict | set):
            old.clear()
            old.update(new)
