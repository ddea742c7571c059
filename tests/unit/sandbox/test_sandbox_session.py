"""One conversation: answers, lives, and everything a life can do to the protocol."""

from __future__ import annotations

import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from jails import ask, need

from r1kit.sandbox import Ending, Limits, Sandbox
from r1kit.sandbox.layers import NAMESPACES

# What a life writes to the line of answers, and how that ends.
FORGED = {
    "no JSON": ("import os; os.write(6, b'x\\n')", "its answer is no JSON object"),
    "no object": ("import os; os.write(6, b'[1]\\n')", "its answer is no JSON object"),
    "no text": ("import os; os.write(6, b'\\xff\\n')", "its answer is no JSON object"),
    "an empty line": ("import os; os.write(6, b'\\n')", "its answer is no JSON object"),
    "depth": ("import os; os.write(6, b'{\"a\":' * 100_000 + b'\\n')", "its answer is no JSON object"),
    "a huge number": (
        "import os; os.write(6, b'{\"a\":' + b'9' * 100_000 + b'}\\n')",
        "its answer is no JSON object",
    ),
}


def num_descriptors() -> int:
    return len(list(Path("/proc/self/fd").iterdir()))


def test_a_question_gets_an_answer_and_the_life_remembers(sandbox: Sandbox) -> None:
    with sandbox.start() as session:
        assert ask(session, "import builtins; builtins.kept = 41") == {"loaded": True}
        assert ask(session, "assert kept == 41") == {"loaded": True}
        assert (ask(session, "missing") or {})["raised"] == "NameError"
        outcome = session.close()
    assert (outcome.ending, outcome.exit_code, outcome.signal) == (Ending.EXITED, None, None)


def test_another_life_finds_nothing_of_the_one_before(sandbox: Sandbox) -> None:
    leave = (
        "import os, builtins\nbuiltins.kept = 41\nos.write(3, b'x')\n"
        "for fd in (1, 2, 5, 6): os.set_blocking(fd, False)"
    )
    find = (
        "import os\nassert os.fstat(3).st_size == 0\n"
        "assert all(os.get_blocking(fd) for fd in (0, 1, 2, 5, 6))\nprint(kept)"
    )
    with sandbox.start() as session:
        assert ask(session, leave) == {"loaded": True}
        outcome = session.renew()
        assert outcome is not None
        assert outcome.ending is Ending.EXITED
        assert (ask(session, find) or {})["raised"] == "NameError"


def test_the_work_folder_is_empty_again_whatever_the_rights_in_it(sandbox: Sandbox) -> None:
    need(sandbox.layers, NAMESPACES)
    leave = (
        "import os\nopen('file', 'w').close()\nos.makedirs('a/b/c')\nos.umask(0o777); os.mkdir('a/b/closed')"
    )
    with sandbox.start() as session:
        assert ask(session, leave) == {"loaded": True}
        assert session.renew() is not None
        assert ask(session, "import os; assert os.listdir('.') == []") == {"loaded": True}


def test_a_very_deep_folder_is_removed_between_two_lives(sandbox: Sandbox) -> None:
    need(sandbox.layers, NAMESPACES)
    dig = "import os\nfor _ in range(900): os.mkdir('x' * 200); os.chdir('x' * 200)"
    with sandbox.start() as session:
        assert ask(session, dig) == {"loaded": True}
        assert session.renew() is not None
        assert ask(session, "import os; assert os.listdir('.') == []") == {"loaded": True}


def test_a_new_life_is_begun_where_the_one_before_has_left(sandbox: Sandbox) -> None:
    with sandbox.start() as session:
        assert ask(session, "import os; os._exit(3)") is None
        assert ask(session, "pass") is None
        outcome = session.renew()
        assert outcome is not None
        assert (outcome.ending, outcome.exit_code, outcome.signal) == (Ending.EXITED, 3, None)
        assert ask(session, "pass") == {"loaded": True}


def test_a_late_answer_ends_the_life_but_not_the_session(sandbox: Sandbox) -> None:
    with sandbox.start() as session:
        begun = time.monotonic()
        assert ask(session, "while True: pass", wall_seconds=0.3) is None
        assert 0.25 < time.monotonic() - begun < 2.0
        outcome = session.renew()
        assert outcome is not None
        assert (outcome.ending, outcome.detail) == (Ending.TIMED_OUT, "took more than 0.3 s")
        assert ask(session, "pass") == {"loaded": True}


def test_no_life_begins_after_the_session_has_had_its_time(sandbox: Sandbox) -> None:
    with sandbox.start(Limits(wall_seconds=0.3)) as session:
        assert ask(session, "while True: pass", wall_seconds=5.0) is None
        assert session.renew() is None
        assert session.close().detail == "the session took more than 0.3 s"


def test_a_crash_is_told_by_its_signal(sandbox: Sandbox) -> None:
    with sandbox.start() as session:
        assert ask(session, "import ctypes; print('here', flush=True); ctypes.string_at(0)") is None
        outcome = session.close()
    assert (outcome.ending, outcome.signal, outcome.detail) == (Ending.KILLED, 11, "died of SIGSEGV")
    assert outcome.stdout == b"here\n"


