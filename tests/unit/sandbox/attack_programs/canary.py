"""What the attacks would like to reach, and what has to be as before after each of them."""

from __future__ import annotations

import contextlib
import os
import secrets
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from attack_programs import Bait

TOKEN = "R1KIT_ATTACK_TOKEN"
# pytest writes the name of each test there.
PYTEST = "PYTEST_CURRENT_TEST"
# Where a program could leave something behind, besides the folder for temporary files.
PLACES = ("/tmp", "/var/tmp", "/dev/shm", "/", str(Path.cwd()))


@contextlib.contextmanager
def laid_out(folder: Path) -> Iterator[tuple[Bait, Canary]]:
    """Files, listening sockets, a secret in the environment, an open descriptor that is inherited, and a process."""
    with contextlib.ExitStack() as stack:
        secret = f"secret-{secrets.token_hex(8)}"
        file = folder / "secret"
        file.write_text(secret)
        file.chmod(0o666)
        folder.chmod(0o777)
        held = os.open(file, os.O_RDWR)
        os.set_inheritable(held, True)
        stack.callback(os.close, held)
        network = stack.enter_context(socket.create_server(("127.0.0.1", 0)))
        # Not every machine has version six; then there is nothing to be reached by it.
        has_six = socket.has_ipv6 and Path("/proc/net/if_inet6").exists()
        loopback, family = ("::1", socket.AF_INET6) if has_six else ("127.0.0.1", socket.AF_INET)
        network6 = stack.enter_context(socket.create_server((loopback, 0), family=family))
        datagrams = stack.enter_context(socket.socket(type=socket.SOCK_DGRAM))
        datagrams.bind(("127.0.0.1", 0))
        abstract, path = f"r1kit-{secrets.token_hex(8)}", str(folder / "socket")
        listening = [network, network6, datagrams]
        for address in (f"\0{abstract}", path):
            line = stack.enter_context(socket.socket(socket.AF_UNIX))
            line.bind(address)
            line.listen()
            listening.append(line)
        victim = stack.enter_context(_victim())
        bait = Bait(
            folder=str(folder),
            secret_file=str(file),
            secret=secret,
            writable=str(folder / "written"),
            port=network.getsockname()[1],
            port6=network6.getsockname()[1],
            datagram_port=datagrams.getsockname()[1],
            abstract=abstract,
            socket_path=path,
            victim=victim.pid,
            parent=os.getpid(),
            mark=f"r1kit-mark-{secrets.token_hex(8)}",
        )
        yield bait, Canary(bait, victim, listening)


@contextlib.contextmanager
def _victim() -> Iterator[subprocess.Popen[bytes]]:
    """A process that waits for the end of its input, in a group of its own."""
    wait = "import sys; sys.stdin.read()"
    executable = str(Path(sys.executable).resolve())
    with subprocess.Popen(
        [executable, "-I", "-S", "-c", wait], stdin=subprocess.PIPE, start_new_session=True
    ) as process:
        try:
            yield process
        finally:
            process.kill()


class Canary:
    """Everything that no attack may change, as it is now; `check` says whether it still is."""

    def __init__(self, bait: Bait, victim: subprocess.Popen[bytes], listening: list[socket.socket]) -> None:
        self._bait = bait
        self._victim = victim
        self._listening = listening
        for line in listening:
            line.setblocking(False)
        self._before = self._state()
        self._around = around()

    def check(self) -> None:
        """Raises AssertionError where something was touched, or is left."""
        assert self._victim.poll() is None, "the process next door is gone"
        assert state_of(self._victim.pid) == "S", "the process next door was stopped"
        assert not [line for line in self._listening if _has_visitor(line)], "a port was reached"
        wait_until_left(self._around)
        now = self._state()
        assert now == self._before, _difference(self._before, now)

    def forget_visitors(self) -> None:
        """Let those who came go, where this is no harm."""
        for line in self._listening:
            while _has_visitor(line):
                pass

    def _state(self) -> dict[str, object]:
        bait = self._bait
        folder = Path(bait.folder)
        return {
            "environment": hash(frozenset(set(os.environ.items()) - {(PYTEST, os.environ.get(PYTEST, ""))})),
            "folder": names_in(folder),
            "secret": (folder / "secret").read_text(),
            "rights": (folder / "secret").stat().st_mode,
            "current folder": str(Path.cwd()),
            "temporary files": names_in(tempfile.gettempdir()),
            "marked": [str(path) for place in PLACES for path in Path(place).glob(f"*{bait.mark}*")],
            "priority": os.getpriority(os.PRIO_PROCESS, 0),
        }


def names_in(folder: str | Path) -> list[str]:
    """What is in a folder."""
    return sorted(path.name for path in Path(folder).iterdir())


def descriptors() -> list[str]:
    """Those that this process has open."""
    # The one that reads the folder is closed again, so that the number is the same each time.
    return [name for name in names_in("/proc/self/fd") if Path("/proc/self/fd", name).is_symlink()]


def around() -> tuple[list[str], set[int]]:
    """The descriptors of this process, and the processes below it."""
    return descriptors(), below(os.getpid())


def wait_until_left(before: tuple[list[str], set[int]], seconds: float = 5.0) -> None:
    """Raises AssertionError unless all that is around was there before; what has ended is reaped a little later."""
    until = time.monotonic() + seconds
    while descriptors() != before[0] or not below(os.getpid()) <= before[1]:
        assert time.monotonic() < until, f"{before} -> {around()}"
        time.sleep(0.005)


def below(pid: int) -> set[int]:
    """All processes below one, zombies too."""
    children: dict[int, list[int]] = {}
    for name in filter(str.isdigit, names_in("/proc")):
        with contextlib.suppress(OSError):
            parent = int(Path(f"/proc/{name}/stat").read_text().rpartition(")")[2].split()[1])
            children.setdefault(parent, []).append(int(name))
    found: set[int] = set()
    waiting = [pid]
    while waiting:
        more = children.get(waiting.pop(), [])
        found.update(more)
        waiting += more
    return found


def state_of(pid: int) -> str:
    """The letter of proc(5): S sleeps, T is stopped, Z is a zombie."""
    return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]


def _has_visitor(line: socket.socket) -> bool:
    try:
        if line.type == socket.SOCK_DGRAM:
            return bool(line.recv(100))
        line.accept()[0].close()
        return True
    except BlockingIOError:
        return False


def _difference(before: dict[str, object], now: dict[str, object]) -> str:
    changed = [name for name in before if before[name] != now[name]]
    return "; ".join(f"{name}: {_new(before[name], now[name])}" for name in changed)


def _new(before: object, now: object) -> object:
    if isinstance(before, list) and isinstance(now, list):
        return f"+{sorted(set(now) - set(before))} -{sorted(set(before) - set(now))}"
    return f"{before} -> {now}"
