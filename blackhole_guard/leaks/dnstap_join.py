"""What a resolver tells by dnstap becomes leaks: which of its queries left, for whom, and how long the answers took.

- RESOLVER_QUERY to a sink's address is observed. For the blocks whose sink no address gives away (IANA, the registries,
  arpa), one to a public server is likely, once for each search: the servers on the way there are asked the same name.
- FORWARDER_QUERY, or one that desires recursion, to a public server is likely: what that does is not told.
- CLIENT_QUERY says whose it was. It alone is none: the resolver may well answer it itself.
- RESOLVER_RESPONSE and FORWARDER_RESPONSE say how long the client had to wait for it. They count where their query did,
  and was for more than a part of an address.
Each producer is taken for one resolver: its searches are its own, and its leaks are its own clients', if it names any.
"""

from collections.abc import Callable
from typing import Protocol

from blackhole_guard.leaks.askers import JOIN_SECONDS, SLACK_SECONDS, Askers
from blackhole_guard.leaks.dnstap import KINDS, RESPONSES, Event, Kind, read_frame
from blackhole_guard.leaks.evidence import Certainty, EvidenceError, Leak, Report, Sighting, Via, judge
from blackhole_guard.reserved.probes import is_probe
from blackhole_guard.reserved.registry import ReservedZone, Sink, find_reserved_name, is_public_address
from blackhole_guard.reserved.shapes import Shape
from blackhole_guard.reserved.sinks import find_sink

_MOST_WAITING = 1_000  # leaks that wait for their client to be named
_MOST_SEARCHES = 4_096  # names that are being searched for
_MOST_AWAITED = 16_384  # kinds of leaks that wait for their responses; 8 MB at most
_MOST_NAMING = 64  # producers that name their clients; the receiver takes fewer at once, others have left
_ANYCAST = frozenset((Sink.AS112, Sink.AS112_DNAME))  # sinks with addresses of their own
_LONGEST_WAIT = 60.0  # seconds: no resolver waits as long for a response


class Outlook(Protocol):
    """What is known besides of servers. `app` fulfils it."""

    def is_ours(self, address: bytes) -> bool:
        """Whether a server (4 or 16 octets) is one of the operator's own: what goes to it has not left."""


# A response from (or by way to) a sink came, for a name of a block, after that many seconds.
Responded = Callable[[Via, Sink, str, float], None]


_Waiting = tuple[float, int, Leak]  # until when (monotonic seconds), the producer, the leak
# What a response has in common with its query: the producer, name, type, class, whether it is an update, the server. No
# time: resolvers stamp the query of a response as they like.
_Asked = tuple[int, bytes, int, int, bool, bytes | None]


