"""Network and mount namespaces of the test's own: any address, port 53, and an /etc/resolv.conf that nobody else sees.

Needs root. Addresses are put on `lo`: everything in one namespace reaches them, and nothing leaves it.
"""

import ctypes
import os
import socket
import subprocess
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TypeVar

from peer_processes import Host, PeerError, scratch, stop
from peer_programs import program

Made = TypeVar("Made")

CLONE_NEWNET = 0x40000000  # <linux/sched.h>
PROGRAMS = ("ip", "mount", "nsenter", "setpriv", "unshare")  # what a test in a namespace asks `peers` for


class Namespace(Host):
    """A host with a network and mounts of its own, as long as its holder lives."""

    def __init__(self, holder: int) -> None:
        self._holder = Path(f"/proc/{holder}/ns")

    def command(self, words: Sequence[str]) -> list[str]:
        enter = [program("nsenter"), f"--net={self._holder}/net", f"--mount={self._holder}/mnt", "--"]
        return [*enter, *super().command(words)]

    def socket(self, family: int = socket.AF_INET, kind: int = socket.SOCK_DGRAM) -> socket.socket:
        """Open a socket in this namespace; any thread may then use it."""
        return self.inside(lambda: socket.socket(family, kind))

    def inside(self, make: Callable[[], Made]) -> Made:
        """Make something of this namespace's network; any thread may then use it. Raises OSError as `make` does."""
        made: list[Made] = []
        failed: list[OSError] = []

        def enter_and_make() -> None:
            # A thread of its own: setns(2) moves the calling thread only, and this one ends.
            try:
                with (self._holder / "net").open("rb") as net:
                    if ctypes.CDLL(None, use_errno=True).setns(net.fileno(), CLONE_NEWNET) != 0:
                        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))
                made.append(make())
            except OSError as error:
                failed.append(error)

        thread = threading.Thread(target=enter_and_make, name="namespace")
        thread.start()
        thread.join()
        if failed:
            raise failed[0]
        return made[0]

    def add_address(self, address: str) -> None:
        """Give `lo` one more address."""
        if ":" in address:
            self.run(program("ip"), "address", "add", f"{address}/128", "dev", "lo", "nodad")
        else:
            self.run(program("ip"), "address", "add", f"{address}/32", "dev", "lo")

    def connect(self, other: "Namespace", address: str, others: str) -> None:
        """Lay a cable to another host; each end has one of these addresses (IPv4, of one /24)."""
        ip, far = program("ip"), f"{other._holder}/net"
        self.run(ip, "link", "add", "cable0", "type", "veth", "peer", "name", "cable0", "netns", far)
        for host, own in ((self, address), (other, others)):
            host.run(ip, "address", "add", f"{own}/24", "dev", "cable0")
            host.run(ip, "link", "set", "cable0", "up")


@contextmanager
def namespace(addresses: Sequence[str] = (), files: Mapping[str, str] | None = None) -> Iterator[Namespace]:
    """Make a namespace with these addresses beside 127.0.0.1 and ::1, and these files in place of the machine's.

    Args:
        files: path of a file that the machine has -> the text that stands there in the namespace.
    """
    with scratch("namespace") as directory:
        words = [program("unshare"), "--net", "--mount", "--propagation", "private"]
        words += ["sh", "-c", "echo made; exec sleep infinity"]
        with subprocess.Popen(Host().command(words), stdin=subprocess.DEVNULL, stdout=subprocess.PIPE) as holder:
            try:
                assert holder.stdout is not None
                if holder.stdout.readline() != b"made\n":
                    raise PeerError("no namespace could be made")
                made = Namespace(holder.pid)
                made.run(program("ip"), "link", "set", "lo", "up")
                for address in addresses:
                    made.add_address(address)
                for number, (path, text) in enumerate((files or {}).items()):
                    own = directory / str(number)
                    own.write_text(text)
                    made.run(program("mount"), "--bind", str(own), path)
                yield made
            finally:
                stop(holder)
