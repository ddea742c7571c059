"""The door opens only where a sandbox holds, and says what to do where none does."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
from jails import ask, jail_of, need

import r1kit
from r1kit.core.errors import SandboxError
from r1kit.sandbox import Ending, Layer, Layers, Limits, Sandbox, open_sandbox
from r1kit.sandbox.interpreter import this_interpreter
from r1kit.sandbox.jail import Jail, num_others
from r1kit.sandbox.layers import BUBBLEWRAP, LANDLOCK, LIMITS, NAMESPACES, SECCOMP
from r1kit.sandbox.probe import Bait, try_layer
from r1kit.sandbox.sandbox import refuse_other_systems, require_sufficient
from r1kit.sandbox.session import Session

# Run as another user, by a Python that is no virtual environment: what it finds, and whether a jail works.
AS_ANOTHER = """
from r1kit.sandbox import open_sandbox
from r1kit.sandbox.interpreter import this_interpreter
from r1kit.sandbox.jail import Jail, num_others
from r1kit.sandbox.probe import bait, try_bubblewrap, ways_out
sandbox = open_sandbox()
with sandbox.start() as session:
    print(*sorted(sandbox.layers.names), session.ask({"source": "import os; assert os.getuid() == 65534 or 1",
                                                      "name": "__main__"}))
with bait() as lure:
    layer = try_bubblewrap(this_interpreter(), lure)
    print(layer.holds, layer.detail)
    for names in ({"bubblewrap", "landlock", "seccomp"}, {"landlock", "seccomp"}):
        if layer.holds or "bubblewrap" not in names:
            print(ways_out(Jail(this_interpreter(), frozenset(names), "attempts"), lure) or "none")
