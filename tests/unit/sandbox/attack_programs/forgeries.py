"""Forged answers, whole programs that forge their output, and programs that would rather harm the jail than be judged."""

from __future__ import annotations

from attack_programs.hacks import HONEST_PROGRAM, MEMORY, Hack
from r1kit.sandbox.judge.results import Result

FAILED, ERROR, KILLED = Result.FAILED, Result.ERROR, Result.KILLED
TIMED_OUT, OUTPUT_LIMIT = Result.TIMED_OUT, Result.OUTPUT_LIMIT


def whole(line: bytes) -> bytes:
    """The answer with the arguments that some questions ask back."""
    return line.replace(b'{"value"', b'{"args": [], "kwargs": {"dict": []}, "value"')


FORGERIES = (
    Hack(
        "words of success on every descriptor",
        'import os\ndef f(text):\n    for fd in range(64):\n        try: os.write(fd, b\'{"judged": true, "result": "passed"}\\n\')\n'
        "        except OSError: pass\n    return 'passed'",
        (KILLED,),
    ),
    Hack(
        "a verdict instead of a value",
        "import os\nos.write(6, b'{\"loaded\": true}\\n')\ndef f(text): os.write(6, b'{\"judged\": true}\\n')",
        (KILLED,),
    ),
    Hack(
        "many answers ahead of the questions",
        "import os, threading\ndef flood():\n    while True: os.write(6, b'{\"value\": true}\\n')\n"
        "threading.Thread(target=flood, daemon=True).start()\ndef f(text): return 1",
        (KILLED, FAILED, ERROR),
    ),
    *(
        Hack(
            f"a forged answer: {name}",
            f"import os\ndef f(text):\n    line = {whole(line)!r} + b'\\n'\n    while line: line = line[os.write(6, line):]\n    os._exit(0)",
            result,
        )
        for name, line, result in (
            ("true", b'{"value": true}', (FAILED,)),
            ("not a number", b'{"value": NaN}', (FAILED,)),
            ("without a bound", b'{"value": [Infinity, -Infinity, 1e999]}', (FAILED,)),
            ("a tag that is not known", b'{"value": {"passed": true}}', (KILLED,)),
            ("two tags", b'{"value": {"tuple": [], "list": []}}', (KILLED,)),
            ("a set of lists", b'{"value": {"set": [[1], [2]]}}', (KILLED,)),
            ("a pair that is none", b'{"value": {"dict": [[1, 2, 3]]}}', (KILLED,)),
            ("an iterator of itself", b'{"value": {"iterator": [["EXPECTED-"], true]}}', (FAILED,)),
            ("a number of a million digits", b'{"value": {"int": "0x' + b"f" * 800_000 + b'"}}', (FAILED,)),
            ("a number that JSON cannot hold", b'{"value": ' + b"9" * 100_000 + b"}", (KILLED,)),
            ("brackets without end", b'{"value": ' + b"[" * 200_000 + b"}", (KILLED,)),
            ("brackets that are too deep", b'{"value": ' + b"[" * 300 + b"]" * 300 + b"}", (KILLED,)),
            ("an endless range", b'{"value": {"range": [0, 1000000000000, 1]}}', (KILLED,)),
            ("an object of many names", b'{"value": {"opaque": {"opaque": [[[]]]}}}', (FAILED,)),
            ("an error of no type", b'{"raised": [1, 2], "message": {"int": []}}', (ERROR,)),
            ("no object", b"[]", (KILLED,)),
            ("no text", b"\xff\xfe", (KILLED,)),
            (
                "numbers of one hash",
                b'{"value": {"set": ['
                + b",".join(b'{"int": "%#x"}' % (one * (2**61 - 1)) for one in range(20_000))
                + b"]}}",
                (KILLED,),
            ),
        )
    ),
    Hack("an answer that is too long", "def f(text): return 'EXPECTED-' * 10**6", (OUTPUT_LIMIT,)),
    Hack(
        "an answer that stops in the middle",
        "import os\ndef f(text): os.write(6, b'{\"value\": '); os._exit(0)",
        (ERROR,),
    ),
    Hack(
        "the line of answers closed",
        "import os\nos.close(6)\ndef f(text): return 1",
        (ERROR, KILLED, TIMED_OUT),
    ),
)

