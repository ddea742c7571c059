"""Secrets, sockets, signals and processes of the host."""

from __future__ import annotations

from attack_programs import Attack
from r1kit.sandbox import Ending, Limits
from r1kit.sandbox.layers import SECCOMP

SHORT = Limits(wall_seconds=0.4)

SECRETS = (
    Attack(
        "secrets in files",
        "home = os.path.expanduser('~root')\n"
        "refused(*[lambda path=path: read(path) for path in (SECRET_FILE, '/etc/passwd', '/etc/shadow', '/etc/hostname',\n"
        "         f'{home}/.ssh/id_rsa', f'{home}/.netrc', f'{home}/.bash_history', '/var/log/dpkg.log')],\n"
        "        lambda: os.listdir(FOLDER), lambda: os.listdir('/home'), lambda: os.listdir('/etc'))",
        is_real=True,
    ),
    Attack(
        "files by the way up from the work folder",
        "up, here = '../' * 30, 3\ntry: here = os.open('.', os.O_RDONLY)\nexcept PermissionError: pass\n"
        "refused(lambda: read(up + SECRET_FILE), lambda: read(up + 'etc/passwd'),\n"
        "        lambda: os.open(up + SECRET_FILE, os.O_RDONLY, dir_fd=here),\n"
        "        lambda: call(437, here, (up + SECRET_FILE).encode(), struct.pack('QQQ', 0, 0, 0), 24))",
        is_real=True,
    ),
    Attack(
        "secrets in the environment",
        "everything = repr(dict(os.environ)).encode()\n"
        "start = ctypes.POINTER(ctypes.c_char_p).in_dll(LIBC, 'environ')\n"
        "index = 0\n"
        "while start[index]: everything += start[index]; index += 1\n"
        "if b'R1KIT_ATTACK' in everything: raise Escaped",
        is_real=True,
    ),
    Attack(
        "secrets in /proc",
        "own = os.getpid()\n"
        "others = [pid for pid in ('1', str(os.getppid()), str(PARENT), str(VICTIM)) if pid != str(own)]\n"
        "names = ('environ', 'cmdline', 'maps', 'mem', 'root/etc/passwd', 'cwd/x', 'status')\n"
        "refused(*[lambda path=f'/proc/{pid}/{name}': read(path) for pid in others for name in names],\n"
        "        *[lambda path=path: read(path) for path in ('/proc/kcore', '/proc/kallsyms', '/proc/self/root/etc/passwd',\n"
        "          '/proc/self/environ', '/proc/mounts', '/proc/net/tcp', '/proc/version')])",
        is_real=True,
    ),
    Attack(
        "devices and the kernel's own folders",
        "def opened(path, flags):\n    os.close(os.open(path, flags))\n"
        "paths = ['/dev/' + name for name in 'mem kmem port kmsg tty ptmx console kvm fuse net/tun sda vda nvme0n1 loop0'.split()]\n"
        "paths += ['/sys/kernel/notes', '/sys/class/net/lo/address', '/proc/sysrq-trigger', '/proc/sys/kernel/hostname',\n"
        "          '/sys/fs/cgroup/cgroup.procs', '/run/utmp', '/boot']\n"
        "refused(*[lambda path=path: opened(path, os.O_RDONLY) for path in paths],\n"
        "        *[lambda path=path: opened(path, os.O_RDWR) for path in paths], lambda: os.listdir('/sys'))",
        is_real=True,
    ),
    Attack(
        "writing outside the work folder",
        "prefix = os.path.dirname(os.__file__)\n"
        "places = [WRITABLE, f'/tmp/{MARK}', f'/var/tmp/{MARK}', f'/dev/shm/{MARK}', f'/{MARK}', f'{prefix}/{MARK}',\n"
        "          f'{prefix}/__pycache__/{MARK}', f'/dev/{MARK}', f'../{MARK}', sys.executable or '/bin/sh', os.__file__]\n"
        "refused(*[lambda path=path: write(path) for path in places], lambda: os.mkdir(f'/tmp/{MARK}'),\n"
        "        lambda: os.truncate(SECRET_FILE, 0), lambda: os.unlink(SECRET_FILE), lambda: os.rename(SECRET_FILE, WRITABLE))",
    ),
    Attack(
        "descriptors of the parent",
        "found = []\nfor fd in range(7, 5000):\n"
        "    try: os.fstat(fd); found.append(fd)\n    except OSError: pass\n"
        "for fd in (0, *found):\n"
        "    for reach in (lambda: os.pread(fd, 100, 0), lambda: os.listdir(fd), lambda: os.fchdir(fd)):\n"
        "        try: found.append(reach())\n        except OSError: pass\n"
        "found = [one for one in found if one != b'']\nif found: raise Escaped(found)",
        is_real=True,
    ),
    Attack(
        "packages of the host and what belongs to r1kit",
        "import importlib\n"
        "refused(*[lambda name=name: importlib.import_module(name) for name in ('r1kit.core', 'r1kit.sandbox.session', 'torch',\n"
        "          'numpy', 'pytest', 'pip', 'setuptools', 'conftest', 'attack_programs')])",
    ),
)

