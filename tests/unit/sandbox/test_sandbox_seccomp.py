"""The filter, run by a small machine of our own: what it says on processors that the tests do not run on."""

from __future__ import annotations

import re
import struct
from pathlib import Path

import pytest

from r1kit.sandbox.inside import seccomp, syscalls

ALLOW, EPERM, ENOSYS, KILL = seccomp.ALLOW, seccomp.EPERM, seccomp.ENOSYS, seccomp.KILL
MACHINES = tuple(syscalls.TABLES)
OWN_PID = 7
HEADERS = {
    "x86_64": Path("/usr/include/x86_64-linux-gnu/asm/unistd_64.h"),
    "aarch64": Path("/usr/include/asm-generic/unistd.h"),
}


def verdict(
    machine: str, call: str | int, *arguments: int, read_only: bool = False, arch: int | None = None
) -> int:
    """What the filter returns for a call, by the rules of the kernel's classic BPF."""
    number = syscalls.numbers(machine)[call] if isinstance(call, str) else call
    audit = syscalls.ARCHITECTURES[machine] if arch is None else arch
    data = struct.pack("<IIQ6Q", number, audit, 0, *(*arguments, *[0] * 6)[:6])
    lines = seccomp.program(machine, OWN_PID, read_only)
    at = accumulator = 0
    while True:
        code, jump_true, jump_false, value = lines[at]
        at += 1
        match code:
            case 0x20:
                accumulator = struct.unpack_from("<I", data, value)[0]
            case 0x54:
                accumulator &= value
            case 0x06:
                return value
            case _:
                holds = {
                    0x15: accumulator == value,
                    0x25: accumulator > value,
                    0x35: accumulator >= value,
                    0x45: bool(accumulator & value),
                }[code]
                at += jump_true if holds else jump_false


@pytest.mark.parametrize("machine", MACHINES)
def test_every_harmless_call_is_allowed_and_every_other_number_is_not(machine: str) -> None:
    table = syscalls.numbers(machine)
    free = {
        table[name] for name in syscalls.HARMLESS | syscalls.CHANGING | {"open", "openat"} if name in table
    }
    conditional = {"clone", "clone3", "kill", "tgkill", "prlimit64", "prctl", "ioctl", "fcntl", "socketpair"}
    asked = {table[name] for name in conditional}
    for number in range(600):
        expected = ALLOW if number in free else ENOSYS if number >= 424 else EPERM
        if number not in asked:
            assert verdict(machine, number) == expected, number
    assert free | asked == set(table.values())


@pytest.mark.parametrize("machine", MACHINES)
def test_calls_are_allowed_by_their_arguments(machine: str) -> None:
    thread = 0x3D0F00
    assert verdict(machine, "clone", thread) == ALLOW
    assert verdict(machine, "clone", 0x11) == EPERM
    assert verdict(machine, "clone", thread | 0x10000000) == EPERM
    assert verdict(machine, "clone3", thread) == ENOSYS
    for name in ("kill", "tgkill"):
        assert verdict(machine, name, OWN_PID, 9) == ALLOW
        for pid in (0, 1, OWN_PID + 1, 2**32 - 1):
            assert verdict(machine, name, pid, 9) == EPERM
    assert verdict(machine, "prlimit64", 0) == verdict(machine, "prlimit64", OWN_PID) == ALLOW
    assert verdict(machine, "prlimit64", 1) == EPERM
    assert verdict(machine, "prctl", 15) == ALLOW
    assert {verdict(machine, "prctl", option) for option in (1, 4, 22, 24, 38, 47)} == {EPERM}
    assert verdict(machine, "ioctl", 1, 0x5401) == ALLOW
    assert {verdict(machine, "ioctl", 1, request) for request in (0x5412, 0x5452, 0x8901)} == {EPERM}
    assert verdict(machine, "fcntl", 1, 4) == ALLOW
    assert {verdict(machine, "fcntl", 1, command) for command in (8, 10, 15, 1024, 1026, 1031)} == {EPERM}


@pytest.mark.parametrize("machine", MACHINES)
def test_the_only_socket_is_a_pair_of_local_streams(machine: str) -> None:
    assert verdict(machine, "socketpair", 1, 1 | 0o2000000) == ALLOW
    assert verdict(machine, "socketpair", 1, 2) == EPERM
    assert verdict(machine, "socketpair", 2, 1) == EPERM
    assert "socket" not in syscalls.numbers(machine)


@pytest.mark.parametrize("machine", MACHINES)
def test_a_read_only_filter_opens_files_to_read_only(machine: str) -> None:
    assert verdict(machine, "openat", 0, 0, 0o2000000, read_only=True) == ALLOW
    for flag in (0o100, 0o1000, 0o20200000):
        assert verdict(machine, "openat", 0, 0, flag, read_only=True) == EPERM
        assert verdict(machine, "openat", 0, 0, flag) == ALLOW
    assert verdict(machine, "unlinkat", read_only=True) == EPERM
    assert verdict(machine, "truncate", read_only=True) == EPERM


def test_the_numbers_of_another_interface_end_the_process() -> None:
    assert verdict("x86_64", "read", arch=0x40000003) == KILL
    assert verdict("x86_64", 0x40000000 | 57) == KILL
    assert verdict("aarch64", "read", arch=0x40000028) == KILL


@pytest.mark.parametrize("machine", MACHINES)
def test_no_jump_leads_out_of_the_filter(machine: str) -> None:
    for read_only in (False, True):
        lines = seccomp.program(machine, OWN_PID, read_only)
        assert len(lines) < 4096
        for at, (code, jump_true, jump_false, _) in enumerate(lines):
            if code in (0x15, 0x25, 0x35, 0x45):
                assert at + 1 + max(jump_true, jump_false) < len(lines)
                assert max(jump_true, jump_false) < 256
        assert lines[-1][0] == 0x06


@pytest.mark.parametrize("machine", MACHINES)
def test_the_numbers_are_those_of_linux(machine: str) -> None:
    if not HEADERS[machine].exists():
        pytest.skip(f"{HEADERS[machine]} is not installed")
    text = HEADERS[machine].read_text()
    theirs = {
        name: int(number) for name, number in re.findall(r"#define __NR(?:3264)?_(\w+)\s+(\d+)\s", text)
    }
    theirs.setdefault("newfstatat", theirs.get("fstatat", -1))
    assert {name: theirs.get(name) for name in syscalls.numbers(machine)} == syscalls.numbers(machine)
