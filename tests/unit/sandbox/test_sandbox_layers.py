"""Each layer alone stops the escapes it is there for, which succeed without it."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from jails import jail_of, need, printed, run

from r1kit.sandbox.inside import landlock
from r1kit.sandbox.inside.attempts import CONNECT, LOCAL_SOCKET, SIGNAL, START_PROCESS, USE_MEMORY
from r1kit.sandbox.interpreter import this_interpreter
from r1kit.sandbox.jail import Jail
from r1kit.sandbox.layers import BUBBLEWRAP, LANDLOCK, LIMITS, NAMESPACES, SECCOMP, Layers
from r1kit.sandbox.probe import OUTSIDE, STOPS, Bait, ways_out

ALONE = [(name, way) for name in (NAMESPACES, LANDLOCK, SECCOMP) for way in sorted(STOPS[name])]

# Each raises an error under the filter, and none without it.
REFUSED_BY_SECCOMP = {
    "a tracer": "import ctypes; assert ctypes.CDLL(None, use_errno=True).ptrace(0, 0, 0, 0) == 0",
    "a file in memory": "import os; os.memfd_create('x')",
    "a signal to the keeper": "import os; os.kill(os.getppid(), 0)",
    "a signal to all": "import os, signal; os.kill(0, 0)",
    "a signal by a descriptor": "import os; os.pidfd_open(os.getpid())",
    "an owner for a pipe's signals": "import fcntl, os; fcntl.fcntl(1, fcntl.F_SETOWN, os.getpid())",
    "a larger pipe": "import fcntl; fcntl.fcntl(1, 1031, 4096)",
    "rights for a file": "import os; os.chmod('.', 0o700)",
    "a time for a file": "import os; os.utime('.')",
    "a connected datagram pair": "import socket; socket.socketpair(type=socket.SOCK_DGRAM)",
    "a packet socket": "import socket; socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)",
    "a lower priority": "import os; os.nice(1)",
    "the scheduler": "import os; os.sched_setaffinity(0, os.sched_getaffinity(0))",
    "a namespace": "import ctypes; assert ctypes.CDLL(None).unshare(0x10000000) == 0",
}

ALLOWED = {
    "threads": "import threading; t = threading.Thread(target=print); t.start(); t.join()",
    "asyncio": "import asyncio; asyncio.run(asyncio.sleep(0.001))",
    "signals to itself": "import signal; signal.signal(signal.SIGUSR1, lambda *_: None); "
    "signal.raise_signal(signal.SIGUSR1)",
    "an alarm": "import signal; signal.signal(signal.SIGALRM, lambda *_: None); "
    "signal.setitimer(signal.ITIMER_REAL, 0.001); signal.pause()",
    "modules of shared libraries": "import sqlite3, ssl, lzma, decimal; sqlite3.connect(':memory:')"
    ".execute('select 1')",
    "time zones": "import zoneinfo, datetime; datetime.datetime.now(zoneinfo.ZoneInfo('UTC'))",
    "random numbers": "import random, secrets; random.random(); secrets.token_hex()",
    "the terminal's absence": "import sys; assert not sys.stdin.isatty() and sys.stdin.read() == ''",
}


@pytest.mark.parametrize(("name", "way"), ALONE)
def test_a_layer_alone_stops_what_it_is_there_for(name: str, way: str, layers: Layers, lure: Bait) -> None:
    need(layers, name)
    assert way not in ways_out(Jail(this_interpreter(), frozenset((name,)), "attempts"), lure)


@pytest.mark.parametrize(("first_abi", "ways"), [(4, {CONNECT}), (6, {SIGNAL, LOCAL_SOCKET})])
def test_a_newer_landlock_stops_more(first_abi: int, ways: set[str], layers: Layers, lure: Bait) -> None:
    need(layers, LANDLOCK)
    if landlock.abi() < first_abi:
        pytest.skip(f"the kernel has version {landlock.abi()} of Landlock, which knows nothing of this")
    assert not ways & ways_out(Jail(this_interpreter(), frozenset((LANDLOCK,)), "attempts"), lure)


def test_without_any_layer_every_escape_succeeds_but_the_memory_is_limited(lure: Bait) -> None:
    open_ways = ways_out(Jail(this_interpreter(), frozenset((LIMITS,)), "attempts"), lure)
    assert open_ways == OUTSIDE | {START_PROCESS}


def test_twice_the_memory_can_be_had_where_it_is_not_above_the_limit(lure: Bait) -> None:
    jail = Jail(this_interpreter(), frozenset((LIMITS,)), "attempts")
    little = Bait(**{**lure.as_request(), "num_bytes": 2**20})
    assert USE_MEMORY in ways_out(jail, little)


def test_neither_landlock_nor_seccomp_is_sufficient_alone(layers: Layers) -> None:
    need(layers, LANDLOCK)
    need(layers, SECCOMP)
    datagram = "import socket; socket.socket(type=socket.SOCK_DGRAM).sendto(b'x', ('127.0.0.1', 9))"
    assert run(datagram, LANDLOCK)[0] == ""
    assert run("open('/etc/passwd').read()", SECCOMP)[0] == ""
    for source in (datagram, "open('/etc/passwd')"):
        assert run(source, LANDLOCK, SECCOMP)[0] == "PermissionError"


def test_another_program_cannot_be_started(layers: Layers) -> None:
    need(layers, SECCOMP)
    source = "import os, sys; os.execv(sys.executable, [sys.executable, '-S', '-c', ''])"
    # Where it can, it takes the place of the life.
    assert run(source)[0] is None
    assert run(source, SECCOMP)[0] == "PermissionError"


def test_all_that_hold_stop_every_escape_together(layers: Layers, lure: Bait) -> None:
    assert not ways_out(Jail(this_interpreter(), layers.names, "attempts"), lure)


@pytest.mark.parametrize("what", REFUSED_BY_SECCOMP)
def test_the_filter_refuses(what: str, layers: Layers) -> None:
    need(layers, SECCOMP)
    assert run(REFUSED_BY_SECCOMP[what])[0] == ""
    assert run(REFUSED_BY_SECCOMP[what], SECCOMP)[0] in ("PermissionError", "OSError", "AssertionError")


@pytest.mark.parametrize("what", ALLOWED)
def test_what_programs_need_works_behind_all_layers(what: str, layers: Layers) -> None:
    assert run(ALLOWED[what], *layers.names)[0] == ""


def test_the_root_folder_holds_python_and_a_work_folder_only(layers: Layers) -> None:
    need(layers, NAMESPACES)
    listing = printed(
        "import os; print(sorted(os.listdir('/')), os.listdir('/dev'), os.listdir('.'))", NAMESPACES
    )
    tops = {Path(folder).parts[1] for folder in this_interpreter().folders}
    links = {name for name in ("lib", "lib64") if Path("/", name).is_symlink()}
    root = sorted(tops | links | {"dev", "box"})
    assert listing == f"{root} ['urandom', 'random', 'zero', 'null'] []\n"


def test_other_peoples_packages_are_out_of_sight(layers: Layers) -> None:
    masks = this_interpreter().masks
    if not masks:
        pytest.skip("this Python has no packages beside its library")
    source = f"import os; print([os.listdir(mask) for mask in {list(masks)}])"
    assert "pip" in printed(source) or not any(Path(masks[0]).iterdir())
    if layers.holds(NAMESPACES):
        assert printed(source, NAMESPACES) == f"{[[] for _ in masks]}\n"
    if layers.holds(LANDLOCK):
        reading = f"import glob; open(glob.glob({masks[0] + '/**/*.py'!r}, recursive=True)[0])"
        assert run(reading)[0] == ""
        assert run(reading, LANDLOCK)[0] in ("PermissionError", "IndexError")


@pytest.mark.parametrize("folder", ["/", "/dev", "{library}"])
def test_only_the_work_folder_can_be_written(folder: str, layers: Layers) -> None:
    need(layers, NAMESPACES)
    path = folder.format(library=this_interpreter().folders[0])
    # Read-only for anyone: not a PermissionError, which an owner of the folder would not get.
    assert run(f"open({path + '/new'!r}, 'w')", NAMESPACES)[0] == "OSError"
    assert run("open('new', 'w').write('x')", *layers.names)[0] == ""


def test_what_is_written_to_the_null_device_is_gone(layers: Layers) -> None:
    need(layers, NAMESPACES)
    assert run("import os; open(os.devnull, 'w').write('x')", *layers.names)[0] == ""
    assert run("open('/dev/zero', 'w')", NAMESPACES, LANDLOCK)[0] == "PermissionError"


def test_without_namespaces_nothing_can_be_written_at_all(layers: Layers) -> None:
    need(layers, LANDLOCK)
    need(layers, SECCOMP)
    assert run("open('new', 'w')")[0] == ""
    assert run("open('new', 'w')", LANDLOCK)[0] == "PermissionError"
    assert run("open('new', 'w')", SECCOMP)[0] == "PermissionError"
    # An older Landlock lets a file that may be read be cut short.
    assert run("import os; os.open(os.__file__, os.O_RDONLY | os.O_TRUNC)", SECCOMP)[0] == "PermissionError"


def test_the_jail_is_nobody_even_for_root(layers: Layers) -> None:
    need(layers, NAMESPACES)
    source = (
        "import os, ctypes\n"
        "libc = ctypes.CDLL(None)\n"
        "held = [libc.prctl(23, capability, 0, 0, 0) for capability in range(41)]\n"
        "print(os.getresuid(), os.getresgid(), os.getgroups(), sum(held), libc.prctl(39, 0, 0, 0, 0))"
    )
    nobody = (65534, 65534, 65534)
    in_jail = printed(source, NAMESPACES).split(" ")
    assert " ".join(in_jail[:6]) == f"{nobody} {nobody}"
    # The bounding set is empty, and no program gives rights back.
    assert in_jail[-2:] == ["0", "1\n"]
    assert run("import os; os.setuid(0)", NAMESPACES)[0] in ("PermissionError", "OSError")


def test_no_more_namespaces_can_be_made(layers: Layers) -> None:
    need(layers, NAMESPACES)
    assert run(REFUSED_BY_SECCOMP["a namespace"], NAMESPACES)[0] == "AssertionError"


def test_there_is_no_network_device_but_loopback(layers: Layers) -> None:
    need(layers, NAMESPACES)
    assert printed("import socket; print(socket.if_nameindex())", NAMESPACES) == "[(1, 'lo')]\n"


def test_the_environment_is_clean_and_the_home_is_the_work_folder(
    layers: Layers, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("R1KIT_TEST_SECRET", "a secret")
    environment = printed(
        "import os; print(dict(os.environ), os.getcwd() == os.environ['HOME'])", *layers.names
    )
    assert "secret" not in environment
    assert environment.endswith("True\n")
    assert "'PYTHONHASHSEED': '0'" in environment


def test_no_descriptor_comes_in_but_those_of_a_life(layers: Layers) -> None:
    read_end, write_end = os.pipe()
    os.set_inheritable(read_end, True)
    source = (
        "import os\nopen_ones = []\nfor fd in range(1000):\n    try: os.fstat(fd); open_ones.append(fd)\n"
        "    except OSError: pass\nprint(open_ones)"
    )
    try:
        assert printed(source, *layers.names) == "[0, 1, 2, 3, 4, 5, 6]\n"
        assert printed(source) == "[0, 1, 2, 3, 4, 5, 6]\n"
    finally:
        os.close(read_end)
        os.close(write_end)


def test_bubblewrap_is_not_for_root() -> None:
    if os.getuid() != 0:
        pytest.skip("needs root")
    from r1kit.sandbox import bubblewrap

    assert bubblewrap.find() is None
    assert BUBBLEWRAP in STOPS
    assert jail_of(BUBBLEWRAP).plan(_limits())["bubblewrap"]


def _limits() -> object:
    from r1kit.sandbox import Limits

    return Limits()
