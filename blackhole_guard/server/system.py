"""What Linux offers and Python does not name: socket options as numbers, prctl(2), capset(2), sched_setattr(2).

The numbers are those of include/uapi of the kernel, the same on x86 and arm64 unless said. `mmsg` uses ctypes, too, and
no other module here.
"""

import contextlib
import ctypes
import errno
import os
import resource
import signal
import socket
import struct
import sys

IP_PKTINFO = 8  # ip(7); Python names it from 3.13 on
IP_MTU_DISCOVER = 10
IPV6_MTU_DISCOVER = 23
PMTUDISC_OMIT = 5  # do not believe ICMP about the path's MTU: a spoofed one would make us fragment
SO_SNDBUFFORCE = 32  # past net.core.wmem_max; needs CAP_NET_ADMIN
SO_RCVBUFFORCE = 33
SO_TIMESTAMPNS = 35
SCM_TIMESTAMPNS = SO_TIMESTAMPNS
SO_MEMINFO = 55
SK_MEMINFO_DROPS = 8  # index into the array of u32 that SO_MEMINFO gives (linux/sock_diag.h)
SK_MEMINFO_VARS = 9

IN_PKTINFO = struct.Struct("=i4s4s")  # interface index, our address for a reply, destination address in the header
IN6_PKTINFO = struct.Struct("=16si")  # destination address, interface index
TIMESPEC = struct.Struct("@ll")  # seconds, nanoseconds; wall clock

_PR_SET_PDEATHSIG = 1
_PR_SET_NAME = 15
_PR_SET_NO_NEW_PRIVS = 38
_PR_CAP_AMBIENT = 47
_PR_CAP_AMBIENT_CLEAR_ALL = 4
_CAPABILITY_HEADER = struct.Struct("=Ii")  # _LINUX_CAPABILITY_VERSION_3, process id; 0: this one (linux/capability.h)
_CAPABILITY_VERSION = 0x20080522
# The number of the call differs between processors; Python names neither it nor what it takes (linux/sched/types.h).
_SCHED_SETATTR = {"x86_64": 314, "aarch64": 274, "riscv64": 274}
_SCHED_ATTR = struct.Struct("=IIQiIQQQ")  # size, policy, flags, niceness, priority, slice, deadline, period; VER0
_M_MMAP_THRESHOLD = -3  # malloc.h
_ENDLESS = 1 << 20  # descriptors; Linux has no more for one process unless fs.nr_open says so


def die_with_parent(parent: int) -> bool:
    """Have the kernel kill this process when its parent dies (prctl(2)).

    Call it after the last change of user: a change clears it. Returns False when the parent, whose process id is given,
    has died already; the caller shall then end.
    """
    _call("prctl", _PR_SET_PDEATHSIG, int(signal.SIGKILL), 0, 0, 0, what="PR_SET_PDEATHSIG")
    return os.getppid() == parent


def forbid_new_privileges() -> None:
    """Have no program that this process or a child of it starts gain privileges (prctl(2), PR_SET_NO_NEW_PRIVS)."""
    _call("prctl", _PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0, what="PR_SET_NO_NEW_PRIVS")


def drop_capabilities() -> None:
    """Give up all capabilities (capset(2)): the effective, permitted, inheritable and ambient ones."""
    _call("prctl", _PR_CAP_AMBIENT, _PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0, what="PR_CAP_AMBIENT")
    _call("capset", _CAPABILITY_HEADER.pack(_CAPABILITY_VERSION, 0), bytes(24), what="capset")


def name_process(name: str) -> None:
    """Have `ps` and /proc/PID/comm show a name; 15 octets of it."""
    _call("prctl", _PR_SET_NAME, name.encode()[:15], 0, 0, 0, what="PR_SET_NAME")


def offer_to_oom_killer(more: int) -> None:
    """Have the kernel kill this process rather than others when memory is short, by so much of 1000 (proc(5))."""
    try:
        with open("/proc/self/oom_score_adj", "r+") as file:
            now = int(file.read())
            file.seek(0)
            file.write(str(min(1000, now + more)))
    except OSError:
        return  # no /proc, or one that is root's since the user was changed: then all are equal


def _call(function: str, *arguments: int | bytes, what: str) -> None:
    """Call a function of the C library that returns 0 or sets errno. Raises OSError."""
    libc = ctypes.CDLL(None, use_errno=True)
    if getattr(libc, function)(*arguments) != 0:
        error = ctypes.get_errno()
        raise OSError(error, f"{what}: {os.strerror(error)}")


def set_slice(seconds: float) -> None:
    """Have this process, of SCHED_OTHER, ask for the CPU in turns of so many seconds (sched_setattr(2)).

    Who asks for less goes first, and gets no more in all. Linux knows it from 6.12 on, for 0.1 to 100 ms; one before
    that takes no notice.

    Raises:
        OSError: the system has no such call, or forbids it.
    """
    number = _SCHED_SETATTR.get(os.uname().machine)
    if number is None or sys.maxsize < 1 << 32:  # a 32-bit process has other numbers, whatever its kernel is
        raise OSError(errno.ENOSYS, os.strerror(errno.ENOSYS))
    nice = os.getpriority(os.PRIO_PROCESS, 0)
    asked = _SCHED_ATTR.pack(_SCHED_ATTR.size, os.SCHED_OTHER, 0, nice, 0, round(seconds * 1e9), 0, 0)
    _call("syscall", number, 0, asked, 0, what="sched_setattr")


def map_large_blocks() -> None:
    """Have the C library map each block of 128 KiB or more by itself, so that it goes back whenever it is freed.

    glibc does so at first, and stops once such a block was freed (mallopt(3), M_MMAP_THRESHOLD). Elsewhere nothing.
    """
    with contextlib.suppress(AttributeError):
        ctypes.CDLL(None).mallopt(_M_MMAP_THRESHOLD, 128 * 1024)


def trim_memory() -> None:
    """Give back to the kernel what the C library holds free (malloc_trim(3)); elsewhere than with glibc nothing."""
    with contextlib.suppress(AttributeError):
        ctypes.CDLL(None).malloc_trim(0)


def receive_drops(sock: socket.socket) -> int:
    """Count the datagrams that the kernel dropped for this socket since it was opened, because its buffer was full."""
    info = sock.getsockopt(socket.SOL_SOCKET, SO_MEMINFO, 4 * SK_MEMINFO_VARS)
    drops: int = struct.unpack_from("=I", info, 4 * SK_MEMINFO_DROPS)[0]
    return drops


def spare_descriptors(reserve: int) -> int:
    """Say how many descriptors this process may still open if `reserve` are left for other things; at least 1."""
    limit = resource.getrlimit(resource.RLIMIT_NOFILE)[0]
    if limit == resource.RLIM_INFINITY:
        return _ENDLESS
    return max(1, limit - len(os.listdir("/proc/self/fd")) - reserve)
