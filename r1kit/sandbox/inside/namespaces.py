"""Namespaces of our own, and in them a root folder that holds nothing but Python, read-only, and a work folder.

No network, no other processes, no /proc, no devices but four. Made without any privilege where the kernel lets
ordinary users have user namespaces; a root user is mapped to nobody, so that the jail is not root to the host.
See user_namespaces(7), mount_namespaces(7) and pivot_root(2).
"""

from __future__ import annotations

import os
from collections.abc import Sequence

from r1kit.sandbox.inside.kernel import PIVOT_ROOT, call, empty_bounding_set, syscall

CLONE_NEWNS = 0x00020000
CLONE_NEWCGROUP = 0x02000000
CLONE_NEWUTS = 0x04000000
CLONE_NEWIPC = 0x08000000
CLONE_NEWUSER = 0x10000000
CLONE_NEWPID = 0x20000000
CLONE_NEWNET = 0x40000000
ALL = (
    CLONE_NEWNS | CLONE_NEWCGROUP | CLONE_NEWUTS | CLONE_NEWIPC | CLONE_NEWUSER | CLONE_NEWPID | CLONE_NEWNET
)

MS_RDONLY, MS_NOSUID, MS_NODEV, MS_NOEXEC, MS_REMOUNT = 1, 2, 4, 8, 32
MS_NOATIME, MS_NODIRATIME, MS_BIND, MS_REC, MS_PRIVATE, MS_RELATIME = (
    1024,
    2048,
    4096,
    16384,
    1 << 18,
    1 << 21,
)
MNT_DETACH = 2
# statvfs tells this one by another number than mount takes.
ST_RELATIME = 4096

NOBODY = 65534
# Any folder will do: what it holds is covered in this mount namespace only.
COVERED = b"/tmp"
DEVICES = ("null", "zero", "random", "urandom")
MOST_INODES = 1024


def enter(folders: Sequence[str], masks: Sequence[str], work: str, work_bytes: int) -> None:
    """Leave the host: only processes forked from now on are in the new PID namespace.

    `folders` are readable at their old places but for `masks` in them; `work`, a path that does not exist in
    them, is an empty folder for `work_bytes`. Raises OSError.
    """
    _unshare_as_nobody()
    _forbid_more_namespaces()
    call("mount", None, b"/", None, MS_REC | MS_PRIVATE, None)
    _tmpfs(COVERED.decode(), MS_NODEV, "size=1m,mode=755")
    os.mkdir(COVERED + b"/old")
    os.chdir(COVERED)
    syscall("pivot_root", PIVOT_ROOT[os.uname().machine], b".", b"old")
    os.chdir("/")
    _furnish(folders, masks, work, work_bytes)
    call("umount2", b"/old", MNT_DETACH)
    os.rmdir("/old")
    call("mount", None, b"/", None, MS_REMOUNT | MS_BIND | MS_RDONLY | MS_NOSUID | MS_NODEV | MS_NOEXEC, None)
    os.chdir(work)
    # With the user root's rights go, and with them the right to do this.
    empty_bounding_set()
    if os.getuid() != NOBODY:
        os.setresgid(NOBODY, NOBODY, NOBODY)
        os.setresuid(NOBODY, NOBODY, NOBODY)


def _unshare_as_nobody() -> None:
    """Enter the namespaces; the id 65534 in them is this user's, or for root that of the host's nobody."""
    user, group = os.getuid(), os.getgid()
    if user == 0:
        _unshare_mapped_by_another()
        os.setgroups([])
        return
    call("unshare", ALL)
    _write("/proc/self/setgroups", "deny")
    _write("/proc/self/uid_map", f"{NOBODY} {user} 1")
    _write("/proc/self/gid_map", f"{NOBODY} {group} 1")


def _unshare_mapped_by_another() -> None:
    """Root stays root until all is mounted; two ids can only be mapped from outside the new namespace."""
    mapped = f"0 0 1\n{NOBODY} {NOBODY} 1"
    ours = os.getpid()
    entered_read, entered_write = os.pipe()
    child = os.fork()
    if child == 0:
        code = 1
        try:
            os.close(entered_write)
            if os.read(entered_read, 1):
                _write(f"/proc/{ours}/uid_map", mapped)
                _write(f"/proc/{ours}/gid_map", mapped)
                code = 0
        finally:
            os._exit(code)
    os.close(entered_read)
    try:
        call("unshare", ALL)
        os.write(entered_write, b".")
    finally:
        os.close(entered_write)
        status = os.waitpid(child, 0)[1]
    if status != 0:
        raise PermissionError("the ids 0 and 65534 cannot be mapped into a user namespace")


def _forbid_more_namespaces() -> None:
    try:
        _write("/proc/sys/user/max_user_namespaces", "0")
    except OSError:
        # A read-only /proc/sys, as in a container; seccomp forbids them too.
        return


def _furnish(folders: Sequence[str], masks: Sequence[str], work: str, work_bytes: int) -> None:
    for folder in folders:
        os.makedirs(folder, exist_ok=True)
        _bind(f"/old{folder}", folder, MS_RDONLY | MS_NOSUID | MS_NODEV)
    for mask in masks:
        _tmpfs(mask, MS_RDONLY | MS_NOSUID | MS_NODEV | MS_NOEXEC, "size=4k,mode=555")
    for link in ("/lib", "/lib64"):
        if os.path.islink(f"/old{link}") and not os.path.lexists(link):
            os.symlink(os.readlink(f"/old{link}"), link)
    os.mkdir("/dev")
    for device in DEVICES:
        os.close(os.open(f"/dev/{device}", os.O_CREAT | os.O_WRONLY, 0o666))
        _bind(f"/old/dev/{device}", f"/dev/{device}", MS_NOSUID | MS_NOEXEC)
    os.mkdir(work)
    options = f"size={work_bytes},nr_inodes={MOST_INODES},mode=700,uid={NOBODY},gid={NOBODY}"
    _tmpfs(work, MS_NOSUID | MS_NODEV | MS_NOEXEC, options)


def _bind(source: str, target: str, flags: int) -> None:
    """Mount what is at `source` also at `target`; flags that the host has set there cannot be taken away."""
    call("mount", os.fsencode(source), os.fsencode(target), None, MS_BIND, None)
    kept = os.statvfs(target).f_flag
    flags |= kept & (MS_RDONLY | MS_NOSUID | MS_NODEV | MS_NOEXEC | MS_NOATIME | MS_NODIRATIME)
    if kept & ST_RELATIME:
        flags |= MS_RELATIME
    call("mount", None, os.fsencode(target), None, MS_REMOUNT | MS_BIND | flags, None)


def _tmpfs(target: str, flags: int, options: str) -> None:
    call("mount", b"tmpfs", os.fsencode(target), b"tmpfs", flags, options.encode())


def _write(path: str, text: str) -> None:
    fd = os.open(path, os.O_WRONLY)
    try:
        os.write(fd, text.encode())
    finally:
        os.close(fd)
