"""Programs that attack the machine around them: each ends as it has to, and nothing is touched or left."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from attack_programs import CONTAINED, Attack, Bait, whole
from attack_programs.canary import TOKEN, Canary, laid_out
from attack_programs.escapes import ESCAPES
from attack_programs.kernel import KERNEL
from attack_programs.resources import RESOURCES
from jails import ask, jail_of

from r1kit.sandbox import Ending, Layers, Limits
from r1kit.sandbox.interpreter import this_interpreter
from r1kit.sandbox.jail import Jail
from r1kit.sandbox.layers import BUBBLEWRAP, LANDLOCK, NAMESPACES, SECCOMP
from r1kit.sandbox.probe import bait as probe_bait
from r1kit.sandbox.probe import try_bubblewrap
from r1kit.sandbox.session import Session

ATTACKS = (*RESOURCES, *ESCAPES, *KERNEL)
# The ways of the jail: with everything, and what is left where the host forbids user namespaces.
OWN, FILTERED, WRAPPED = "own namespaces", "no namespaces", "bubblewrap"
# bubblewrap is never used for root, who needs nobody's permission for namespaces.
WAYS = [OWN, FILTERED] if os.getuid() == 0 else [OWN, FILTERED, WRAPPED]


@pytest.fixture(scope="module")
def surroundings(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Bait, Canary]]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(tempfile, "tempdir", str(tmp_path_factory.mktemp("temporary")))
        patch.setenv(TOKEN, "a secret of the environment")
        with Session(jail_of(), Limits()) as session:
            # From now on the process that forks all jails is there.
            assert ask(session, "pass") == {"loaded": True}
        with laid_out(tmp_path_factory.mktemp("host")) as laid:
            yield laid


@pytest.fixture(scope="module")
def wrapped() -> str:
    """Why bubblewrap is not to be tried here, or nothing."""
    with probe_bait() as lure:
        layer = try_bubblewrap(this_interpreter(), lure)
    return "" if layer.holds else f"bubblewrap {layer.detail}"


def jail(way: str, layers: Layers, why_not_wrapped: str) -> Jail:
    kernel = [name for name in (LANDLOCK, SECCOMP) if layers.holds(name)]
    if way == OWN:
        if not layers.holds(NAMESPACES):
            pytest.skip("namespaces do not hold on this machine")
        return jail_of(NAMESPACES, *kernel)
    if way == WRAPPED:
        if why_not_wrapped:
            pytest.skip(why_not_wrapped)
        return jail_of(BUBBLEWRAP, *kernel)
    if len(kernel) < 2:
        pytest.skip("Landlock and seccomp do not both hold on this machine")
    return jail_of(*kernel)


def how_it_ended(attack: Attack, bait: Bait, jail: Jail) -> tuple[Ending | str, str]:
    """CONTAINED, the exception it raised, or the ending of its life; and a few words."""
    bait = replace(bait, has_filter=SECCOMP in jail.layers)
    with Session(jail, attack.limits) as session:
        reply = ask(session, whole(attack, bait))
        if reply is not None:
            assert session.close().ending is not Ending.SANDBOX_ERROR
            return reply.get("raised", CONTAINED), str(reply)
        outcome = session.close()
    assert bait.secret.encode() not in outcome.stdout + outcome.stderr
    return outcome.ending, f"{outcome.detail} {outcome.stderr[-300:]!r}"


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("attack", ATTACKS, ids=lambda attack: attack.name)
def test_this_is_contained(
    attack: Attack, way: str, surroundings: tuple[Bait, Canary], layers: Layers, wrapped: str
) -> None:
    behind = jail(way, layers, wrapped)
    if missing := set(attack.needs) - behind.layers:
        pytest.skip(f"without {', '.join(missing)} this is no attack that the jail can stop")
    bait, canary = surroundings
    ended, words = how_it_ended(attack, bait, behind)
    canary.check()
    assert ended in attack.ends, words


@pytest.mark.parametrize("attack", [one for one in ATTACKS if one.is_real], ids=lambda attack: attack.name)
def test_without_a_jail_the_same_program_gets_out(
    attack: Attack, surroundings: tuple[Bait, Canary], tmp_path: Path
) -> None:
    bait, canary = surroundings
    executable = str(Path(sys.executable).resolve())
    done = subprocess.run(
        [executable, "-S", "-c", whole(attack, bait)],
        capture_output=True,
        check=False,
        text=True,
        cwd=tmp_path,
        close_fds=False,
        timeout=20,
        start_new_session=True,
    )
    if attack in KERNEL and done.returncode == 0:
        pytest.skip("this machine, such as a container, refuses it to everyone")
    assert "Escaped" in done.stderr, done.stderr[-500:]
    canary.forget_visitors()


def test_each_attack_has_its_own_name() -> None:
    names = [attack.name for attack in ATTACKS]
    assert len(set(names)) == len(names)