"""


def found(*names: str) -> Layers:
    every = (NAMESPACES, BUBBLEWRAP, LANDLOCK, SECCOMP, LIMITS)
    return Layers(tuple(Layer(name, name in names, f"why {name}") for name in every))


@pytest.mark.parametrize(
    "names",
    [
        (NAMESPACES, SECCOMP, LIMITS),
        (BUBBLEWRAP, SECCOMP, LIMITS),
        (LANDLOCK, SECCOMP, LIMITS),
        (NAMESPACES, LANDLOCK, SECCOMP, LIMITS),
    ],
)
def test_these_sets_are_sufficient(names: tuple[str, ...]) -> None:
    require_sufficient(found(*names))
    assert found(*names).is_sufficient


@pytest.mark.parametrize(
    "names",
    [(), (LIMITS,), (NAMESPACES, LIMITS), (NAMESPACES, SECCOMP), (LANDLOCK, LIMITS), (SECCOMP, LIMITS)],
)
def test_anything_less_is_refused_with_the_way_out(names: tuple[str, ...]) -> None:
    with pytest.raises(SandboxError) as raised:
        require_sufficient(found(*names))
    text = str(raised.value)
    assert raised.value.exit_code == 4
    assert "apt install bubblewrap" in text
    assert "--sandbox.unsafe" in text
    assert all((f"why {name}" in text) == (name not in names) for name in (NAMESPACES, LANDLOCK, SECCOMP))


@pytest.mark.parametrize(
    ("platform", "text"),
    [
        ("darwin", "this is macOS; use a Linux"),
        ("win32", "this is Windows; use WSL 2"),
        ("freebsd14", "freebsd14"),
    ],
)
def test_other_systems_are_refused_clearly(platform: str, text: str) -> None:
    with pytest.raises(SandboxError, match=text):
        refuse_other_systems(platform, "x86_64")


def test_a_machine_whose_calls_are_not_known_is_refused() -> None:
    with pytest.raises(SandboxError, match="this machine is riscv64"):
        refuse_other_systems("linux", "riscv64")
    refuse_other_systems("linux", "aarch64")


def test_the_sandbox_of_this_machine_says_what_holds(sandbox: Sandbox) -> None:
    assert sandbox.layers.is_sufficient
    assert not sandbox.layers.is_unsafe
    assert [layer.name for layer in sandbox.layers.found] == [
        NAMESPACES,
        BUBBLEWRAP,
        LANDLOCK,
        SECCOMP,
        LIMITS,
    ]
    assert all(layer.detail for layer in sandbox.layers.found)
    assert sandbox.jail.layers == sandbox.layers.names


def test_unsafe_has_the_limits_and_a_clean_environment_only(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("R1KIT_TEST_SECRET", "a secret")
    sandbox = open_sandbox(unsafe=True)
    assert sandbox.layers.is_unsafe
    assert sandbox.jail.layers == {LIMITS}
    with sandbox.start(Limits(memory_bytes=64 * 2**20)) as session:
        assert ask(session, "open('/etc/passwd').read()") == {"loaded": True}
        assert (ask(session, "bytearray(2**27)") or {})["raised"] == "MemoryError"
        assert ask(session, "import os; assert 'R1KIT_TEST_SECRET' not in os.environ") == {"loaded": True}


def test_a_layer_that_fails_after_all_is_an_error_of_the_sandbox_and_never_left_out(sandbox: Sandbox) -> None:
    need(sandbox.layers, NAMESPACES)
    broken = replace(this_interpreter(), folders=("/no/such/folder",))
    with Session(Jail(broken, frozenset((NAMESPACES,))), Limits()) as session:
        assert ask(session, "pass") is None
        outcome = session.close()
    assert outcome.ending is Ending.SANDBOX_ERROR
    assert outcome.detail.startswith("the jail could not be entered: FileNotFoundError: [Errno 2] mount")


def test_a_layer_of_the_life_that_fails_is_an_error_of_the_sandbox_too(sandbox: Sandbox) -> None:
    need(sandbox.layers, LANDLOCK)
    broken = replace(this_interpreter(), folders=("/no/such/folder",))
    with Session(Jail(broken, frozenset((LANDLOCK,))), Limits()) as session:
        assert ask(session, "pass") is None
        assert session.renew() is None
        outcome = session.close()
    assert (outcome.ending, "FileNotFoundError" in outcome.detail) == (Ending.SANDBOX_ERROR, True)


def test_a_life_that_cannot_be_sealed_later_on_is_an_error_of_the_sandbox(
    sandbox: Sandbox, tmp_path: Path
) -> None:
    need(sandbox.layers, LANDLOCK)
    folder = tmp_path / "readable"
    folder.mkdir()
    vanishing = replace(this_interpreter(), folders=(*this_interpreter().folders, str(folder)))
    with Session(Jail(vanishing, frozenset((LANDLOCK,))), Limits()) as session:
        assert ask(session, "pass") == {"loaded": True}
        folder.rmdir()
        assert session.renew() is None
        outcome = session.close()
    assert (outcome.ending, "FileNotFoundError" in outcome.detail) == (Ending.SANDBOX_ERROR, True)


def test_a_layer_that_lets_an_escape_through_does_not_hold(
    lure: Bait, monkeypatch: pytest.MonkeyPatch
) -> None:
    # With the limits on alone, everything that namespaces have to stop is open.
    monkeypatch.setitem(
        __import__("r1kit.sandbox.probe", fromlist=["x"]).STOPS, "nothing", frozenset(("reads files",))
    )
    layer = try_layer(this_interpreter(), "nothing", lure)
    assert (layer.holds, layer.detail) == (False, "a program in it reads files")


def test_an_interpreter_that_does_not_start_is_an_error_of_the_sandbox() -> None:
    broken = replace(this_interpreter(), executable="/no/such/python")
    with pytest.raises(SandboxError, match="the sandbox cannot start a process"):
        Sandbox(found(LIMITS), Jail(broken, frozenset((LIMITS,)))).start()


@pytest.mark.skipif(os.getuid() != 0, reason="needs root, to become another user")
def test_an_ordinary_user_has_a_sandbox_too(tmp_path_factory: pytest.TempPathFactory) -> None:
    python = shutil.which("python3", path="/usr/bin:/bin")
    if python is None or not _is_new_enough(python):
        pytest.skip("there is no Python 3.11 that every user may run")
    folder = Path("/tmp", f"r1kit-test-{os.getpid()}")
    try:
        shutil.copytree(Path(r1kit.__file__).parent / "sandbox", folder / "r1kit" / "sandbox")
        shutil.copytree(Path(r1kit.__file__).parent / "core", folder / "r1kit" / "core")
        (folder / "r1kit" / "__init__.py").touch()
        done = _as_nobody([python, "-c", AS_ANOTHER], folder)
    finally:
        shutil.rmtree(folder)
    assert done.stderr == ""
    names, *rest = done.stdout.splitlines()
    assert names.endswith("{'loaded': True}")
    assert not rest[1:] or set(rest[1:]) == {"none"}
    # Landlock and seccomp need no permission from anyone.
    assert "landlock" not in names or rest[-1] == "none"


def _is_new_enough(python: str) -> bool:
    code = "import sys; sys.exit(sys.version_info < (3, 11))"
    return subprocess.run([python, "-c", code], check=False).returncode == 0


def _as_nobody(command: list[str], folder: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        command, user=65534, group=65534, extra_groups=(), cwd="/", env={"PYTHONPATH": str(folder)},
        capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip


def test_the_jail_of_a_name_is_what_the_child_is_told() -> None:
    plan = jail_of(NAMESPACES, SECCOMP).plan(Limits(memory_bytes=5))
    assert (plan["namespaces"], plan["bubblewrap"], plan["landlock"], plan["seccomp"]) == (
        True,
        False,
        False,
        True,
    )
    assert plan["limits"]["memory_bytes"] == 5
    assert sys.prefix not in plan["folders"]


def test_processes_are_counted_apart_by_newer_kernels_in_namespaces_only() -> None:
    assert num_others({NAMESPACES}, "6.18.44-generic") == num_others({NAMESPACES}, "5.14.0") == 2
    assert num_others({BUBBLEWRAP}, "5.14") == 1
    for layers, release in (
        ({NAMESPACES}, "5.13.19"),
        ({NAMESPACES}, "4.19.0-27-amd64"),
        ({SECCOMP}, "6.18.44"),
    ):
        assert num_others(layers, release) > 512


AS_ON_WINDOWS = """
import os, subprocess, sys
import lark, mpmath, r1kit.config.stages  # what is loaded before knows the real system
sys.platform = "win32"
sys.modules.update(fcntl=None, resource=None)
del os.register_at_fork
import r1kit.rewards.compose, r1kit.tasks.problems
from r1kit.sandbox import open_sandbox
try:
    open_sandbox()
except Exception as error:
    print(type(error).__name__, error)
"""


def test_where_the_modules_of_posix_are_missing_the_refusal_is_as_clear() -> None:
    done = subprocess.run([sys.executable, "-c", AS_ON_WINDOWS], capture_output=True, text=True, check=True)
    assert done.stdout.startswith(
        "SandboxError untrusted code runs on Linux only, and this is Windows; use WSL 2"
    )
