"""Runs Python programs that nobody trusts: `open_sandbox().start(limits)` is a session with a jailed interpreter.

`sandbox` is the door, `probe` finds out which `layers` hold, `jail` starts a process, `session` and `dialogue` speak
with it within its `limits`, and `outcome` says how it ended. `close_all` ends every session at once, for an interrupt. `inside` is what runs in the jail.
"""

from r1kit.sandbox.layers import Layer, Layers
from r1kit.sandbox.limits import Limits
from r1kit.sandbox.outcome import Ending, Outcome
from r1kit.sandbox.registry import close_all
from r1kit.sandbox.sandbox import Sandbox, open_sandbox
from r1kit.sandbox.session import Session

__all__ = [
    "Ending",
    "Layer",
    "Layers",
    "Limits",
    "Outcome",
    "Sandbox",
    "Session",
    "close_all",
    "open_sandbox",
]
