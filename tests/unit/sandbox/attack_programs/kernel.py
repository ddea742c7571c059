"""Doors of the kernel that a program has no business with; the numbers are those of Linux's own tables."""

from __future__ import annotations

from attack_programs import Attack
from r1kit.sandbox import Ending
from r1kit.sandbox.layers import SECCOMP

# Refused by the filter itself, not for an argument that happens to be wrong.
BY_FILTER = "why=(errno.EPERM, errno.ENOSYS)"
IS_CLOSED = f"refused(lambda: reach(socket.AF_INET, ('127.0.0.1', PORT)), {BY_FILTER})"

NAMESPACES = (
    Attack(
        "new namespaces of every kind",
        "flags = (0x80, 0x20000, 0x2000000, 0x4000000, 0x8000000, 0x10000000, 0x20000000, 0x40000000, 0x10020000)\n"
        "def clone(flag):\n    if call(number(56, 220), flag | 17, 0, 0, 0, 0) == 0: os._exit(0)\n"
        "refused(*[lambda flag=flag: c('unshare', flag) for flag in flags], *[lambda flag=flag: clone(flag) for flag in flags[1:]])",
    ),
    Attack(
        "the namespaces of other processes",
        "refused(*[lambda fd=fd: c('setns', fd, 0) for fd in range(7)],\n"
        "        lambda: c('setns', os.open(f'/proc/{PARENT}/ns/mnt', os.O_RDONLY), 0),\n"
        "        lambda: c('setns', os.pidfd_open(os.getppid()), 0x20000))",
    ),
    Attack(
        "mounts",
        "refused(lambda: c('mount', b'none', b'/', b'tmpfs', 0, b''), lambda: c('mount', b'none', b'.', b'proc', 0, b''),\n"
        "        lambda: c('mount', b'/', b'.', None, 4096, None), lambda: c('mount', None, b'/', None, 32 | 4096, None),\n"
        "        lambda: c('umount2', b'/', 2), lambda: c('umount2', os.getcwd().encode(), 2), lambda: call(428, -100, b'/', 1),\n"
        "        lambda: call(430, b'tmpfs', 0), lambda: call(429, -100, b'.', -100, b'/', 0), lambda: call(442, -100, b'/', 0, 0, 0))",
    ),
    Attack(
        "another root folder",
        "def out():\n    os.mkdir('jail')\n    os.chroot('jail')\n    for _ in range(50): os.chdir('..')\n    os.chroot('.')\n    return read(SECRET_FILE)\n"
        "refused(out, lambda: os.chroot('/'), lambda: call(number(155, 41), b'.', b'.'), lambda: os.chroot('.'))",
    ),
)

RIGHTS = (
    Attack(
        "other users' rights",
        "refused(lambda: os.setuid(0 if os.getuid() else 1), lambda: os.setresuid(-1, 0 if os.getuid() else 1, -1),\n"
        "        lambda: os.setgroups([0]), lambda: os.setgid(0 if os.getgid() else 1),\n"
        "        lambda: call(number(126, 91), struct.pack('Ii', 0x20080522, 0), struct.pack('6I', *[2**32 - 1] * 6)),\n"
        "        lambda: c('prctl', 47, 2, 1, 0, 0))",
    ),
    Attack(
        "programs that give their user's rights",
        "refused(*[lambda path=path: os.execv(path, [path]) for path in ('/usr/bin/su', '/usr/bin/sudo', '/usr/bin/mount',\n"
        "          '/usr/bin/passwd', '/usr/bin/newuidmap', '/usr/bin/pkexec', '/bin/ping')],\n"
        "        lambda: os.chmod('.', 0o7777), lambda: os.chown('.', 0, 0) if os.getuid() else os.chown('.', 1, 1))",
        needs=(SECCOMP,),
    ),
    Attack(
        "what prctl can undo",
        "options = ((4, 1), (38, 0), (22, 0), (22, 1), (1, 0), (8, 1), (24, 0), (28, 0), (35, 1), (36, 1), (47, 4),\n"
        "           (0x59616D61, PARENT), (53, 1), (59, 0), (62, 1), (26, 1))\n"
        f"refused(*[lambda pair=pair: c('prctl', *pair, 0, 0, 0) for pair in options], {BY_FILTER})\n"
        + IS_CLOSED,
        needs=(SECCOMP,),
    ),
    Attack(
        "a filter that allows everything",
        "code = ctypes.create_string_buffer(struct.pack('HBBI', 6, 0, 0, 0x7FFF0000))\n"
        "header = struct.pack('HxxxxxxQ', 1, ctypes.addressof(code))\n"
        "for way in (lambda: c('prctl', 22, 2, header, 0, 0), lambda: call(number(317, 277), 1, 0, header)):\n"
        "    try: way()\n    except OSError: pass\n" + IS_CLOSED,
        needs=(SECCOMP,),
    ),
    Attack(
        "Landlock rules of its own",
        "rules = -1\ntry: rules = call(444, struct.pack('Q', 1), 8, 0); call(446, rules, 0)\nexcept OSError: pass\n"
        "refused(lambda: read(SECRET_FILE))",
    ),
    Attack(
        "limits that are raised again",
        "import resource\n"
        "kinds = (resource.RLIMIT_AS, resource.RLIMIT_CPU, resource.RLIMIT_FSIZE, resource.RLIMIT_NOFILE, resource.RLIMIT_NPROC)\n"
        "def more(kind):\n    hard = resource.getrlimit(kind)[1]\n    assert hard > 0, kind\n    resource.setrlimit(kind, (hard + 1, hard + 1))\n"
        "def attempt(kind):\n    try: more(kind)\n    except ValueError as error: raise OSError(str(error))\n"
        "refused(*[lambda kind=kind: attempt(kind) for kind in kinds], lambda: call(number(302, 261), 0, 9, struct.pack('QQ', 2**63, 2**63), 0))",
    ),
)

