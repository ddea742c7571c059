"""The system calls a Python program needs, by machine. Numbers from Linux's own tables (uapi/asm/unistd.h)."""

from __future__ import annotations

# The names that are free of any condition.
HARMLESS = frozenset(
    """
    read write readv writev pread64 pwrite64 preadv pwritev lseek close close_range
    stat lstat fstat newfstatat statx access faccessat faccessat2 readlink readlinkat getdents64
    getcwd chdir fchdir dup dup2 dup3 ftruncate fsync fdatasync flock umask statfs fstatfs sendfile copy_file_range
    fadvise64 pipe pipe2 poll ppoll select pselect6 epoll_create1 epoll_ctl epoll_wait epoll_pwait sendto recvfrom
    mmap munmap mprotect mremap madvise brk msync mincore
    exit exit_group wait4 waitid getpid getppid gettid getuid geteuid getgid getegid getresuid getresgid getgroups
    getpgrp getpgid getsid getrusage times getrlimit setrlimit sysinfo uname sched_yield sched_getaffinity getcpu
    getpriority nanosleep clock_nanosleep clock_gettime clock_getres gettimeofday time
    alarm setitimer getitimer pause rt_sigaction rt_sigprocmask rt_sigreturn rt_sigpending rt_sigsuspend
    rt_sigtimedwait sigaltstack restart_syscall futex set_robust_list set_tid_address rseq getrandom membarrier
    """.split()  # noqa: SIM905  # seven lines instead of a hundred
)
# These change folders; where nothing may be written they are refused as well.
CHANGING = frozenset(
    "truncate fallocate rename renameat renameat2 unlink unlinkat mkdir mkdirat rmdir".split()  # noqa: SIM905
)

X86_64 = """
    read=0 write=1 open=2 close=3 stat=4 fstat=5 lstat=6 poll=7 lseek=8 mmap=9 mprotect=10 munmap=11 brk=12
    rt_sigaction=13 rt_sigprocmask=14 rt_sigreturn=15 ioctl=16 pread64=17 pwrite64=18 readv=19 writev=20 access=21
    pipe=22 select=23 sched_yield=24 mremap=25 msync=26 mincore=27 madvise=28 dup=32 dup2=33 pause=34 nanosleep=35
    getitimer=36 alarm=37 setitimer=38 getpid=39 sendfile=40 sendto=44 recvfrom=45 socketpair=53 clone=56 exit=60
    wait4=61 kill=62 uname=63 fcntl=72 flock=73 fsync=74 fdatasync=75 truncate=76 ftruncate=77 getcwd=79 chdir=80
    fchdir=81 rename=82 mkdir=83 rmdir=84 unlink=87 readlink=89 umask=95 gettimeofday=96 getrlimit=97 getrusage=98
    sysinfo=99 times=100 getuid=102 getgid=104 geteuid=107 getegid=108 getppid=110 getpgrp=111 getgroups=115
    getresuid=118 getresgid=120 getpgid=121 getsid=124 rt_sigpending=127 rt_sigtimedwait=128 rt_sigsuspend=130
    sigaltstack=131 statfs=137 fstatfs=138 getpriority=140 prctl=157 setrlimit=160 gettid=186 time=201 futex=202
    sched_getaffinity=204 getdents64=217 set_tid_address=218 restart_syscall=219 fadvise64=221 clock_gettime=228
    clock_getres=229 clock_nanosleep=230 exit_group=231 epoll_wait=232 epoll_ctl=233 tgkill=234 waitid=247
    openat=257 mkdirat=258 newfstatat=262 unlinkat=263 renameat=264 readlinkat=267 faccessat=269 pselect6=270
    ppoll=271 set_robust_list=273 epoll_pwait=281 fallocate=285 epoll_create1=291 dup3=292 pipe2=293 preadv=295
    pwritev=296 prlimit64=302 getcpu=309 renameat2=316 getrandom=318 membarrier=324 copy_file_range=326 statx=332
    rseq=334 clone3=435 close_range=436 faccessat2=439
"""
AARCH64 = """
    getcwd=17 epoll_create1=20 epoll_ctl=21 epoll_pwait=22 dup=23 dup3=24 fcntl=25 ioctl=29 flock=32 mkdirat=34
    unlinkat=35 renameat=38 statfs=43 fstatfs=44 truncate=45 ftruncate=46 fallocate=47 faccessat=48 chdir=49
    fchdir=50 openat=56 close=57 pipe2=59 getdents64=61 lseek=62 read=63 write=64 readv=65 writev=66 pread64=67
    pwrite64=68 preadv=69 pwritev=70 sendfile=71 pselect6=72 ppoll=73 readlinkat=78 newfstatat=79 fstat=80 fsync=82
    fdatasync=83 exit=93 exit_group=94 waitid=95 set_tid_address=96 futex=98 set_robust_list=99 nanosleep=101
    getitimer=102 setitimer=103 clock_gettime=113 clock_getres=114 clock_nanosleep=115 sched_getaffinity=123
    sched_yield=124 restart_syscall=128 kill=129 tgkill=131 sigaltstack=132 rt_sigsuspend=133 rt_sigaction=134
    rt_sigprocmask=135 rt_sigpending=136 rt_sigtimedwait=137 rt_sigreturn=139 getpriority=141 getresuid=148
    getresgid=150 times=153 getpgid=155 getsid=156 getgroups=158 uname=160 getrlimit=163 setrlimit=164
    getrusage=165 umask=166 prctl=167 getcpu=168 gettimeofday=169 getpid=172 getppid=173 getuid=174 geteuid=175
    getgid=176 getegid=177 gettid=178 sysinfo=179 socketpair=199 sendto=206 recvfrom=207 brk=214 munmap=215
    mremap=216 clone=220 mmap=222 fadvise64=223 mprotect=226 msync=227 mincore=232 madvise=233 wait4=260
    prlimit64=261 renameat2=276 getrandom=278 membarrier=283 copy_file_range=285 statx=291 rseq=293 clone3=435
    close_range=436 faccessat2=439
"""
TABLES = {"x86_64": X86_64, "aarch64": AARCH64}
# The audit numbers of uapi/linux/audit.h, by which a filter tells the machine.
ARCHITECTURES = {"x86_64": 0xC000003E, "aarch64": 0xC00000B7}


def numbers(machine: str) -> dict[str, int]:
    """The number of each call that the machine has. Raises KeyError for machines without a table."""
    pairs = (word.split("=") for word in TABLES[machine].split())
    return {name: int(number) for name, number in pairs}
