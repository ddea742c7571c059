"""Loops, bombs, floods and crashes."""

from __future__ import annotations

from attack_programs import Attack
from r1kit.sandbox import Ending, Limits
from r1kit.sandbox.layers import NAMESPACES, SECCOMP

MIB = 2**20
SHORT = Limits(wall_seconds=0.4)
LITTLE = Limits(wall_seconds=10.0, memory_bytes=128 * MIB, file_bytes=2 * MIB, num_threads=8)
TIMED_OUT, KILLED, OUTPUT_LIMIT = Ending.TIMED_OUT, Ending.KILLED, Ending.OUTPUT_LIMIT

LOOPS = (
    Attack("an endless loop", "while True: pass", (TIMED_OUT,), limits=SHORT),
    Attack("an endless sleep", "while True: time.sleep(1000)", (TIMED_OUT,), limits=SHORT),
    Attack(
        "a loop with every signal blocked and ignored",
        "signal.pthread_sigmask(signal.SIG_BLOCK, signal.valid_signals())\n"
        "for one in signal.valid_signals() - {9, 19}:\n"
        "    try: signal.signal(one, signal.SIG_IGN)\n"
        "    except (OSError, ValueError): pass\n"
        "while True: pass",
        (TIMED_OUT,),
        limits=SHORT,
    ),
    Attack(
        "processor time with the warning ignored",
        "signal.signal(signal.SIGXCPU, signal.SIG_IGN)\nwhile True: pass",
        (TIMED_OUT,),
        limits=Limits(wall_seconds=8.0, cpu_seconds=1),
    ),
    Attack("a stop of itself", "os.kill(os.getpid(), signal.SIGSTOP)", (TIMED_OUT,), limits=SHORT),
    Attack(
        "a handler that swallows every exception",
        "while True:\n    try:\n        while True: time.sleep(0.01)\n    except BaseException: continue",
        (TIMED_OUT,),
        limits=SHORT,
    ),
    Attack(
        "a regex catastrophe", "import re; re.match('(a|a)*$', 'a' * 60 + 'b')", (TIMED_OUT,), limits=SHORT
    ),
    Attack("a power that holds the interpreter's lock", "n = 9 ** 8; x = 7 ** n", (TIMED_OUT,), limits=SHORT),
    Attack(
        "a number with ten million digits written out",
        "sys.set_int_max_str_digits(0); str(1 << 40_000_000)",
        (TIMED_OUT,),
        limits=SHORT,
    ),
    Attack("a number with more digits than Python writes", "str(1 << 100_000)", ("ValueError",)),
    Attack(
        "a first thread that leaves while another one spins",
        "import threading\n"
        "def spin():\n    while True: pass\n"
        "threading.Thread(target=spin, daemon=True).start()\n"
        "LIBC.pthread_exit(None)",
        # Giving up the interpreter's lock in between is a matter of chance.
        (TIMED_OUT, KILLED),
        limits=SHORT,
    ),
    Attack(
        "threads that never end after a good answer",
        "import threading\nfor _ in range(5): threading.Thread(target=time.sleep, args=(1000,)).start()",
    ),
)

BOMBS = (
    Attack(
        "a fork bomb",
        "def fork():\n    if os.fork() == 0: time.sleep(2); os._exit(0)\nrefused(*[fork] * 2000)",
        needs=(SECCOMP,),
    ),
    Attack(
        "forks by all other names",
        "def twice(make):\n    def way():\n        if make() == 0: os._exit(0)\n    return way\n"
        "ways = [os.fork, os.forkpty, lambda: LIBC.fork(), lambda: call(number(56, 220), 17, 0, 0, 0, 0)]\n"
        "def by_library(): return checked(LIBC.fork())\n"
        "refused(twice(lambda: os.forkpty()[0]), twice(by_library),\n"
        "        twice(lambda: call(number(56, 220), 17, 0, 0, 0, 0)),\n"
        "        twice(lambda: call(435, ctypes.create_string_buffer(88), 88)))",
        needs=(SECCOMP,),
    ),
    Attack(
        "a thread bomb",
        "import threading\nthreading.stack_size(65536)\nwait = threading.Event(); num = 1\n"
        "try:\n    while num < 500: threading.Thread(target=wait.wait, daemon=True).start(); num += 1\n"
        "except RuntimeError: pass\n"
        "wait.set()\nif num > 8: raise Escaped(num)",
        is_real=True,
        limits=LITTLE,
        needs=(NAMESPACES,),
    ),
    Attack("a text of 10**12 letters", "'a' * 10**12", ("MemoryError",)),
    Attack(
        "a list that doubles until it is stopped",
        "held = [b'x' * 1024]\nfor _ in range(21): held += [bytes(one) + b'x' for one in held]",
        ("MemoryError", Ending.OUT_OF_MEMORY),
        limits=LITTLE,
    ),
    Attack(
        "a memory bomb that swallows the error",
        "held = []\nfor _ in range(2000):\n    try: held.append(bytearray(2**20))\n    except MemoryError: pass\n"
        "if len(held) > 128: raise Escaped(len(held))",
        limits=LITTLE,
    ),
    Attack(
        "mapped memory in many pieces",
        "import mmap\nheld = []\ndef more(): held.append(mmap.mmap(-1, 2**20))\n"
        "for _ in range(2000):\n    try: more()\n    except OSError: break\n"
        "if len(held) > 128: raise Escaped(len(held))",
        is_real=True,
        limits=LITTLE,
    ),
    Attack(
        "memory of other kinds than its own",
        "held = []\n"
        "def segment(): return c('shmget', 0, 2**20, 0o1600)\n"
        "def file(): held.append(os.memfd_create('x')); return held[-1]\n"
        "def secret(): held.append(call(447, 0)); return held[-1]\n"
        "def pipe():\n    import fcntl\n    return fcntl.fcntl(1, 1031, 2**20)\n"
        "refused(segment, file, secret, pipe, why=(errno.EPERM, errno.ENOSYS))",
        needs=(SECCOMP,),
    ),
    Attack(
        "a bomb of compressed zeros",
        "import zlib\npacker = zlib.compressobj(1)\n"
        "packed = b''.join(packer.compress(bytes(2**20)) for _ in range(160)) + packer.flush()\n"
        "zlib.decompress(packed)",
        ("MemoryError",),
        limits=LITTLE,
    ),
)