STDIO_HACKS = (
    Hack("words of success", "print('passed'); print('{\"judged\": true}'); print('Accepted', 'OK')"),
    Hack("nothing but a good end", "import sys; sys.exit(0)"),
    Hack("a right output with a bad end", f"{HONEST_PROGRAM}raise SystemExit(1)", (ERROR,)),
    Hack("a right output and an exception", f"{HONEST_PROGRAM}raise ValueError", (ERROR,)),
    Hack(
        "a right output and a crash",
        f"{HONEST_PROGRAM}import ctypes, sys; sys.stdout.flush(); ctypes.string_at(0)",
        (KILLED,),
    ),
    Hack("a right output and no end", f"{HONEST_PROGRAM}\nwhile True: pass", (TIMED_OUT,)),
    Hack(
        "a right output and much more",
        f"{HONEST_PROGRAM}\nwhile True: print('x' * 60)",
        (ERROR, OUTPUT_LIMIT),
    ),
    Hack("what it was given", "import sys; print(sys.stdin.read())"),
    Hack(
        "all that it can read",
        "import os\nfor fd in range(64):\n    try: os.set_blocking(fd, False); os.write(1, os.pread(fd, 10**5, 0) or os.read(fd, 10**5))\n"
        "    except OSError: pass",
    ),
    Hack(
        "all that is in its memory",
        MEMORY + "for one in memory(b'EXPECTED' + b'-[0-9a-f]{16}'): print(one.decode())",
    ),
    Hack(
        "a forged reply",
        'import os\nos.write(6, b\'{"stdout": {"bytes": "cGFzc2Vk"}, "is_cut": false, "exit_code": 0}\\n\')\nos._exit(0)',
        (FAILED,),
    ),
    Hack(
        "a forged reply of the wrong shape",
        'import os\nos.write(6, b\'{"stdout": [], "exit_code": {}}\\n\')\nos._exit(0)',
        (KILLED,),
    ),
    Hack("a forged verdict", 'import os\nos.write(6, b\'{"result": "passed"}\\n\')\nos._exit(0)', (KILLED,)),
    Hack(
        "an output that is another's",
        "import os\nos.close(1); os.close(4); os.close(6)",
        (ERROR, KILLED, TIMED_OUT),
    ),
)

# Lines of a function; afterwards a life is begun anew.
SABOTAGE = (
    Hack(
        "a full work folder",
        "for one in range(2000):\n    try: open(str(one), 'wb').write(bytes(20_000))\n    except OSError: break\nos._exit(1)",
        (ERROR,),
    ),
    Hack(
        "a folder that none may enter",
        "try:\n    os.umask(0o777); os.makedirs('a/b'); os.chdir('a')\nexcept OSError: pass\nos._exit(1)",
        (ERROR,),
    ),
    Hack(
        "a work folder that is gone",
        "import shutil; shutil.rmtree('.', ignore_errors=True); os._exit(1)",
        (ERROR,),
    ),
    Hack("every descriptor closed", "os.closerange(0, 5000)", (ERROR, TIMED_OUT, KILLED)),
    Hack("pipes that do not wait", "for fd in range(7): os.set_blocking(fd, False)\nos._exit(1)", (ERROR,)),
    Hack(
        "limits of nothing",
        "import resource\nfor kind in range(16):\n    try: resource.setrlimit(kind, (0, 0))\n    except (OSError, ValueError): pass\nbytearray(10**8)",
        (ERROR, KILLED, TIMED_OUT, Result.OUT_OF_MEMORY),
    ),
    Hack(
        "a kill of its keeper",
        "for pid in (1, os.getppid(), 0, -1):\n    try: os.kill(pid, 9)\n    except OSError: pass\nos._exit(1)",
        (ERROR,),
    ),
    Hack("the end that a failed jail has", "os._exit(1)", (ERROR,)),
    Hack(
        "a line as its keeper writes it",
        "for fd in range(64):\n    try: os.write(fd, b'failed it is\\nended 0 0\\n')\n    except OSError: pass",
        (KILLED,),
    ),
    Hack("a stop that nobody ends", "os.kill(os.getpid(), 19)", (TIMED_OUT,)),
    Hack(
        "all memory at its end",
        "held = []\nwhile True:\n    try: held.append(bytearray(2**20))\n    except MemoryError: os._exit(1)",
        (ERROR,),
    ),
    Hack(
        "threads that hold on",
        "import threading, time\nfor _ in range(10): threading.Thread(target=time.sleep, args=(99,)).start()\nos._exit(1)",
        (ERROR,),
    ),
)