def test_a_life_that_leaves_without_an_answer_has_exited(sandbox: Sandbox) -> None:
    with sandbox.start() as session:
        assert ask(session, "import os; os.close(6); os._exit(0)") is None
        outcome = session.close()
    assert (outcome.ending, outcome.exit_code) == (Ending.EXITED, 0)


@pytest.mark.parametrize("what", FORGED)
def test_a_broken_answer_ends_the_life_and_raises_nothing(what: str, sandbox: Sandbox) -> None:
    source, detail = FORGED[what]
    with sandbox.start() as session:
        assert ask(session, source) is None
        outcome = session.renew()
        assert outcome is not None
        assert (outcome.ending, outcome.detail) == (Ending.KILLED, detail)
        assert ask(session, "pass") == {"loaded": True}


def test_an_answer_that_was_not_asked_for_is_never_taken_for_one(sandbox: Sandbox) -> None:
    with sandbox.start() as session:
        assert ask(session, 'import os; os.write(6, b\'{"forged": 1}\\n{"forged": 2}\\n\')') == {"forged": 1}
        assert ask(session, "pass") is None
        outcome = session.close()
    assert (outcome.ending, outcome.detail) == (Ending.KILLED, "it answered before it was asked")


def test_an_answer_of_plain_json_may_be_forged_by_design(sandbox: Sandbox) -> None:
    with sandbox.start() as session:
        assert ask(session, "import os; os.write(6, b'{\"ended\": NaN}\\n'); os._exit(0)") is not None


def test_a_long_question_reaches_a_life_that_writes_at_the_same_time(sandbox: Sandbox) -> None:
    source = "import os\nos.write(2, b'e' * 300_000)\nos.write(1, b'o' * 300_000)\n#" + "x" * 800_000
    with sandbox.start() as session:
        assert ask(session, source) == {"loaded": True}
        outcome = session.close()
    assert (len(outcome.stdout), len(outcome.stderr)) == (300_000, 300_000)


def test_a_life_that_does_not_listen_does_not_block_the_parent(sandbox: Sandbox) -> None:
    with sandbox.start() as session:
        deaf = "import os, threading, time\nthreading.Thread(target=time.sleep, args=(60,)).start()\n"
        deaf += "os.write(6, b'{}\\n'); time.sleep(60)"
        assert ask(session, deaf) == {}
        assert ask(session, "#" + "x" * 500_000, wall_seconds=0.3) is None
        assert session.close().ending is Ending.TIMED_OUT


def test_closing_twice_tells_the_same(sandbox: Sandbox) -> None:
    session = sandbox.start()
    assert ask(session, "import os; os._exit(7)") is None
    outcome = session.close()
    assert outcome.exit_code == 7
    assert session.close() is outcome
    assert ask(session, "pass") is None
    assert session.renew() is None


def test_closing_from_another_thread_ends_a_question_at_once(sandbox: Sandbox) -> None:
    session = sandbox.start()
    timer = threading.Timer(0.2, session.close)
    timer.start()
    begun = time.monotonic()
    assert ask(session, "while True: pass") is None
    assert time.monotonic() - begun < 3.0
    timer.join()
    outcome = session.close()
    assert (outcome.ending, outcome.detail) == (Ending.KILLED, "the session was closed while it ran")


def test_sixty_four_sessions_at_once_do_not_disturb_each_other(sandbox: Sandbox) -> None:
    together = threading.Barrier(64)

    def one(number: int) -> tuple[object, bytes]:
        with sandbox.start(Limits(wall_seconds=60.0)) as session:
            together.wait(30)
            reply = ask(session, f"import os; os.write(3, b'x'); os.write(1, b'{number}')")
            return reply, session.close().stdout

    with ThreadPoolExecutor(64) as pool:
        found = list(pool.map(one, range(64)))
    assert found == [({"loaded": True}, str(number).encode()) for number in range(64)]


def test_sessions_leave_no_descriptor_behind(sandbox: Sandbox) -> None:
    before = num_descriptors()
    for source in ("pass", "import os; os._exit(1)", "while True: pass"):
        with sandbox.start() as session:
            ask(session, source, wall_seconds=0.1)
    assert num_descriptors() == before


def test_many_lives_follow_each_other_whatever_the_timing(sandbox: Sandbox) -> None:
    with sandbox.start() as session:
        for number in range(40):
            if number % 3:
                assert ask(session, "import os; os.write(1, b'x')") == {"loaded": True}
            outcome = session.renew()
            assert outcome is not None
            assert (outcome.ending, outcome.stdout) == (Ending.EXITED, b"x" if number % 3 else b"")


def test_what_is_set_on_a_descriptor_reaches_no_other_jail(sandbox: Sandbox) -> None:
    with sandbox.start() as session:
        assert ask(session, "import os\nfor fd in (0, 1, 2, 5, 6): os.set_blocking(fd, False)") == {
            "loaded": True
        }
    with sandbox.start() as another:
        look = "import os; assert all(map(os.get_blocking, (0, 1, 2, 5, 6)))"
        assert ask(another, look) == {"loaded": True}
