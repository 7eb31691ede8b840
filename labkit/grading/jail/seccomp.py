"""seccomp: the system calls that computing needs, and no others.

A list of what is allowed, so that whatever Linux adds is refused: no new processes or programs, no
sockets, no signals to others, no namespaces, nothing of tracing, keys, io_uring or BPF. Made by
hand and loaded through prctl: a package for it would need libseccomp, which not all machines have.
"""

from __future__ import annotations

import ctypes
import errno
import os
import platform
import struct
from collections.abc import Iterator, Sequence
from functools import cache

from labkit.grading.jail import linux

# name:number on x86_64:number on aarch64
FREE = """
read:0:63 write:1:64 readv:19:65 writev:20:66 pread64:17:67 pwrite64:18:68 preadv:295:69
pwritev:296:70 preadv2:327:286 pwritev2:328:287 lseek:8:62 close:3:57 close_range:436:436
dup:32:23 dup2:33:- dup3:292:24 fcntl:72:25 ioctl:16:29 pipe:22:- pipe2:293:59 poll:7:-
ppoll:271:73 select:23:- pselect6:270:72 epoll_create:213:- epoll_create1:291:20
epoll_ctl:233:21 epoll_wait:232:- epoll_pwait:281:22 epoll_pwait2:441:441 eventfd:284:-
eventfd2:290:19 timerfd_create:283:85 timerfd_settime:286:86 timerfd_gettime:287:87
sendfile:40:71 copy_file_range:326:285 fadvise64:221:223 fallocate:285:47 ftruncate:77:46
truncate:76:45 fsync:74:82 fdatasync:75:83 flock:73:32 open:2:- openat:257:56 openat2:437:437
creat:85:- stat:4:- fstat:5:80 lstat:6:- newfstatat:262:79 statx:332:291 access:21:-
faccessat:269:48 faccessat2:439:439 readlink:89:- readlinkat:267:78 getdents:78:-
getdents64:217:61 getcwd:79:17 chdir:80:49 fchdir:81:50 mkdir:83:- mkdirat:258:34 rmdir:84:-
unlink:87:- unlinkat:263:35 rename:82:- renameat:264:38 renameat2:316:276 symlink:88:-
symlinkat:266:36 chmod:90:- fchmod:91:52 fchmodat:268:53 utime:132:- utimes:235:-
utimensat:280:88 futimesat:261:- umask:95:166 statfs:137:43 fstatfs:138:44 listxattr:194:11
llistxattr:195:12 flistxattr:196:13 getxattr:191:8 lgetxattr:192:9 fgetxattr:193:10 mmap:9:222
munmap:11:215 mremap:25:216 mprotect:10:226 madvise:28:233 mincore:27:232 msync:26:227
brk:12:214 mlock:149:228 munlock:150:229 get_mempolicy:239:236 membarrier:324:283 futex:202:98
futex_waitv:449:449 set_robust_list:273:99 get_robust_list:274:100 set_tid_address:218:96
rseq:334:293 exit:60:93 exit_group:231:94 gettid:186:178 getpid:39:172 getppid:110:173
getpgrp:111:- getpgid:121:155 getsid:124:156 sched_yield:24:124 sched_getaffinity:204:123
sched_getparam:143:121 sched_getscheduler:145:120 sched_get_priority_max:146:125
sched_get_priority_min:147:126 getpriority:140:141 getcpu:309:168 wait4:61:260 waitid:247:95
arch_prctl:158:- getrlimit:97:163 setrlimit:160:164 getrusage:98:165 times:100:153
sysinfo:99:179 uname:63:160 getuid:102:174 geteuid:107:175 getgid:104:176 getegid:108:177
getresuid:118:148 getresgid:120:150 getgroups:115:158 rt_sigaction:13:134 rt_sigprocmask:14:135
rt_sigreturn:15:139 rt_sigsuspend:130:133 rt_sigpending:127:136 rt_sigtimedwait:128:137
sigaltstack:131:132 pause:34:- restart_syscall:219:128 setitimer:38:103 getitimer:36:102
alarm:37:- timer_create:222:107 timer_settime:223:110 timer_gettime:224:108 timer_delete:226:111
timer_getoverrun:225:109 clock_gettime:228:113 clock_getres:229:114 clock_nanosleep:230:115
nanosleep:35:101 gettimeofday:96:169 time:201:- sendto:44:206 recvfrom:45:207 sendmsg:46:211
recvmsg:47:212 shutdown:48:210 getsockopt:55:209 setsockopt:54:208 getsockname:51:204
getpeername:52:205 getrandom:318:278
"""
# Allowed for some arguments only, see conditions().
CONDITIONAL = """
clone:56:220 fork:57:- vfork:58:- execve:59:221 execveat:322:281 socket:41:198 socketpair:53:199
kill:62:129 tgkill:234:131 prlimit64:302:261 sched_setaffinity:203:122 prctl:157:167
"""
AUDIT_ARCH = {"x86_64": 0xC000_003E, "aarch64": 0xC000_00B7}
COLUMN = {"x86_64": 1, "aarch64": 2}