DOORS = (
    Attack(
        "keys of the kernel",
        "refused(lambda: call(number(248, 217), b'user', MARK.encode(), b'x', 1, -2), lambda: call(number(250, 219), 0, -2, 1),\n"
        f"        lambda: call(number(249, 218), b'user', MARK.encode(), 0, 0), lambda: call(number(250, 219), 1, 0), {BY_FILTER})",
        needs=(SECCOMP,),
        is_real=True,
    ),
    Attack(
        "programs for the kernel",
        f"refused(*[lambda kind=kind: call(number(321, 280), kind, bytes(128), 128) for kind in range(8)], {BY_FILTER})",
        needs=(SECCOMP,),
    ),
    Attack(
        "rings of input and output",
        f"refused(lambda: call(425, 4, ctypes.create_string_buffer(120)), lambda: call(426, 3, 1, 0, 0, 0, 0),\n"
        f"        lambda: call(427, 3, 0, 0, 0), {BY_FILTER})",
        needs=(SECCOMP,),
    ),
    Attack(
        "faults handled outside of the kernel",
        f"refused(lambda: call(number(323, 282), 0), lambda: call(number(323, 282), 1), {BY_FILTER})",
        needs=(SECCOMP,),
        is_real=True,
    ),
    Attack(
        "counters of the processor",
        "event = struct.pack('IIQQQQQ', 1, 112, 0, 0, 0, 0, 0x61).ljust(112, bytes(1))\n"
        f"refused(lambda: call(number(298, 241), event, 0, -1, -1, 0), lambda: call(number(298, 241), event, -1, 0, -1, 0), {BY_FILTER})",
        needs=(SECCOMP,),
    ),
    Attack(
        "another personality",
        f"refused(lambda: call(number(135, 92), 0x40000), lambda: call(number(135, 92), 0xFFFFFFFF), {BY_FILTER})",
        needs=(SECCOMP,),
        is_real=True,
    ),
    Attack(
        "typing into the parent's terminal",
        "import fcntl\n"
        "orders = ((0x5412, b'x'), (0x541C, bytes([2])), (0x540E, 0), (0x5410, struct.pack('i', PARENT)), (0x5422, 0), (0x5432, b''))\n"
        f"refused(*[lambda fd=fd, order=order: fcntl.ioctl(fd, *order) for fd in range(7) for order in orders], {BY_FILTER})",
        needs=(SECCOMP,),
    ),
    Attack(
        "the machine's clock, name, modules and power",
        "ways = [(227, 112), (164, 170), (159, 171), (170, 161), (171, 162), (175, 105), (313, 273), (246, 104), (320, 294),\n"
        "        (167, 224), (168, 225), (163, 89), (179, 60), (103, 116), (212, 18), (304, 265), (303, 264), (300, 262),\n"
        "        (253, 26), (301, 263), (279, 239), (256, 238), (237, 235), (238, 236), (278, 77), (275, 76), (216, 234)]\n"
        f"refused(*[lambda pair=pair: call(number(*pair), -1, -1, -1, -1, -1) for pair in ways], {BY_FILTER})\n"
        "if IS_X86:\n"
        f"    refused(*[lambda one=one: call(one, -1, -1, -1) for one in (154, 158, 172, 173, 174, 176, 180, 205, 211)], {BY_FILTER})",
        needs=(SECCOMP,),
    ),
    Attack(
        "calls that are newer than any list",
        f"refused(*[lambda one=one: call(one, -1, -1, -1, -1, -1) for one in (*range(424, 435), 437, 438, *range(440, 600))], {BY_FILTER})",
        needs=(SECCOMP,),
    ),
    Attack(
        "messages and memory that processes share",
        "refused(lambda: call(number(29, 194), 0, 4096, 0o1600), lambda: call(number(64, 190), 0, 1, 0o1600),\n"
        "        lambda: call(number(68, 186), 0, 0o1600), lambda: call(number(240, 180), b'x', 0o102, 0o600, 0),\n"
        f"        lambda: call(number(319, 279), b'x', 0), lambda: call(447, 0), {BY_FILTER})",
        needs=(SECCOMP,),
    ),
    Attack(
        "rights and marks of files",
        "refused(lambda: os.chmod('.', 0o700), lambda: os.fchmod(3, 0o600), lambda: os.setxattr(3, 'user.x', b''),\n"
        f"        lambda: os.utime(3), lambda: os.chmod(3, 0o777), lambda: os.fchown(3, -1, -1), {BY_FILTER})",
        needs=(SECCOMP,),
        is_real=True,
    ),
)

# On a machine of another kind these are numbers like all others.
OLD_DOORS = (
    Attack(
        "the calls of the x32 interface",
        "if IS_X86: LIBC.syscall(ctypes.c_long(0x40000000 + 41), 2, 1, 0)\nos.kill(os.getpid(), signal.SIGSYS)",
        (Ending.KILLED,),
        needs=(SECCOMP,),
    ),
    Attack(
        "the calls of 32-bit programs",
        "import mmap\n"
        "if not IS_X86: os.kill(os.getpid(), signal.SIGSYS)\n"
        "code = mmap.mmap(-1, 4096, prot=7)\n"
        "code.write(bytes.fromhex('53b814000000cd805bc3'))\n"
        "address = ctypes.addressof(ctypes.c_char.from_buffer(code))\n"
        "raise Escaped(ctypes.CFUNCTYPE(ctypes.c_int)(address)())",
        (Ending.KILLED,),
        needs=(SECCOMP,),
        is_real=True,
    ),
)

KERNEL = (*NAMESPACES, *RIGHTS, *DOORS, *OLD_DOORS)