class Tracer:
    """Takes frames of any number of producers."""

    def __init__(self, report: Report, responded: Responded, askers: Askers, outlook: Outlook) -> None:
        """Begin.

        Args:
            report: is handed each leak, once its client is known or will not be.
            responded: is told of each response to one.
            askers: kept up to date with the clients that resolvers name; others may ask it, too.
            outlook: what is no leak.
        """
        self.malformed = 0  # frames that are no dnstap messages
        self._frames = [0] * len(KINDS)  # by number of their kind
        self._report = report
        self._responded = responded
        self._askers = askers
        self._outlook = outlook
        self._naming: dict[int, None] = {}  # producers that name their clients; who began longest ago first
        # Leaks without a client, by who may name it (None: any producer) and what they asked for.
        self._waiting: dict[tuple[int | None, bytes], list[_Waiting]] = {}
        self._waits = 0  # leaks in all of `_waiting`
        # Producer and name -> when their search began, unix seconds; the oldest first. Not by the resolver's address: a
        # search may need both of them, IPv4 and IPv6.
        self._searches: dict[tuple[int, bytes], float] = {}
        self._awaited: dict[_Asked, int] = {}  # leaks whose responses may come; who was asked longest ago first

    @property
    def frames(self) -> dict[str, int]:
        """Frames that came, by kind of their message."""
        return dict(zip(KINDS, self._frames, strict=True))

    def take(self, frame: bytes, now: float, producer: int = 0) -> None:
        """Take one frame.

        Args:
            now: monotonic seconds.
            producer: a number of the connection that it came by.
        """
        try:
            kind, event = read_frame(frame)
        except EvidenceError:
            self.malformed += 1
            return
        self._frames[kind] += 1
        if kind == Kind.CLIENT_QUERY and producer not in self._naming:
            self._begin_naming(producer)
        if event is None:
            return
        if event.kind == Kind.CLIENT_QUERY:
            self._take_client(event, producer)
            return
        zone = find_reserved_name(event.name)
        if zone is None or event.responder is None or is_probe(event.name):
            return
        if event.kind in RESPONSES:
            self._take_response(event, zone, producer)
        else:
            self._take_query(event, zone, now, producer)

    def tick(self, now: float) -> None:
        """Report the leaks whose client has not been named in time; call it about once a second."""
        for key in [key for key, waiting in self._waiting.items() if waiting[0][0] <= now]:
            for _, _, leak in self._pop(key):
                self._report(leak)

    def _begin_naming(self, producer: int) -> None:
        if len(self._naming) >= _MOST_NAMING:
            del self._naming[next(iter(self._naming))]
        self._naming[producer] = None

    def _take_client(self, event: Event, producer: int) -> None:
        if event.initiator is None or find_reserved_name(event.name) is None:
            return
        self._askers.add(event.name, event.initiator, event.at, producer)
        for key in ((producer, event.name), (None, event.name)):
            if key in self._waiting:
                for _, whose, leak in self._pop(key):
                    self._report(leak._replace(client=self._find_client(leak.name, leak.at, whose)))

    def _find_client(self, name: bytes, at: float, producer: int) -> bytes | None:
        if producer in self._naming:
            return self._askers.find(name, at, producer)
        # A resolver that names none may be asked by one that does, whose clients they are then.
        found = {self._askers.find(name, at, other) for other in self._naming} - {None}
        return found.pop() if len(found) == 1 else None

    def _take_query(self, event: Event, zone: ReservedZone, now: float, producer: int) -> None:
        assert event.responder is not None
        is_observed = find_sink(event.responder) is not None
        if not is_observed and not self._may_leak(event, zone, producer):
            return
        sighting = Sighting(
            event.at,
            Via.DNSTAP,
            event.name,
            event.qtype,
            event.qclass,
            event.is_update,
            sender=event.initiator,
            server=event.responder,
        )
        leak = judge(sighting, Certainty.LIKELY)
        if leak is None or (leak.shape is Shape.PARTIAL and not is_observed):
            return
        if leak.shape is not Shape.PARTIAL:
            self._await_response(event, producer)
        client = self._find_client(event.name, event.at, producer)
        if client is not None:
            self._report(leak._replace(client=client))
        elif leak.shape is Shape.PARTIAL or self._waits >= _MOST_WAITING:
            self._report(leak)  # no client asks for a part of an address
        else:
            key = (producer if producer in self._naming else None, event.name)
            self._waiting.setdefault(key, []).append((now + SLACK_SECONDS, producer, leak))
            self._waits += 1

    def _may_leak(self, event: Event, zone: ReservedZone, producer: int) -> bool:
        """Say whether a query to a server that is no sink by its address is a leak all the same."""
        assert event.responder is not None
        if not is_public_address(event.responder) or self._outlook.is_ours(event.responder):
            return False
        if event.is_forwarded:
            return True
        return zone.sink not in _ANYCAST and self._is_new_search((producer, event.name), event.at)

    def _is_new_search(self, search: tuple[int, bytes], at: float) -> bool:
        began = self._searches.get(search)
        if began is not None and 0 <= at - began < JOIN_SECONDS:
            return False
        self._searches.pop(search, None)
        if len(self._searches) >= _MOST_SEARCHES:
            del self._searches[next(iter(self._searches))]
        self._searches[search] = at
        return True

    def _await_response(self, event: Event, producer: int) -> None:
        asked = _asked(event, producer)
        number = self._awaited.pop(asked, 0)
        if len(self._awaited) >= _MOST_AWAITED:
            del self._awaited[next(iter(self._awaited))]
        self._awaited[asked] = number + 1

    def _take_response(self, event: Event, zone: ReservedZone, producer: int) -> None:
        """Count a response, if its query was counted as a leak: one for each."""
        assert event.responder is not None
        asked = _asked(event, producer)
        number = self._awaited.get(asked, 0)
        if not number:
            return
        if number > 1:
            self._awaited[asked] = number - 1
        else:
            del self._awaited[asked]
        if event.seconds is None or event.seconds > _LONGEST_WAIT:
            return
        self._responded(Via.DNSTAP, find_sink(event.responder) or zone.sink, zone.block, event.seconds)

    def _pop(self, key: tuple[int | None, bytes]) -> list[_Waiting]:
        waiting = self._waiting.pop(key)
        self._waits -= len(waiting)
        return waiting


def _asked(event: Event, producer: int) -> _Asked:
    return producer, event.name, event.qtype, event.qclass, event.is_update, event.responder
