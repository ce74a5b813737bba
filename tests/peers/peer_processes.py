"""Processes of real programs: started, waited for, stopped by their pid, and their logs kept when a test fails."""

import random
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import dns.exception
import dns.message
import dns.query
import dns.rdataclass
from peer_programs import program


class PeerError(Exception):
    """A program did not start, did not answer in time, or ended by itself."""


class Host:
    """Where a process runs and a socket is opened: here, on this machine. `namespaces.Namespace` is another."""

    def command(self, words: Sequence[str]) -> list[str]:
        """The command line that runs `words` on this host; it ends when the thread that starts it ends."""
        return [program("setpriv"), "--pdeathsig", "KILL", *words]

    def socket(self, family: int = socket.AF_INET, kind: int = socket.SOCK_DGRAM) -> socket.socket:
        return socket.socket(family, kind)

    def run(self, *words: str, seconds: float = 60, check: bool = True) -> str:
        """Run a command to its end and return what it prints."""
        done = subprocess.run(self.command(words), capture_output=True, text=True, timeout=seconds, check=False)
        if check and done.returncode != 0:
            raise PeerError(f"{' '.join(words)} ended with {done.returncode}:\n{done.stdout}{done.stderr}")
        return done.stdout


HERE = Host()


@dataclass(frozen=True)
class Peer:
    """A running server."""

    name: str
    host: Host
    address: str
    port: int
    directory: Path  # its configuration, its files, and its log
    process: subprocess.Popen[bytes]

    @property
    def log(self) -> str:
        return (self.directory / "log").read_text(errors="replace")

    def ask(self, query: dns.message.Message, *, tcp: bool = False, seconds: float = 5.0) -> dns.message.Message:
        """Its response, whatever it is. One query, one socket, no second try."""
        return ask(self.host, self.address, self.port, query, tcp=tcp, seconds=seconds)


def ask(
    host: Host, address: str, port: int, query: dns.message.Message, *, tcp: bool = False, seconds: float = 5.0
) -> dns.message.Message:
    """Send one query from `host` and wait for its response. Raises OSError or dns.exception.DNSException."""
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    with host.socket(family, socket.SOCK_STREAM if tcp else socket.SOCK_DGRAM) as sock:
        sock.settimeout(seconds)
        sock.connect((address, port))
        sock.setblocking(False)
        if tcp:
            return dns.query.tcp(query, address, timeout=seconds, port=port, sock=sock)
        return dns.query.udp(query, address, timeout=seconds, port=port, sock=sock)


def free_port() -> int:
    """A port of 127.0.0.1 and ::1 on which nothing listens, over UDP nor TCP. Somebody may take it before you do."""
    for _ in range(100):
        # Below the range from which the kernel takes the ports of clients.
        port = random.randint(10240, 32000)
        try:
            for family, address in ((socket.AF_INET, "127.0.0.1"), (socket.AF_INET6, "::1")):
                for kind in (socket.SOCK_DGRAM, socket.SOCK_STREAM):
                    with socket.socket(family, kind) as sock:
                        sock.bind((address, port))
        except OSError:
            continue
        return port
    raise PeerError("no port is free")


@contextmanager
def scratch(name: str) -> Iterator[Path]:
    """A directory with a short path (a Unix socket's has at most 107 octets); if the body fails it stays, named."""
    directory = Path(tempfile.mkdtemp(prefix=f"{name}-"))
    try:
        yield directory
    except BaseException as error:
        log = directory / "log"
        tail = "".join(log.read_text(errors="replace").splitlines(keepends=True)[-25:]) if log.exists() else ""
        error.add_note(f"{name}: {directory} has its files; the end of its log:\n{tail}")
        raise
    shutil.rmtree(directory)


@contextmanager
def running(
    words: Sequence[str],
    directory: Path,
    *,
    name: str,
    ready: Callable[[Peer], bool],
    host: Host = HERE,
    address: str = "127.0.0.1",
    port: int = 0,
    seconds: float = 30.0,
) -> Iterator[Peer]:
    """Run `words` until the body ends. The body begins when `ready` says so.

    Raises:
        PeerError: it ended by itself, or was not ready in time.
    """
    with (directory / "log").open("wb") as log:
        process = subprocess.Popen(
            host.command(words), stdin=subprocess.DEVNULL, stdout=log, stderr=subprocess.STDOUT, cwd=directory
        )
    peer = Peer(name, host, address, port, directory, process)
    try:
        deadline = time.monotonic() + seconds
        while not ready(peer):
            if process.poll() is not None:
                raise PeerError(f"{name} ended with {process.returncode} at its start")
            if time.monotonic() > deadline:
                raise PeerError(f"{name} was not ready after {seconds} seconds")
            time.sleep(0.02)
        yield peer
        if process.poll() is not None:
            raise PeerError(f"{name} ended with {process.returncode} while it was needed")
    finally:
        stop(process)


def stop(process: subprocess.Popen[bytes], seconds: float = 10.0) -> None:
    """End a process: politely, then not."""
    if process.poll() is None:
        process.send_signal(signal.SIGTERM)
    try:
        process.wait(seconds)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait(seconds)


def responds(peer: Peer) -> bool:
    """Whether it answers anything at all, over UDP and TCP."""
    query = dns.message.make_query("version.bind.", "TXT", rdclass=dns.rdataclass.CH)
    try:
        return all(peer.ask(query, tcp=tcp, seconds=1.0) for tcp in (False, True))
    except (OSError, EOFError, dns.exception.DNSException):
        return False


def serves(*zones: str) -> Callable[[Peer], bool]:
    """Whether it has all these zones loaded: knotd answers before it has."""

    def ready(peer: Peer) -> bool:
        if not responds(peer):
            return False
        try:
            replies = [peer.ask(dns.message.make_query(zone, "SOA", use_edns=False), seconds=1.0) for zone in zones]
        except (OSError, dns.exception.DNSException):
            return False
        return all(reply.rcode() == 0 and reply.answer for reply in replies)

    return ready
