"""Runs a command as on a machine whose kernel refuses namespaces, Landlock and seccomp filters: python FILE COMMAND.

A filter does it, which all that the command starts inherits. For x86-64.
"""

from __future__ import annotations

import ctypes
import os
import struct
import sys

from r1kit.sandbox.inside.kernel import PR_SET_SECCOMP, forbid_new_privileges, prctl
from r1kit.sandbox.inside.seccomp import (
    ALLOW,
    CLONE_NEW_NAMESPACE,
    EPERM,
    IF_ANY_BIT,
    IF_EQUAL,
    LOAD,
    MODE_FILTER,
    NUMBER_AT,
    RETURN,
)

PRCTL, CLONE = 157, 56
# pivot_root, mount, unshare, setns, seccomp, and the three calls of Landlock
REFUSED = (155, 165, 272, 308, 317, 444, 445, 446)
FIRST_ARGUMENT_AT = 16


def refuse() -> None:
    """From here on, in this process and all below it."""
    program = [(LOAD, 0, 0, NUMBER_AT)]
    for number in REFUSED:
        program += [(IF_EQUAL, 0, 1, number), (RETURN, 0, 0, EPERM)]
    for number, test in (
        (PRCTL, (IF_EQUAL, 0, 1, PR_SET_SECCOMP)),
        (CLONE, (IF_ANY_BIT, 0, 1, CLONE_NEW_NAMESPACE)),
    ):
        program += [(IF_EQUAL, 0, 4, number), (LOAD, 0, 0, FIRST_ARGUMENT_AT), test]
        program += [(RETURN, 0, 0, EPERM), (RETURN, 0, 0, ALLOW)]
    program.append((RETURN, 0, 0, ALLOW))
    packed = b"".join(struct.pack("=HBBI", *line) for line in program)
    code = ctypes.create_string_buffer(packed, len(packed))
    header = ctypes.create_string_buffer(struct.pack("@HP", len(program), ctypes.addressof(code)))
    forbid_new_privileges()
    prctl(PR_SET_SECCOMP, MODE_FILTER, ctypes.addressof(header))


if __name__ == "__main__":
    refuse()
    os.execvp(sys.argv[1], sys.argv[1:])