FLOODS = (
    Attack(
        "a disk filled by one file and by many",
        "total = 0\n"
        "for name in ('one', *map(str, range(2000))):\n"
        "    try:\n        with open(name, 'wb', 0) as file:\n"
        "            for _ in range(64 if name == 'one' else 1): total += file.write(bytes(2**16))\n"
        "    except OSError: pass\n"
        "if total > 2 * 2**20: raise Escaped(total)",
        limits=LITTLE,
        is_real=True,
    ),
    Attack(
        "a file that is said to be large",
        "def truncate(fd): os.ftruncate(fd, 2**40)\n"
        "def make(): truncate(os.open('large', os.O_RDWR | os.O_CREAT))\n"
        "refused(make, lambda: truncate(3), lambda: truncate(4), lambda: os.posix_fallocate(3, 0, 2**30),\n"
        "        lambda: os.pwrite(4, b'x', 2**40))",
        limits=LITTLE,
    ),
    Attack(
        "a flood into the two files it is given",
        "total = 0\nfor fd in (3, 4):\n    for _ in range(1000):\n"
        "        try: total += os.write(fd, bytes(2**16))\n        except OSError: break\n"
        "if total > 2 * 2 * 2**20: raise Escaped(total)",
        limits=LITTLE,
    ),
    Attack(
        "a flood of empty files and folders",
        "num = 0\nfor index in range(2500):\n    try: os.mkdir(f'{MARK}{index}'); num += 1\n    except OSError: break\n"
        "if num > 1024: raise Escaped(num)",
        is_real=True,
    ),
    Attack(
        "folders so deep that no path reaches them",
        "for _ in range(900):\n    try: os.mkdir('x' * 200); os.chdir('x' * 200)\n    except PermissionError: break",
    ),
    Attack("a flood of output", "while True: os.write(1, b'x' * 65536)", (OUTPUT_LIMIT,)),
    Attack("a flood of errors", "while True: sys.stderr.write('x' * 65536)", (OUTPUT_LIMIT,)),
    Attack("a flood of answers", "while True: os.write(6, b'x' * 65536)", (OUTPUT_LIMIT,)),
    Attack(
        "descriptors without end",
        "held = []\ntry:\n    while len(held) < 300: held.append(os.dup(0))\nexcept OSError: pass\n"
        "num = len(held)\nfor fd in held: os.close(fd)\nif num > 64: raise Escaped(num)",
        is_real=True,
    ),
)

CRASHES = (
    Attack("a read of address zero", "ctypes.string_at(0)", (KILLED,)),
    Attack("an abort", "os.abort()", (KILLED,)),
    Attack("a kill of itself", "os.kill(os.getpid(), signal.SIGKILL)", (KILLED,)),
    Attack(
        "machine code that is none",
        "import mmap\ncode = mmap.mmap(-1, 4096, prot=7)\ncode.write(b'\\x0f\\x0b\\0\\0')\n"
        "address = ctypes.addressof(ctypes.c_char.from_buffer(code))\nctypes.CFUNCTYPE(None)(address)()",
        (KILLED,),
    ),
    Attack(
        "a stack that overflows",
        "sys.setrecursionlimit(10**9)\ndeep = []\nfor _ in range(2 * 10**5): deep = [deep]\nrepr(deep)",
        (KILLED,),
    ),
    Attack("a recursion without end", "def f(): f()\nf()", ("RecursionError",)),
    Attack(
        "source with a hundred thousand brackets",
        "compile('(' * 100_000 + ')' * 100_000, 'x', 'eval')",
        ("SyntaxError", "MemoryError", "RecursionError", KILLED),
    ),
    Attack(
        "source with a million signs in a row",
        "compile('-' * 1_000_000 + '1', 'x', 'eval')",
        ("SyntaxError", "MemoryError", "RecursionError", KILLED),
    ),
    Attack(
        "source that is a constant of 10**10 items",
        "eval(compile('((0,) * 100_000) * 100_000', 'x', 'eval'))",
        ("MemoryError",),
    ),
    Attack(
        "letters that grow when they are normalised",
        "import unicodedata\nunicodedata.normalize('NFKC', '\\ufdfa' * 2**24)",
        ("MemoryError",),
        limits=LITTLE,
    ),
    Attack(
        "source with halves of characters and zeros",
        "compile('x = \"\\ud800\\0\"', 'x', 'exec')",
        ("UnicodeEncodeError", "ValueError", "SyntaxError"),
    ),
    Attack("an end with the number for want of memory", "os._exit(86)", (Ending.OUT_OF_MEMORY,)),
    Attack("an end without a word", "os._exit(0)", (Ending.EXITED,)),
    Attack("an exit while it is loaded", "raise SystemExit", ("SystemExit",)),
)

RESOURCES = (*LOOPS, *BOMBS, *FLOODS, *CRASHES)
