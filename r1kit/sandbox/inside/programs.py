"""Python source that nobody trusts, run as a module."""

from __future__ import annotations

import builtins
import sys

from r1kit.sandbox.inside.encoding import encode

# typing costs a young interpreter some milliseconds; what follows is for the type checker alone.
TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

FILE_NAME = "<completion>"
# `site` would bring them, which is not loaded; programs end with them all the same.
vars(builtins).update(exit=sys.exit, quit=sys.exit)


def run_source(source: str, name: str, names: dict[str, Any]) -> dict[str, Any]:
    """The names that `source` defines as the module `name`, which the running program then finds in sys.modules."""
    # A new object of the type of any module: importing `types` under this name could give the code's own.
    module = type(sys)(name)
    sys.modules[name] = module
    namespace = vars(module)
    namespace.update({"__file__": "program.py", **names})
    # Else the future statement of this file would hold in that one.
    exec(compile(source.removeprefix("\ufeff"), FILE_NAME, "exec", dont_inherit=True), namespace)  # noqa: S102
    return namespace


def describe(error: BaseException) -> dict[str, Any]:
    """What was raised, as data; the message is cut."""
    try:
        message = str(error)[:300]
    except BaseException:  # noqa: BLE001  # the code's own __str__
        message = ""
    return {"raised": str(type(error).__name__)[:100], "message": encode(message)}
