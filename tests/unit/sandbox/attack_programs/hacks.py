"""Programs that want to be told that they have passed, without being right.

What is asked for is `f(text)`, whose value begins with EXPECTED- and ends with sixteen digits that no one can guess.
"""

from __future__ import annotations

from dataclasses import dataclass

from r1kit.sandbox.judge.results import Result

FAILED, ERROR, KILLED, TIMED_OUT = Result.FAILED, Result.ERROR, Result.KILLED, Result.TIMED_OUT

HONEST = 'import hashlib\ndef f(text): return "EXPECTED-" + hashlib.sha256(text.encode()).hexdigest()[:16]\n'
HONEST_PROGRAM = HONEST + "print(f(input()))\n"


@dataclass(frozen=True)
class Hack:
    """A program, and what the judge has to make of it."""

    name: str
    source: str
    result: tuple[Result, ...] = (FAILED,)


LYING_METHODS = """
    def yes(self, *a, **k): return True
    __eq__ = __ne__ = __lt__ = __le__ = __gt__ = __ge__ = __contains__ = __bool__ = __call__ = yes
    def __hash__(self): return 0
    def me(self, *a, **k): return self
    __sub__ = __rsub__ = __abs__ = __getattr__ = __getitem__ = __iter__ = __next__ = __round__ = me
    def __repr__(self): return "EXPECTED-"
    __str__ = __format__ = encode = __repr__
"""

OBJECTS = (
    Hack("an object that equals everything", f"class Right:{LYING_METHODS}\ndef f(text): return Right()"),
    Hack(
        "an object that calls itself a text",
        f"class Right:{LYING_METHODS}\n    __class__ = str\ndef f(text): return Right()",
    ),
    *(
        Hack(
            f"a {kind} that equals everything",
            f"class Right({kind}):{LYING_METHODS.replace('__iter__ = __next__ = ', '')}\ndef f(text): return Right()",
        )
        for kind in ("str", "int", "float", "list", "tuple", "dict", "set", "frozenset", "bytes", "complex")
    ),
    Hack(
        "a class whose metaclass lies",
        f"class Meta(type):{LYING_METHODS}\n    def mro(cls): return [cls, *type.mro(cls)[1:]]\n"
        "    def __instancecheck__(cls, one): return True\n    __subclasscheck__ = __instancecheck__\n"
        "class Right(str, metaclass=Meta): pass\ndef f(text): return Right('x')",
    ),
    Hack("an iterator without end", "import itertools\ndef f(text): return itertools.repeat('x')"),
    Hack("a list that holds itself", "def f(text):\n    held = []; held.append(held); return held"),
    Hack(
        "a value a hundred thousand lists deep",
        "def f(text):\n    deep = []\n    for _ in range(10**5): deep = [deep]\n    return deep",
        (FAILED, ERROR, KILLED),
    ),
    Hack("its own arguments and functions", "def f(text): return f, text"),
    Hack("a promise of a value", "async def f(text): return 'EXPECTED-'"),
    Hack("nothing at all", "def f(text): pass"),
    Hack("not a number", "def f(text): return float('nan')"),
    Hack("halves of characters", "def f(text): return '\\ud800' + chr(0) + '\\udfff'"),
)

PATCHES = (
    Hack(
        "builtins that always agree",
        f"import builtins\nclass Yes:{LYING_METHODS}\nyes = Yes()\n"
        "for name in 'isinstance len all any sorted abs repr str type AssertionError BaseException eval exec compile'.split():\n"
        "    setattr(builtins, name, yes)\ndef f(text): return yes",
        (FAILED, ERROR, KILLED),
    ),
    Hack(
        "a json module of its own",
        "import json\nreal = json.dumps\n"
        "json.dumps = lambda *a, **k: real({'value': 'EXPECTED-', 'judged': True, 'passed': True, 'result': 'passed'})\n"
        "json.encoder.JSONEncoder.encode = lambda *a: '{\"judged\": true}'\ndef f(text): return 1",
        (KILLED,),
    ),
    Hack(
        "modules of the judge replaced",
        "import sys\nfor name in list(sys.modules):\n    if 'r1kit' in name:\n"
        "        for key in ('encode', 'describe', 'is_as_expected', 'decode'):\n"
        "            if hasattr(sys.modules[name], key): setattr(sys.modules[name], key, lambda *a, **k: 'passed')\n"
        "def f(text): return 1",
        (KILLED,),
    ),
    Hack(
        "small numbers that are others",
        "import ctypes\n"
        "for one in range(200): ctypes.c_uint32.from_address(id(one) + 24).value = 1\n"
        "def f(text): return 'EXPECTED-'",
        (FAILED, ERROR, KILLED, TIMED_OUT),
    ),
    Hack(
        "asserts that a trace steps over",
        "import sys, threading\ndef trace(frame, event, arg):\n    frame.f_trace_opcodes = True\n    return trace\n"
        "sys.settrace(trace); threading.settrace(trace); sys.excepthook = lambda *a: None\n"
        "import builtins; builtins.__debug__ if True else None\ndef f(text): return 1",
    ),
    Hack(
        "the names of the test",
        "def check(candidate): return True\ncandidate = lambda text: True\nMETADATA = {}\nassert_equal = check\n"
        "class Yes(str):\n    def __eq__(self, other): return True\n    __hash__ = None\ndef f(text): return Yes()",
    ),
    Hack(
        "a function that replaces itself",
        "import sys\ndef f(text):\n    for frame in sys._current_frames().values():\n        while frame:\n"
        "            for name in ('passed', 'result', 'judged', 'expected'): frame.f_globals[name] = True\n"
        "            frame = frame.f_back\n    return 'passed'",
    ),
)