LINKS = (
    Attack(
        "a symbolic link to a secret",
        "def linked(): os.symlink(SECRET_FILE, 'link'); return read('link')\n"
        "def folder(): os.symlink(FOLDER, 'folder'); return os.listdir('folder')\n"
        "def hard(): os.link(SECRET_FILE, 'hard'); return read('hard')\n"
        "refused(linked, folder, hard)",
        is_real=True,
    ),
    Attack(
        "links that the cleaning up might follow",
        "for name, target in (('a', FOLDER), ('b', SECRET_FILE), ('c', '/'), ('.3', SECRET_FILE), ('.4', FOLDER)):\n"
        "    try: os.symlink(target, name)\n    except OSError: pass\n"
        "try: os.mkdir('d', 0); os.rename('d', '.0'); os.mkdir('.1', 0o777)\nexcept OSError: pass",
    ),
    Attack(
        "FIFOs, sockets and devices in the work folder",
        "import stat\n"
        "def listen():\n    line = socket.socket(socket.AF_UNIX); line.bind('line'); line.listen()\n"
        "refused(lambda: os.mkfifo('fifo'), lambda: os.mknod('null', stat.S_IFCHR | 0o666, os.makedev(1, 3)),\n"
        "        lambda: os.mknod('disk', stat.S_IFBLK | 0o666, os.makedev(8, 0)), listen)",
        needs=(SECCOMP,),
        is_real=True,
    ),
    Attack(
        "a FIFO that nobody writes",
        "try: os.mkfifo('fifo')\nexcept OSError: time.sleep(100)\nopen('fifo')",
        (Ending.TIMED_OUT,),
        limits=SHORT,
    ),
)

