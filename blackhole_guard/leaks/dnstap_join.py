"""What a resolver tells by dnstap becomes leaks: which of its queries left, for whom, and how long the answers took.

- RESOLVER_QUERY to a sink's address is observed. For the blocks whose sink no address gives away (IANA, the registries,
  arpa), one to a public server is likely, once for each search: the servers on the way there are asked the same name.
- FORWARDER_QUERY, or one that desires recursion, to a public server is likely: what that does is not told.
- CLIENT_QUERY says whose it was. It alone is none: the resolver may well answer it itself.
- RESOLVER_RESPONSE and FORWARDER_RESPONSE say how long the client had to wait for it.
"""

from collections.abc import Callable
from typing import Protocol

from blackhole_guard.leaks.askers import JOIN_SECONDS, SLACK_SECONDS, Askers
from blackhole_guard.leaks.dnstap import KINDS, RESPONSES, Event, Kind, read_frame
from blackhole_guard.leaks.evidence import Certainty, EvidenceError, Leak, Report, Sighting, Via, judge
from blackhole_guard.reserved.addresses import reverse_name
from blackhole_guard.reserved.probes import is_probe
from blackhole_guard.reserved.registry import ReservedZone, Sink, find_reserved_name
from blackhole_guard.reserved.shapes import Shape
from blackhole_guard.reserved.sinks import find_sink

_MOST_WAITING = 1_000  # leaks that wait for their client to be named
_MOST_SEARCHES = 4_096  # names that are being searched for
_ANYCAST = frozenset((Sink.AS112, Sink.AS112_DNAME))  # sinks with addresses of their own
_LONGEST_WAIT = 60.0  # seconds: no resolver waits as long for a response
_UNIQUE_LOCAL = b"\xfc\xfd"  # first octets of fc00::/7 (RFC 4193 section 3.1); the registry has its second half only


class Outlook(Protocol):
    """What is known besides of servers. `app` fulfils it."""

    def is_ours(self, address: bytes) -> bool:
        """Whether a server (4 or 16 octets) is one of the operator's own: what goes to it has not left."""


class NoOutlook:
    """Nothing is known besides."""

    def is_ours(self, address: bytes) -> bool:
        """No server is."""
        return False


# A response from (or by way to) a sink came, for a name of a block, after that many seconds.
Responded = Callable[[Via, Sink, str, float], None]


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
        self._waiting: dict[bytes, list[tuple[float, Leak]]] = {}  # name -> leaks without a client, and until when
        self._waits = 0  # leaks in all of `_waiting`
        self._searches: dict[bytes, float] = {}  # name -> when its search began, unix seconds; the oldest first

    @property
    def frames(self) -> dict[str, int]:
        """Frames that came, by kind of their message."""
        return dict(zip(KINDS, self._frames, strict=True))

    def take(self, frame: bytes, now: float) -> None:
        """Take one frame. `now`: monotonic seconds."""
        try:
            kind, event = read_frame(frame)
        except EvidenceError:
            self.malformed += 1
            return
        self._frames[kind] += 1
        if event is None:
            return
        if event.kind == Kind.CLIENT_QUERY:
            self._take_client(event)
            return
        zone = find_reserved_name(event.name)
        if zone is None or event.responder is None or is_probe(event.name):
            return
        if event.kind in RESPONSES:
            self._take_response(event, zone)
        else:
            self._take_query(event, zone, now)

    def tick(self, now: float) -> None:
        """Report the leaks whose client has not been named in time; call it about once a second."""
        for name in [name for name, waiting in self._waiting.items() if waiting[0][0] <= now]:
            for _, leak in self._pop(name):
                self._report(leak)

    def _take_client(self, event: Event) -> None:
        if event.initiator is None or find_reserved_name(event.name) is None:
            return
        self._askers.add(event.name, event.initiator, event.at)
        if event.name in self._waiting:
            for _, leak in self._pop(event.name):
                self._report(leak._replace(client=self._askers.find(leak.name, leak.at)))

    def _take_query(self, event: Event, zone: ReservedZone, now: float) -> None:
        assert event.responder is not None
        is_observed = find_sink(event.responder) is not None
        if not is_observed and not self._may_leak(event, zone):
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
        client = self._askers.find(event.name, event.at)
        if client is not None:
            self._report(leak._replace(client=client))
        elif leak.shape is Shape.PARTIAL or self._waits >= _MOST_WAITING:
            self._report(leak)  # no client asks for a part of an address
        else:
            self._waiting.setdefault(event.name, []).append((now + SLACK_SECONDS, leak))
            self._waits += 1

    def _may_leak(self, event: Event, zone: ReservedZone) -> bool:
        """Say whether a query to a server that is no sink by its address is a leak all the same."""
        assert event.responder is not None
        if not is_public(event.responder) or self._outlook.is_ours(event.responder):
            return False
        if event.is_forwarded:
            return True
        return zone.sink not in _ANYCAST and self._is_new_search(event.name, event.at)

    def _is_new_search(self, name: bytes, at: float) -> bool:
        began = self._searches.get(name)
        if began is not None and 0 <= at - began < JOIN_SECONDS:
            return False
        self._searches.pop(name, None)
        if len(self._searches) >= _MOST_SEARCHES:
            del self._searches[next(iter(self._searches))]
        self._searches[name] = at
        return True

    def _take_response(self, event: Event, zone: ReservedZone) -> None:
        assert event.responder is not None
        if event.seconds is None or event.seconds > _LONGEST_WAIT:
            return
        sink = find_sink(event.responder)
        if sink is None:
            if not event.is_forwarded or not self._may_leak_by(event.responder):
                return
            sink = zone.sink
        self._responded(Via.DNSTAP, sink, zone.block, event.seconds)

    def _may_leak_by(self, forwarder: bytes) -> bool:
        return is_public(forwarder) and not self._outlook.is_ours(forwarder)

    def _pop(self, name: bytes) -> list[tuple[float, Leak]]:
        waiting = self._waiting.pop(name)
        self._waits -= len(waiting)
        return waiting


def is_public(address: bytes) -> bool:
    """Say whether a server's address (4 or 16 octets) is one outside: not loopback, private, link-local or the like."""
    if len(address) == 16 and address[0] in _UNIQUE_LOCAL:
        return False
    return find_reserved_name(reverse_name(address)) is None
