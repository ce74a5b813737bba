"""A client that asks at a steady rate from many ports and accounts for each query.

A query is known by its port and its message ID, neither of which is used twice, and is sent once. It is answered, or it
is lost: nothing is sent again. What the client itself does to the outcome is measured besides: what the kernel dropped
in front of its sockets, and how far it fell behind its own rate.
"""

import contextlib
import select
import socket
import struct
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

PORTS = 64
RATE = 5000.0  # queries a second
GRACE = 3.0  # seconds that the last ones may take
_BURST = 64  # queries at once after a pause of this process: a backlog is not made up for
_RECEIVE_BUFFER = 4 * 1024 * 1024
_SO_RCVBUFFORCE = 33

# number of the question, response, when it was sent, when it came (monotonic) -> what is wrong with it; None: nothing
Check = Callable[[int, bytes, float, float], str | None]


@dataclass
class Account:
    """What came of all queries."""

    sent: int = 0
    answered: int = 0
    lost: list[tuple[int, int, float]] = field(default_factory=list)  # port, ID, when it was sent
    wrong: list[str] = field(default_factory=list)
    strange: int = 0  # responses to nothing that was asked
    refused: int = 0  # queries to a port on which nobody listens, as far as ICMP said so
    slowest: float = 0.0  # seconds from a query to its response
    longest_silence: float = 0.0  # seconds between two responses
    seconds: float = 0.0
    dropped_here: int = 0  # datagrams that the kernel dropped in front of the client's own sockets
    behind: float = 0.0  # seconds; the most that the client was late with a query

    @property
    def share_lost(self) -> float:
        return len(self.lost) / self.sent

    def __str__(self) -> str:
        return (
            f"{self.sent} sent in {self.seconds:.1f} s, {len(self.lost)} lost ({100 * self.share_lost:.4f} %), "
            f"{len(self.wrong)} wrong, slowest {1000 * self.slowest:.0f} ms, "
            f"{1000 * self.longest_silence:.0f} ms of silence at most; "
            f"of the client's own: {self.dropped_here} dropped, {1000 * self.behind:.0f} ms behind"
        )


@contextmanager
def asking(
    address: tuple[str, int], questions: Sequence[bytes], check: Check, *, rate: float = RATE
) -> Iterator[Account]:
    """Ask the questions in turn, over and over, while the body runs; the account is whole when it has ended.

    Args:
        questions: messages; each gets an ID of its own when it is sent.
        check: called for each response in the client's thread.
    """
    client = _Client(address, questions, check, rate)
    client.start()
    try:
        client.answering.wait(5)
        yield client.account
    finally:
        client.finish()
    assert client.failure is None, client.failure


class _Client(threading.Thread):
    def __init__(self, address: tuple[str, int], questions: Sequence[bytes], check: Check, rate: float) -> None:
        super().__init__(name="steady client", daemon=True)
        self.account = Account()
        self.answering = threading.Event()
        self.failure: BaseException | None = None
        self._questions = [question[2:] for question in questions]
        self._check = check
        self._rate = rate
        self._ending = threading.Event()
        self._sockets = [_open_socket(address) for _ in range(PORTS)]
        self._by_descriptor = {sock.fileno(): index for index, sock in enumerate(self._sockets)}
        # (socket, ID) -> when it was sent, number of the question
        self._pending: dict[tuple[int, int], tuple[float, int]] = {}

    def run(self) -> None:
        try:
            with select.epoll() as poller:
                for descriptor in self._by_descriptor:
                    poller.register(descriptor, select.EPOLLIN)
                self._ask(poller)
        except BaseException as failure:  # noqa: BLE001  # raised again in the test's thread
            self.failure = failure

    def finish(self) -> None:
        self._ending.set()
        self.join(GRACE + 10)
        ports = {sock.getsockname()[1] for sock in self._sockets}
        self.account.dropped_here = sum(_drops(ports))
        for sock in self._sockets:
            sock.close()

    def _ask(self, poller: select.epoll) -> None:
        account = self.account
        begun = last = time.monotonic()
        due, give_up = begun, None
        while give_up is None or (self._pending and time.monotonic() < give_up):
            now = time.monotonic()
            if give_up is None:
                account.behind = max(account.behind, now - due)
                count = min(int((now - due) * self._rate), _BURST)
                for _ in range(count):
                    self._send()
                due = due + count / self._rate if count < _BURST else now
                if self._ending.is_set():
                    account.seconds = now - begun
                    give_up = now + GRACE
            for descriptor, _ in poller.poll(0.001):
                self._receive(self._by_descriptor[descriptor])
                came = time.monotonic()
                account.longest_silence = max(account.longest_silence, came - last)
                last = came
        account.lost = [
            (self._sockets[index].getsockname()[1], number, sent - begun)
            for (index, number), (sent, _) in self._pending.items()
        ]

    def _send(self) -> None:
        sent = self.account.sent
        index, number, question = sent % PORTS, sent // PORTS, sent % len(self._questions)
        assert number < 65536, "an ID would be used twice"
        self._pending[index, number] = (time.monotonic(), question)
        octets = struct.pack("!H", number) + self._questions[question]
        try:
            self._sockets[index].send(octets)
        except ConnectionRefusedError:  # of the query before, on this socket
            self.account.refused += 1
            with contextlib.suppress(ConnectionRefusedError):
                self._sockets[index].send(octets)
        self.account.sent += 1

    def _receive(self, index: int) -> None:
        account, sock = self.account, self._sockets[index]
        while True:
            try:
                octets = sock.recv(65536)
            except BlockingIOError:
                return
            except ConnectionRefusedError:
                account.refused += 1
                continue
            now = time.monotonic()
            asked = self._pending.pop((index, int.from_bytes(octets[:2], "big")), None)
            if asked is None:
                account.strange += 1
                continue
            sent, question = asked
            account.answered += 1
            account.slowest = max(account.slowest, now - sent)
            fault = self._check(question, octets, sent, now)
            if fault is not None:
                account.wrong.append(fault)
            self.answering.set()


def _open_socket(address: tuple[str, int]) -> socket.socket:
    sock = socket.socket(socket.AF_INET6 if ":" in address[0] else socket.AF_INET, socket.SOCK_DGRAM)
    sock.setblocking(False)
    try:
        sock.setsockopt(socket.SOL_SOCKET, _SO_RCVBUFFORCE, _RECEIVE_BUFFER)
    except PermissionError:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, _RECEIVE_BUFFER)
    sock.connect(address)
    return sock


def _drops(ports: set[int]) -> Iterator[int]:
    """What the kernel dropped for sockets with these local ports, as /proc/net/udp counts it."""
    for table in ("/proc/net/udp", "/proc/net/udp6"):
        for line in Path(table).read_text().splitlines()[1:]:
            fields = line.split()
            if int(fields[1].rpartition(":")[2], 16) in ports:
                yield int(fields[12])