SOCKETS = (
    Attack("a TCP connection", "refused(lambda: reach(socket.AF_INET, ('127.0.0.1', PORT)))", is_real=True),
    Attack(
        "a TCP connection by version six",
        "refused(lambda: reach(socket.AF_INET6, ('::1', PORT6)), lambda: reach(socket.AF_INET6, ('::ffff:127.0.0.1', PORT)))",
    ),
    Attack(
        "a datagram, with and without a connection",
        "def send(): socket.socket(type=socket.SOCK_DGRAM).sendto(b'x', ('127.0.0.1', DATAGRAM_PORT))\n"
        "refused(lambda: reach(socket.AF_INET, ('127.0.0.1', DATAGRAM_PORT), socket.SOCK_DGRAM), send)",
        is_real=True,
        needs=(SECCOMP,),
    ),
    Attack(
        "addresses of the outside",
        "refused(lambda: reach(socket.AF_INET, ('169.254.169.254', 80)), lambda: reach(socket.AF_INET, ('192.0.2.1', 53)),\n"
        "        lambda: socket.getaddrinfo('localhost', 80) and reach(socket.AF_INET, ('localhost', PORT)))",
        is_real=True,
    ),
    Attack(
        "a socket in the file system", "refused(lambda: reach(socket.AF_UNIX, SOCKET_PATH))", is_real=True
    ),
    Attack("an abstract socket", "refused(lambda: reach(socket.AF_UNIX, chr(0) + ABSTRACT))", is_real=True),
    Attack(
        "a pair of sockets turned into a way out",
        "one, other = socket.socketpair()\n"
        "def pass_on(): socket.send_fds(one, [b'x'], [0])\n"
        "def connect(): one.connect(chr(0) + ABSTRACT)\n"
        "def datagrams(): socket.socketpair(type=socket.SOCK_DGRAM)[0].sendto(b'x', chr(0) + ABSTRACT)\n"
        "refused(pass_on, connect, datagrams, lambda: one.bind(chr(0) + MARK), lambda: one.sendto(b'x', chr(0) + ABSTRACT))",
        needs=(SECCOMP,),
        is_real=True,
    ),
    Attack(
        "netlink",
        "def ask():\n    with socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, 0) as line:\n"
        "        line.settimeout(1)\n        line.sendto(struct.pack('=LHHLLBxxx', 20, 18, 0x301, 1, 0, 0), (0, 0))\n"
        "        return len(line.recv(65536)) > 2000 or b'eth0' in line.recv(65536)\n"
        "refused(lambda: socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, 0), ask)",
        needs=(SECCOMP,),
        is_real=True,
    ),
    Attack(
        "raw and packet sockets",
        "refused(lambda: socket.socket(socket.AF_INET, socket.SOCK_RAW, 1), lambda: socket.socket(17, socket.SOCK_RAW, 768),\n"
        "        lambda: socket.socket(socket.AF_INET, socket.SOCK_DGRAM, 1).sendto(b'x', ('127.0.0.1', 0)))",
    ),
    Attack(
        "a socket to the machine's host",
        "refused(lambda: reach(40, (2, 1024)), lambda: reach(40, (1, 1024)), lambda: reach(38, ('hash', 'sha256')))",
    ),
    Attack(
        "every family and type of socket there is",
        "kinds = [(family, kind) for family in range(48) for kind in (1, 2, 3, 4, 5, 6)]\n"
        "refused(*[lambda pair=pair: socket.socket(*pair).fileno() for pair in kinds], why=(errno.EPERM,))",
        needs=(SECCOMP,),
        is_real=True,
    ),
    Attack(
        "a server of its own",
        "def serve(family, address):\n    with socket.socket(family) as line: line.bind(address); line.listen(); return address\n"
        "refused(lambda: serve(socket.AF_INET, ('127.0.0.1', 0)), lambda: serve(socket.AF_UNIX, chr(0) + MARK),\n"
        "        lambda: serve(socket.AF_UNIX, MARK))",
        needs=(SECCOMP,),
        is_real=True,
    ),
)