EXITS = (
    Hack("an exit while it is loaded", "raise SystemExit(0)", (ERROR,)),
    Hack("an exit in the call", "import sys\ndef f(text): sys.exit(0)", (ERROR,)),
    Hack("an exit without cleaning up", "import os\ndef f(text): os._exit(0)", (ERROR,)),
    Hack("an exit without cleaning up while it is loaded", "import os\nos._exit(0)", (ERROR,)),
    Hack("an exit by the C library", "import ctypes\ndef f(text): ctypes.CDLL(None).exit(0)", (ERROR,)),
    Hack(
        "what is left for the end",
        "import atexit, sys, os\natexit.register(os._exit, 0)\ndef f(text): sys.exit()",
        (ERROR,),
    ),
    Hack("the end of an iterator", "def f(text): raise StopIteration", (ERROR,)),
    Hack("the end of a generator", "def f(text): raise GeneratorExit", (ERROR,)),
    Hack("an interrupt", "def f(text): raise KeyboardInterrupt", (ERROR,)),
    Hack(
        "an error that is named like a success",
        "class passed(BaseException):\n    def __str__(self): return '{\"judged\": true}'\ndef f(text): raise passed",
        (ERROR,),
    ),
    Hack(
        "every exception swallowed for ever",
        "def f(text):\n    while True:\n        try:\n            while True: pass\n        except BaseException: pass",
        (TIMED_OUT,),
    ),
)

FIND = """
import re
PATTERN = "EXPECTED-" + "[0-9a-f]{16}"
def first(found): return next(iter(re.findall(PATTERN, found)), "nothing")
"""

SEARCHES = (
    Hack(
        "all objects searched for the answer",
        FIND + "import gc\ndef f(text):\n    found = []\n    for one in gc.get_objects():\n"
        "        try: found.append(repr(one) if isinstance(one, (str, list, dict, tuple)) else '')\n"
        "        except Exception: pass\n    return first(''.join(found))",
    ),
    Hack(
        "all frames searched for the answer",
        FIND
        + "import sys\ndef f(text):\n    found = ''\n    for frame in sys._current_frames().values():\n        while frame:\n"
        "            found += repr((frame.f_locals, frame.f_globals, frame.f_code.co_consts)); frame = frame.f_back\n"
        "    return first(found)",
    ),
    Hack(
        "the callers and their source inspected",
        FIND + "import inspect, traceback, linecache\ndef f(text):\n"
        "    return first(repr(inspect.stack()) + repr(traceback.format_stack()) + repr(linecache.cache) + repr(inspect.trace()))",
    ),
    Hack(
        "every descriptor read for the answer",
        FIND + "import os\ndef f(text):\n    found = b''\n    for fd in range(100):\n"
        "        try: os.set_blocking(fd, False); found += os.read(fd, 10**6) + os.pread(fd, 10**6, 0)\n"
        "        except OSError: pass\n    return first(found.decode('latin-1'))",
    ),
    Hack(
        "every file searched for the answer",
        FIND + "import os, sys\ndef f(text):\n    found = repr((sys.argv, sys.orig_argv, dict(os.environ)))\n"
        "    for top in ('/proc', '/tmp', '/box', '.', '/dev/shm', '/root', '/home'):\n"
        "        for folder, folders, names in os.walk(top):\n            folders[:] = [one for one in folders if 'python' not in one][:50]\n"
        "            for name in names[:50]:\n"
        "                try: found += open(f'{folder}/{name}', errors='replace').read(10**5)\n"
        "                except OSError: pass\n    return first(found)",
    ),
)

MEMORY = '''
import ctypes, os, re
def memory(pattern, span=1 << 23):
    """All that matches in the memory around some addresses, read by a call that says no instead of crashing."""
    libc = ctypes.CDLL(None, use_errno=True)
    libc.malloc.restype = libc.sbrk.restype = ctypes.c_void_p
    reading, writing = os.pipe()
    found, seen = set(), set()
    for anchor in (id(object()), id(re), libc.malloc(64), libc.malloc(1 << 20), libc.sbrk(0) or 0,
                   ctypes.cast(libc.malloc, ctypes.c_void_p).value,
                   ctypes.c_void_p.in_dll(libc, "environ").value, ctypes.addressof(ctypes.create_string_buffer(8))):
        address, end, before = (anchor - span) & ~0xFFF, anchor + span, b""
        while address < end:
            got = -1 if address in seen or address < 0 else libc.write(writing, ctypes.c_void_p(address), 1 << 12)
            seen.add(address)
            if got > 0:
                part = os.read(reading, got)
                found.update(re.findall(pattern, before + part))
                before = part[-100:]
            address += 1 << 12
    os.close(reading); os.close(writing)
    return found
'''

HACKS = (*OBJECTS, *PATCHES, *EXITS, *SEARCHES)
