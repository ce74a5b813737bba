"""What Linux offers and Python's `socket` and `os` do not name: socket options as numbers, and prctl(2).

The numbers are those of include/uapi of the kernel, the same on x86 and arm64. The one module here that uses ctypes.
"""

import ctypes
import os
import resource
import signal
import socket
import struct

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
_ENDLESS = 1 << 20  # descriptors; Linux has no more for one process unless fs.nr_open says so


def die_with_parent(parent: int) -> bool:
    """Have the kernel kill this process when its parent dies (prctl(2)).

    Call it after the last change of user: a change clears it. Returns False when the parent, whose process id is given,
    has died already; the caller shall then end.
    """
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.prctl(_PR_SET_PDEATHSIG, int(signal.SIGKILL), 0, 0, 0) != 0:
        error = ctypes.get_errno()
        raise OSError(error, f"prctl(PR_SET_PDEATHSIG): {os.strerror(error)}")
    return os.getppid() == parent


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