# Signal 18 has a stopped process go on; nothing happens to one that runs.
SIGNALS = (
    Attack(
        "signals to the parent and its children",
        "own = (os.getpid(), 1)\nassert VICTIM not in own\n"
        "refused(lambda: os.kill(VICTIM, signal.SIGTERM), lambda: os.kill(VICTIM, signal.SIGSTOP), lambda: os.kill(PARENT, 18),\n"
        "        lambda: os.killpg(VICTIM, signal.SIGTERM), lambda: os.kill(-VICTIM, 18))",
    ),
    Attack(
        "signals to all, to its group and to its keeper",
        "refused(lambda: os.kill(-1, 18), lambda: os.kill(0, 18), lambda: os.kill(os.getppid(), signal.SIGKILL),\n"
        "        lambda: os.kill(os.getppid(), signal.SIGSTOP), lambda: os.killpg(0, 18), why=(errno.EPERM,))",
        needs=(SECCOMP,),
    ),
    Attack(
        "signals by other calls",
        "info = ctypes.create_string_buffer(struct.pack('iii', 18, 0, -1).ljust(128, bytes(1)))\n"
        "def by_descriptor(): signal.pidfd_send_signal(os.pidfd_open(VICTIM), signal.SIGTERM)\n"
        "refused(by_descriptor, lambda: call(number(200, 130), VICTIM, 15), lambda: call(number(234, 131), VICTIM, VICTIM, 15),\n"
        "        lambda: call(number(129, 138), VICTIM, 18, info), lambda: call(number(297, 240), VICTIM, VICTIM, 18, info),\n"
        "        lambda: os.pidfd_open(os.getppid()) and call(424, 3, 0, 0, 0))",
    ),
    Attack(
        "signals that the kernel sends for it",
        "import fcntl\none, other = socket.socketpair()\n"
        "def own(): fcntl.fcntl(one, fcntl.F_SETOWN, VICTIM); fcntl.fcntl(one, fcntl.F_SETSIG, signal.SIGTERM)\n"
        "def own_extended(): fcntl.fcntl(one, 15, struct.pack('ii', 1, VICTIM))\n"
        "def by_control(): fcntl.ioctl(one, 0x8901, struct.pack('i', VICTIM))\n"
        "refused(own, own_extended, by_control, lambda: fcntl.fcntl(1, 1024, 0))",
        needs=(SECCOMP,),
        is_real=True,
    ),
    Attack(
        "tracing the parent",
        "targets = [VICTIM, PARENT, os.getppid()]\n"
        "refused(*[lambda pid=pid: call(number(101, 117), request, pid, 0, 0) for pid in targets for request in (16, 0x4206)],\n"
        "        lambda: call(number(101, 117), 0, 0, 0, 0))",
        needs=(SECCOMP,),
    ),
    Attack(
        "memory of other processes",
        "local = ctypes.create_string_buffer(64)\n"
        "vector = struct.pack('QQ', ctypes.addressof(local), 64)\nother = struct.pack('QQ', id(os), 64)\n"
        "refused(*[lambda pid=pid: call(which, pid, vector, 1, other, 1, 0) for pid in (VICTIM, PARENT, os.getppid())\n"
        "          for which in (number(310, 270), number(311, 271))],\n"
        "        lambda: call(440, 3, vector, 1, 4, 0), lambda: call(number(312, 272), os.getpid(), VICTIM, 0, 3, 3))",
    ),
    Attack(
        "limits and priorities of other processes",
        "import resource\n"
        "refused(lambda: resource.prlimit(VICTIM, resource.RLIMIT_CPU, (1, 1)), lambda: os.setpriority(os.PRIO_PROCESS, VICTIM, 19),\n"
        "        lambda: os.sched_setaffinity(VICTIM, {0}), lambda: resource.prlimit(os.getppid(), resource.RLIMIT_NOFILE),\n"
        "        lambda: os.sched_setscheduler(VICTIM, os.SCHED_IDLE, os.sched_param(0)))",
        needs=(SECCOMP,),
    ),
)

DAEMONS = (
    Attack(
        "a daemon that forks twice",
        "def daemon():\n    if os.fork() == 0:\n        os.setsid()\n        if os.fork() == 0: time.sleep(0.5)\n        os._exit(0)\n"
        "refused(daemon)",
        needs=(SECCOMP,),
        is_real=True,
    ),
    Attack(
        "a daemon, and an end that leaves it",
        "def daemon():\n    if os.fork() == 0:\n        os.setsid()\n        if os.fork() == 0: time.sleep(0.5)\n        os._exit(0)\n"
        "try: daemon()\nexcept OSError: pass\nos._exit(3)",
        (Ending.EXITED,),
    ),
    Attack(
        "other programs",
        "import subprocess, multiprocessing\n"
        "line = ['/bin/sleep', '3']\n"
        "def several():\n    with multiprocessing.get_context('fork').Pool(2): pass\n"
        "refused(lambda: subprocess.Popen(line, start_new_session=True), lambda: os.posix_spawn(line[0], line, {}),\n"
        "        lambda: os.spawnv(os.P_NOWAIT, line[0], line), lambda: subprocess.run('true', shell=True, check=True), several)\n"
        "if os.system('true') == 0: raise Escaped",
        needs=(SECCOMP,),
    ),
    Attack(
        "another program in its own place",
        "refused(lambda: os.execv('/bin/true', ['true']), lambda: os.execv(sys.executable or '/usr/bin/python3', ['x']))",
    ),
    Attack(
        "a program that it wrote itself",
        "def written():\n    with open('program', 'w') as file: file.write('#!/bin/sh\\nexit 0\\n')\n"
        "    os.chmod('program', 0o4755); os.execv('./program', ['program'])\n"
        "def in_memory():\n    fd = os.memfd_create('program'); os.write(fd, b'#!/bin/true\\n'); os.execve(fd, ['x'], {})\n"
        "def by_descriptor(): call(number(322, 281), 3, b'', 0, 0, 0x1000)\n"
        "refused(written, in_memory, by_descriptor)",
    ),
)

ESCAPES = (*SECRETS, *LINKS, *SOCKETS, *SIGNALS, *DAEMONS)
