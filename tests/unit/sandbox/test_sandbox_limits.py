"""The limits, to the number."""

from __future__ import annotations

import pytest
from jails import need, printed, run

from r1kit.sandbox import Ending, Limits
from r1kit.sandbox.layers import NAMESPACES, Layers

MIB = 2**20


def test_memory_is_limited_to_the_mebibyte(layers: Layers) -> None:
    # What the library takes for itself is less than four.
    source = (
        "import mmap\n"
        "num = 0\n"
        "try:\n"
        "    held = []\n"
        "    while True: held.append(mmap.mmap(-1, 2**20)); num += 1\n"
        "except OSError: held.clear()\n"
        "print(num)"
    )
    for most in (64, 256):
        num = int(printed(source, *layers.names, limits=Limits(memory_bytes=most * MIB)))
        assert most - 4 <= num <= most + 1


def test_a_memory_error_that_is_reported_is_no_ending(layers: Layers) -> None:
    raised, outcome = run("bytearray(2**30)", *layers.names)
    assert raised == "MemoryError"
    assert outcome.ending is Ending.EXITED


def test_who_dies_for_want_of_memory_is_out_of_memory(layers: Layers) -> None:
    # Not even the answer can be made any more.
    source = (
        "import r1kit.sandbox.inside.worker as worker\n"
        "def describe(error): raise MemoryError\n"
        "worker.describe = describe\n"
        "raise ValueError"
    )
    raised, outcome = run(source, *layers.names)
    assert raised is None
    assert (outcome.ending, outcome.detail) == (Ending.OUT_OF_MEMORY, "out of memory")


@pytest.mark.parametrize(
    "source", ["while True: pass", "import signal\nsignal.signal(24, print)\nwhile True: pass"]
)
def test_processor_time_ends_a_life_even_when_the_signal_is_caught(source: str, layers: Layers) -> None:
    raised, outcome = run(source, *layers.names, limits=Limits(cpu_seconds=1))
    assert raised is None
    assert (outcome.ending, outcome.detail) == (Ending.TIMED_OUT, "took more than 1 s of processor time")
    assert 0.9 < outcome.seconds < 9.0


def test_the_clock_ends_a_session_that_sleeps(layers: Layers) -> None:
    raised, outcome = run("import time; time.sleep(60)", *layers.names, limits=Limits(wall_seconds=0.5))
    assert raised is None
    assert (outcome.ending, outcome.detail) == (Ending.TIMED_OUT, "the session took more than 0.5 s")
    assert 0.4 < outcome.seconds < 3.0


@pytest.mark.parametrize("num", [7, 20])
def test_open_files_are_counted_to_the_last_one(num: int, layers: Layers) -> None:
    source = (
        "import os\nheld = []\ntry:\n    while True: held.append(os.dup(0))\nexcept OSError: pass\n"
        "num = len(held)\nfor fd in held: os.close(fd)\nprint(num)"
    )
    # Seven are given: the three of every program, two files for input and output, and the two lines.
    assert printed(source, *layers.names, limits=Limits(num_files=num)) == f"{num - 7}\n"


@pytest.mark.parametrize("num", [1, 5])
def test_threads_are_counted_to_the_last_one(num: int, layers: Layers) -> None:
    need(layers, NAMESPACES)
    source = (
        "import threading\nstop = threading.Event()\nthreads = []\ntry:\n"
        "    while True:\n        thread = threading.Thread(target=stop.wait); thread.start(); threads.append(thread)\n"
        "except RuntimeError: pass\n"
        "stop.set()\nprint(len(threads) + 1)"
    )
    assert printed(source, *layers.names, limits=Limits(num_threads=num)) == f"{num}\n"


def test_new_processes_are_counted_too_where_no_filter_forbids_them(layers: Layers) -> None:
    need(layers, NAMESPACES)
    source = (
        "import os, time\nnum = 0\ntry:\n    while True:\n        if os.fork() == 0: time.sleep(60)\n        num += 1\n"
        "except BlockingIOError: pass\nprint(num + 1)"
    )
    assert printed(source, NAMESPACES, limits=Limits(num_threads=6)) == "6\n"


