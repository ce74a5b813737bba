"""Many questions to one server at once, but never too many: what to send and when, whose reply it is, when to give in.

RFC 5452 section 9.1 (which replies count), RFC 7766 section 5 (TCP when a reply is truncated). What is asked, and what
is made of the answers, is written as generators that yield a `Question` and are sent its `Outcome`. This owns neither
sockets nor a clock: who runs it sends what `due` gives, hands over what comes, and calls again at `deadline`.
"""

from collections import deque
from collections.abc import Generator, Iterable
from dataclasses import dataclass

from blackhole_guard.leaks.verdicts import Answered, Outcome, Silence
from blackhole_guard.reserved.probes import Draw
from blackhole_guard.wire.asking import Reply, parse_reply, render_query, render_question
from blackhole_guard.wire.codes import RCode, RRClass
from blackhole_guard.wire.errors import WireError
from blackhole_guard.wire.header import HEADER, RD, TC

# Responses to what a server could not, or would not, read; they may come without the question (RFC 1035 section 4.1.1).
_BARE_RCODES = frozenset((RCode.FORMERR, RCode.SERVFAIL, RCode.NOTIMP, RCode.REFUSED))


@dataclass(frozen=True, slots=True)
class Question:
    """What a task asks."""

    name: bytes  # wire form
    qtype: int
    qclass: int = RRClass.IN
    flags: int = RD
    dnssec_ok: bool = False


Task = Generator[Question, Outcome, None]


@dataclass(frozen=True, slots=True)
class Limits:
    """How much is asked at once, and how long is waited."""

    in_flight: int = 50  # questions; a home router's dnsmasq takes 150 at once, and others ask it, too
    patience: tuple[float, ...] = (1.0, 2.0)  # seconds after each try
    late: float = 3.0  # seconds after one more, to who has answered others: a resolver may be short of time
    total: float = 9.0  # seconds for all


@dataclass(frozen=True, slots=True)
class Transmission:
    """A message to send."""

    octets: bytes
    over_tcp: bool


@dataclass(slots=True)
class _Exchange:
    """A question on its way."""

    task: Task
    question: bytes
    octets: bytes
    next_at: float
    began: float | None = None  # when it was sent first
    tries: int = 0
    over_tcp: bool = False


class Exchanges:
    """All that is asked of one server."""

    def __init__(self, tasks: Iterable[Task], draw: Draw, limits: Limits, now: float) -> None:
        self._waiting = deque(tasks)
        self._draw = draw
        self._limits = limits
        self._open: dict[int, _Exchange] = {}
        self._end = now + limits.total
        self._dead: str | None = None  # why nothing more is asked
        self.heard = False  # whether anything came that was a reply to a question of ours
        self.asked = 0  # questions that were sent

    def due(self, now: float) -> list[Transmission]:
        """Say what to send by now."""
        if now >= self._end:
            self.fail("no answer before the time was up", now)
        for message_id, exchange in list(self._open.items()):
            if exchange.next_at <= now and exchange.tries >= self._tries(exchange):
                self._give_in(message_id, now)
        while self._waiting and len(self._open) < self._limits.in_flight:
            self._advance(self._waiting.popleft(), None, now)
        return [self._send(exchange, now) for exchange in self._open.values() if exchange.next_at <= now]

    def receive(self, octets: bytes, now: float, *, over_tcp: bool) -> None:
        """Take in what came. What is no reply to a question of ours is ignored: the right one may still come."""
        if len(octets) < HEADER.size:
            return
        message_id, flags, *_ = HEADER.unpack_from(octets)
        exchange = self._open.get(message_id)
        if exchange is None or exchange.over_tcp != over_tcp:
            return
        try:
            reply = parse_reply(octets)
        except WireError:
            return
        if not _belongs(reply, exchange.question):
            return
        self.heard = True
        if flags & TC and not over_tcp:
            exchange.over_tcp, exchange.tries, exchange.next_at = True, 0, now
            return
        began = now if exchange.began is None else exchange.began
        self._close(message_id, Answered(reply, now - began), now)

    def lose(self, octets: bytes, reason: str, now: float) -> None:
        """Take in that a message that was sent over TCP gets no reply."""
        message_id = int.from_bytes(octets[:2], "big")
        exchange = self._open.get(message_id)
        if exchange is not None and exchange.over_tcp:
            self._close(message_id, Silence(reason), now)

    def fail(self, reason: str, now: float) -> None:
        """Ask nothing more: every question, open or to come, ends without an answer."""
        self._dead = reason
        for message_id in list(self._open):
            self._close(message_id, Silence(reason), now)
        while self._waiting:
            self._advance(self._waiting.popleft(), None, now)

    def deadline(self) -> float | None:
        """When to call `due` again; None: it is over."""
        if not self._open and not self._waiting:
            return None
        return min(self._end, min((exchange.next_at for exchange in self._open.values()), default=self._end))

    def _tries(self, exchange: _Exchange) -> int:
        return 1 if exchange.over_tcp else len(self._limits.patience) + self.heard

    def _send(self, exchange: _Exchange, now: float) -> Transmission:
        patience = self._limits.patience
        exchange.next_at = now + (
            sum(patience) if exchange.over_tcp else (*patience, self._limits.late)[exchange.tries]
        )
        exchange.tries += 1
        if exchange.began is None:
            exchange.began = now
            self.asked += 1
        return Transmission(exchange.octets, exchange.over_tcp)

    def _give_in(self, message_id: int, now: float) -> None:
        """End a question that nobody answered; who never answered anything is not asked the rest."""
        if self.heard:
            self._close(message_id, Silence("no answer"), now)
        else:
            self.fail("no answer", now)

    def _close(self, message_id: int, outcome: Outcome, now: float) -> None:
        exchange = self._open.pop(message_id, None)
        if exchange is not None:
            self._advance(exchange.task, outcome, now)

    def _advance(self, task: Task, outcome: Outcome | None, now: float) -> None:
        """Let a task go on to its next question, if it has one."""
        while True:
            try:
                question = next(task) if outcome is None else task.send(outcome)
            except StopIteration:
                return
            if self._dead is None:
                self._ask(task, question, now)
                return
            outcome = Silence(self._dead)

    def _ask(self, task: Task, question: Question, now: float) -> None:
        message_id = int.from_bytes(self._draw(2), "big")
        while message_id in self._open:
            message_id = int.from_bytes(self._draw(2), "big")
        rendered = render_question(question.name, question.qtype, question.qclass)
        octets = render_query(rendered, message_id=message_id, flags=question.flags, dnssec_ok=question.dnssec_ok)
        self._open[message_id] = _Exchange(task, rendered, octets, next_at=now)


def _belongs(reply: Reply, question: bytes) -> bool:
    """Say whether a reply with our ID is one to our question, in whatever case (RFC 4343)."""
    if not reply.question:
        return reply.rcode in _BARE_RCODES
    # Type and class are compared without case, too: what it could confuse, such as types 65 and 97, we never ask.
    return reply.question.lower() == question.lower()
