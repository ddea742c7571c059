"""The end of the line where nobody is trusted: loads a program, calls its functions, and answers with plain data.

A reply holds what the code returned, printed or raised, and never what was expected of it, which is not in this process.
So the code may do to this file what it likes: a forged reply is one more wrong value. The requests:

- `{"source", "name"}` loads a program as the module `name`: `{"loaded": true}`;
- `{"call", "args", "kwargs"}` calls what the expression `call` names with fresh arguments: `{"value"}`. With `"keep"`
  the reply has the arguments too, as the call left them; with `"truth"` the value is whether it is true;
- `{"evaluate", "setup"}` evaluates an expression in a copy of the program's names, after `setup`: `{"value"}`;
- `{"collect"}` runs a source that names its values by `__emit__(name, value)`: `{"values": {name: value}}`;
- `{"judge", "setup", "names"}` runs a benchmark's test; see `proxies`;
- `{"script", "stdin", "most"}` runs a whole program; see `script`.

Any of them may be answered by `{"raised": type, "message"}`.
"""

from __future__ import annotations

from r1kit.sandbox.inside.encoding import encode
from r1kit.sandbox.inside.programs import describe, run_source
from r1kit.sandbox.inside.proxies import judge
from r1kit.sandbox.inside.script import run_script
from r1kit.sandbox.inside.values import decode

# typing costs a young interpreter some milliseconds; what follows is for the type checker alone.
TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any


def serve(read: Callable[[], dict[str, Any] | None], write: Callable[[dict[str, Any]], None]) -> None:
    """Answers requests until there are none."""
    program: dict[str, Any] = {}

    def exchange(message: dict[str, Any]) -> dict[str, Any] | None:
        write(message)
        return read()

    while (request := read()) is not None:
        try:
            reply = _answer(request, program, exchange)
        # SystemExit and KeyboardInterrupt, too, are the code's own doing.
        except BaseException as error:  # noqa: BLE001
            reply = describe(error)
        write(reply)


def _answer(
    request: dict[str, Any], program: dict[str, Any], exchange: Callable[[dict[str, Any]], Any]
) -> dict[str, Any]:
    if "source" in request:
        program.clear()
        program.update(run_source(request["source"], request["name"], {}))
        return {"loaded": True}
    if "call" in request:
        return _call(request, program)
    if "evaluate" in request:
        names = run_source(request["setup"], "setup", program)
        return {"value": _encoded(eval(request["evaluate"], names), request)}  # noqa: S307
    if "collect" in request:
        return _collect(request["collect"])
    if "judge" in request:
        return judge(request, exchange)
    return run_script(request)


def _call(request: dict[str, Any], program: dict[str, Any]) -> dict[str, Any]:
    function = eval(request["call"], program)  # noqa: S307
    args, kwargs = decode(request["args"]), decode(request["kwargs"])
    value = function(*args, **kwargs)
    reply = {"value": _encoded(value, request)}
    if request.get("keep"):
        reply["args"], reply["kwargs"] = encode(args), encode(kwargs)
    return reply


def _encoded(value: Any, request: dict[str, Any]) -> Any:
    return encode(bool(value) if request.get("truth") else value)


def _collect(source: str) -> dict[str, Any]:
    values: dict[str, Any] = {}

    def emit(name: str, value: Any) -> None:
        values[name] = encode(value)

    run_source(source, "tests", {"__emit__": emit})
    return {"values": values}
