"""Landlock: this process and its children read Python and write the work folder, and nothing else. landlock(7)."""

from __future__ import annotations

import ctypes
import os
import stat
import struct
from collections.abc import Iterable

from r1kit.sandbox.inside.kernel import syscall

CREATE_RULESET, ADD_RULE, RESTRICT_SELF = 444, 445, 446
GET_ABI = 1
PATH_BENEATH = 1
QUIET = 1

EXECUTE, WRITE_FILE, READ_FILE, READ_DIR = 1 << 0, 1 << 1, 1 << 2, 1 << 3
REMOVE_DIR, REMOVE_FILE, MAKE_DIR, MAKE_REG = 1 << 4, 1 << 5, 1 << 7, 1 << 8
REFER, TRUNCATE = 1 << 13, 1 << 14
FILE_RIGHTS = EXECUTE | WRITE_FILE | READ_FILE | TRUNCATE

# The number of rights each version of the interface knows, and the versions that brought the other two kinds.
NUM_RIGHTS = {1: 13, 2: 14, 3: 15, 4: 15, 5: 16}
ABI_TCP, ABI_SCOPES, ABI_QUIET = 4, 6, 7
BIND_AND_CONNECT = 0b11
ABSTRACT_SOCKETS_AND_SIGNALS = 0b11

READ = READ_FILE | READ_DIR
CHANGE = READ | WRITE_FILE | REMOVE_DIR | REMOVE_FILE | MAKE_DIR | MAKE_REG | REFER | TRUNCATE


def abi() -> int:
    """The version of Landlock that the kernel speaks. Raises OSError where it has none."""
    return syscall("landlock_create_ruleset", CREATE_RULESET, None, 0, GET_ABI)


def restrict(read: Iterable[str], lists: Iterable[str], write: Iterable[str]) -> None:
    """Nothing outside the given paths can be opened from now on; no TCP, no signal leaves where the kernel can tell.

    `read` may be read, `lists` listed only, and `write` changed. Needs no-new-privs. Raises OSError.
    """
    version = abi()
    handled = (1 << NUM_RIGHTS[min(version, max(NUM_RIGHTS))]) - 1
    rules = _ruleset(version, handled)
    try:
        for paths, rights in ((read, READ), (lists, READ_DIR), (write, CHANGE)):
            for path in paths:
                _allow(rules, path, rights & handled)
        syscall("landlock_restrict_self", RESTRICT_SELF, rules, QUIET if version >= ABI_QUIET else 0)
    finally:
        os.close(rules)


def _ruleset(version: int, handled: int) -> int:
    fields = [handled]
    if version >= ABI_TCP:
        fields.append(BIND_AND_CONNECT)
    if version >= ABI_SCOPES:
        fields.append(ABSTRACT_SOCKETS_AND_SIGNALS)
    packed = struct.pack(f"={len(fields)}Q", *fields)
    return syscall("landlock_create_ruleset", CREATE_RULESET, packed, len(packed), 0)


def _allow(rules: int, path: str, rights: int) -> None:
    fd = os.open(path, os.O_PATH | os.O_CLOEXEC)
    try:
        if not stat.S_ISDIR(os.fstat(fd).st_mode):
            rights &= FILE_RIGHTS
        rule = ctypes.create_string_buffer(struct.pack("=Qi", rights, fd), 12)
        syscall("landlock_add_rule", ADD_RULE, rules, PATH_BENEATH, rule, 0)
    finally:
        os.close(fd)