def test_a_file_and_all_files_together_are_limited_to_the_byte(layers: Layers) -> None:
    need(layers, NAMESPACES)
    limits = Limits(file_bytes=2 * MIB)
    one = "file = open('one', 'wb', 0)\nnum = 0\ntry:\n    while True: num += file.write(bytes(4096))\n"
    one += "except OSError: pass\nprint(num)"
    many = "num = 0\ntry:\n    while True: open(str(num), 'wb', 0).write(bytes(4096)); num += 1\n"
    many += "except OSError: pass\nprint(num * 4096)"
    assert int(printed(one, *layers.names, limits=limits)) == 2 * MIB
    assert int(printed(many, *layers.names, limits=limits)) == 2 * MIB


def test_the_number_of_files_is_limited_though_they_are_empty(layers: Layers) -> None:
    need(layers, NAMESPACES)
    source = "num = 0\ntry:\n    while True: open(str(num), 'w').close(); num += 1\nexcept OSError: pass\nprint(num)"
    # The folder itself is one of 1024, and so are the two files for input and output.
    assert printed(source, *layers.names) == "1021\n"


def test_output_is_kept_up_to_the_limit_and_ends_the_life_beyond_it(layers: Layers) -> None:
    limits = Limits(output_bytes=1000)
    raised, outcome = run(
        "import os; os.write(1, b'a' * 600); os.write(2, b'b' * 400)", *layers.names, limits=limits
    )
    assert raised == ""
    assert (outcome.ending, outcome.stdout, outcome.stderr) == (Ending.EXITED, b"a" * 600, b"b" * 400)
    raised, outcome = run("import os\nwhile True: os.write(1, b'a' * 600)", *layers.names, limits=limits)
    assert raised is None
    assert (outcome.ending, outcome.stdout) == (Ending.OUTPUT_LIMIT, b"a" * 1000)


def test_an_answer_is_limited_too(layers: Layers) -> None:
    limits = Limits(output_bytes=1000)
    raised, outcome = run("import os\nwhile True: os.write(6, b'a' * 600)", *layers.names, limits=limits)
    assert raised is None
    assert (outcome.ending, outcome.detail) == (Ending.OUTPUT_LIMIT, "its answer is longer than 1000 bytes")


def test_an_answer_that_comes_whole_is_limited_too(layers: Layers) -> None:
    limits = Limits(output_bytes=1000)
    _, outcome = run("import os; os.write(6, b'{' + b' ' * 1000 + b'}\\n')", *layers.names, limits=limits)
    assert outcome.ending is Ending.OUTPUT_LIMIT
    raised, _ = run(
        "import os; os.write(6, b'{' + b' ' * 900 + b'}\\n'); os._exit(0)", *layers.names, limits=limits
    )
    assert raised == ""


def test_what_a_life_died_of_is_on_its_stderr(layers: Layers) -> None:
    source = (
        "import r1kit.sandbox.inside.worker as worker\n"
        "def describe(error): raise LookupError('this')\n"
        "worker.describe = describe\n"
        "raise ValueError"
    )
    _, outcome = run(source, *layers.names)
    assert (outcome.ending, outcome.exit_code) == (Ending.EXITED, 1)
    assert outcome.stderr.endswith(b"LookupError: this\n")


def test_no_core_is_left_and_no_memory_locked(layers: Layers) -> None:
    source = "import resource as r\nprint(*(r.getrlimit(kind) for kind in (r.RLIMIT_CORE, r.RLIMIT_MEMLOCK, r.RLIMIT_FSIZE)))"
    assert printed(source, *layers.names) == f"(0, 0) (0, 0) ({16 * MIB}, {16 * MIB})\n"


def test_limits_cannot_be_raised(layers: Layers) -> None:
    source = "import resource as r; r.setrlimit(r.RLIMIT_AS, (-1, -1))"
    assert run(source, *layers.names)[0] in ("PermissionError", "ValueError")


@pytest.mark.parametrize(
    ("field", "value"),
    [("wall_seconds", 0.0), ("wall_seconds", float("nan")), ("memory_bytes", -1), ("num_files", 0)],
)
def test_a_limit_has_to_be_above_zero(field: str, value: float) -> None:
    with pytest.raises(ValueError, match=f"sandbox limits: {field} is"):
        Limits(**{field: value})