# One instruction of classic BPF: code, jump if true, jump if false, value.
LOAD, EQUAL, ANY_BIT, RETURN = 0x20, 0x15, 0x45, 0x06
NUMBER_AT, ARCH_AT, ARGUMENT_AT = 0, 4, 16
ALLOW, KILL, REFUSE = 0x7FFF_0000, 0x8000_0000, 0x0005_0000
FILTER = 2

CLONE_THREAD = 0x0001_0000
AF_UNIX = 1
# Names and dumpability may be asked for; who dies with whom, and what is allowed, may not be set.
PRCTL = (3, 15, 16, 23, 39, 0x5356_4D41)

Instruction = tuple[int, int, int, int]


def available() -> bool:
    """Whether there is a table for this processor."""
    return platform.machine() in AUDIT_ARCH


def load(pid: int) -> None:
    """Filter all system calls of this process from now on; its own process id is `pid`."""
    code = compiled(pid)
    buffer = ctypes.create_string_buffer(code, len(code))
    head = struct.pack("HxxxxxxP", len(code) // 8, ctypes.addressof(buffer))
    linux.prctl(linux.PR_SET_SECCOMP, FILTER, ctypes.create_string_buffer(head, len(head)))


@cache
def compiled(pid: int) -> bytes:
    """The filter as the kernel reads it; a zygote makes it ready for its children."""
    return b"".join(struct.pack("HBBI", *each) for each in program(pid))


def program(pid: int) -> list[Instruction]:
    """The filter; what it has no rule for is a call that this kernel does not have (ENOSYS)."""
    machine = platform.machine()
    rules: list[Instruction] = [
        (LOAD, 0, 0, ARCH_AT),
        (EQUAL, 1, 0, AUDIT_ARCH[machine]),
        (RETURN, 0, 0, KILL),
        (LOAD, 0, 0, NUMBER_AT),
    ]
    for number in numbers(FREE, machine).values():
        rules += [(EQUAL, 0, 1, number), (RETURN, 0, 0, ALLOW)]
    known = numbers(CONDITIONAL, machine)
    for name, steps in conditions(pid):
        if name in known:
            rules += [(EQUAL, 0, len(steps), known[name]), *steps]
    return [*rules, (RETURN, 0, 0, REFUSE | errno.ENOSYS)]


def numbers(table: str, machine: str) -> dict[str, int]:
    """The calls of a table that this processor has."""
    rows = (entry.split(":") for entry in table.split())
    return {row[0]: int(row[COLUMN[machine]]) for row in rows if row[COLUMN[machine]] != "-"}


def conditions(pid: int) -> Iterator[tuple[str, list[Instruction]]]:
    """What becomes of a call whose arguments matter."""
    for name in ("fork", "vfork", "execve", "execveat", "sched_setaffinity"):
        yield name, [(RETURN, 0, 0, REFUSE | errno.EPERM)]
    thread = [(LOAD, 0, 0, ARGUMENT_AT), (ANY_BIT, 0, 1, CLONE_THREAD), (RETURN, 0, 0, ALLOW)]
    yield "clone", [*thread, (RETURN, 0, 0, REFUSE | errno.EPERM)]
    yield "socket", [(RETURN, 0, 0, REFUSE | errno.EACCES)]
    yield "socketpair", only_if_first_is((AF_UNIX,), errno.EACCES)
    for name in ("kill", "tgkill"):
        yield name, only_if_first_is((pid,), errno.EPERM)
    yield "prlimit64", only_if_first_is((0, pid), errno.EPERM)
    yield "prctl", only_if_first_is(PRCTL, errno.EPERM)


def only_if_first_is(values: Sequence[int], refusal: int) -> list[Instruction]:
    """Allowed when the first argument (an int, 32 bits of it count) is one of these."""
    steps: list[Instruction] = [(LOAD, 0, 0, ARGUMENT_AT)]
    for value in values:
        steps += [(EQUAL, 0, 1, value), (RETURN, 0, 0, ALLOW)]
    return [*steps, (RETURN, 0, 0, REFUSE | refusal)]


def check() -> None:
    """Whether the filter holds, by a call that it refuses and that would do nothing."""
    try:
        os.kill(os.getpid() + 1, 0)
    except PermissionError:
        return
    except ProcessLookupError:
        pass
    raise OSError("the filter of system calls does not hold")
