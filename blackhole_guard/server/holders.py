"""Who holds a port: from /proc/net to a socket's inode, and from there to the processes that have it open (proc(5)).

Other users' descriptors can be read by root alone, so often the answer is that nobody can say.
"""

import os
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from blackhole_guard.server.listen import Endpoint

_LISTENING = "0A"  # TCP_LISTEN; connections of the same port hold nothing
_MOST = 3  # named in one message
_WILDCARDS = (bytes(4), bytes(16))


class Holder(NamedTuple):
    """A process that has a socket open."""

    pid: int
    name: str  # as in /proc/PID/comm, printable


def describe_holders(protocol: str, endpoint: Endpoint) -> str:
    """Name who holds an endpoint, with a hint; `protocol` is `udp` or `tcp`."""
    holders = find_holders(protocol, endpoint)
    if not holders:
        return f"another process; as root `ss -l{protocol[0]}np 'sport = {endpoint.port}'` shows which"
    text = ", ".join(f"{name} (pid {pid})" for pid, name in holders[:_MOST])
    if len(holders) > _MOST:
        text += f" and {len(holders) - _MOST} more"
    if any(name.startswith("systemd-resolve") for _, name in holders):
        text += "; list addresses instead of a wildcard, or set DNSStubListener=no in resolved.conf"
    return text


def find_holders(protocol: str, endpoint: Endpoint, proc: Path = Path("/proc")) -> list[Holder]:
    """Find the processes whose sockets stand in an endpoint's way, by process id; empty where none can be seen."""
    inodes = {
        inode
        for suffix in ("", "6")
        for address, port, inode in _sockets(proc / "net" / f"{protocol}{suffix}")
        if port == endpoint.port and _collide(address, endpoint.address.packed)
    }
    if not inodes:
        return []
    wanted = {f"socket:[{inode}]" for inode in inodes}
    pids = sorted(int(entry) for entry in os.listdir(proc) if entry.isdigit())
    return [Holder(pid, _name(proc / str(pid))) for pid in pids if _has_open(proc / str(pid) / "fd", wanted)]


def _sockets(table: Path) -> Iterator[tuple[bytes, int, str]]:
    """Read a table of /proc/net: local address, local port, inode of each socket that holds its port."""
    try:
        lines = table.read_text().splitlines()[1:]
    except OSError:
        return
    for line in lines:
        fields = line.split()
        if table.name.startswith("tcp") and fields[3] != _LISTENING:
            continue
        address, _, port = fields[1].partition(":")
        # Each group of 8 digits is a 32-bit word of the address as this machine's integers are written.
        words = (int(address[at : at + 8], 16) for at in range(0, len(address), 8))
        yield b"".join(word.to_bytes(4, sys.byteorder) for word in words), int(port, 16), fields[9]


def _collide(held: bytes, wanted: bytes) -> bool:
    """Say whether a socket on one address keeps another from the same port. An IPv6 wildcard may hold IPv4, too."""
    if held == wanted or held == _WILDCARDS[1]:
        return True
    return len(held) == len(wanted) and (held in _WILDCARDS or wanted in _WILDCARDS)


def _has_open(folder: Path, wanted: set[str]) -> bool:
    try:
        return any(os.readlink(folder / entry) in wanted for entry in os.listdir(folder))
    except OSError:  # another user's, or gone
        return False


def _name(process: Path) -> str:
    try:
        name = (process / "comm").read_text(errors="replace").rstrip("\n")
    except OSError:
        return "?"
    return "".join(c if c.isprintable() else "?" for c in name)  # a process chooses its name
