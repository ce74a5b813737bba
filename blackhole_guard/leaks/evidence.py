"""Evidence of leaks: what each kind proves, and the one form in which all kinds report.

A query is a leak if its name is in a reserved zone and it went to a sink. Where the evidence does not show the server's
address, it is likely, or possible only. Names with fewer labels than an address has (`Shape.PARTIAL`) are reported,
too: no client asked for them, so whoever counts keeps them apart (RFC 9156).
"""

from collections.abc import Callable
from enum import StrEnum
from functools import lru_cache
from typing import NamedTuple

from blackhole_guard.reserved.addresses import parse_reverse_name
from blackhole_guard.reserved.probes import is_probe
from blackhole_guard.reserved.registry import Sink, find_reserved_name
from blackhole_guard.reserved.shapes import MINIMISING_TYPES, Shape, find_shape
from blackhole_guard.reserved.sinks import find_sink
from blackhole_guard.wire.codes import RRClass, RRType


class EvidenceError(Exception):
    """Evidence that cannot be read, or not to its end. What was found before it stands.

    Attributes:
        is_started: some of it could be read; False: it is of no kind that we know.
    """

    def __init__(self, what: str, *, is_started: bool = True) -> None:
        super().__init__(what)
        self.is_started = is_started


class Via(StrEnum):
    """Where the evidence came from."""

    PACKETS = "packets"  # seen on an interface
    CAPTURE = "capture"  # read from a file of packets
    DNSTAP = "dnstap"  # told by a resolver
    LOG = "log"  # read from a resolver's log


class Certainty(StrEnum):
    """How much a piece of evidence proves."""

    OBSERVED = "observed"  # it went to an address of a sink
    LIKELY = "likely"  # it went to a public server that is no sink by its address, such as a provider's resolver
    POSSIBLE = "possible"  # a client asked for it, and what the resolver did is not known


class Leak(NamedTuple):
    """One query or update that left, or may have left."""

    at: float  # unix seconds; 0: not told
    via: Via
    certainty: Certainty
    block: str  # a key of `registry.BLOCKS`
    sink: Sink  # of the server's address; where that is not known, of the block
    shape: Shape
    name: bytes  # wire form, lower case
    qtype: int  # of an update: of its zone section, SOA
    address: bytes | None  # 4 or 16 octets: the whole address that the name stands for
    # 4 or 16 octets each; where the observer shall keep no more of them, the network (`clients`).
    client: bytes | None  # on whose behalf, as far as the evidence tells
    sender: bytes | None  # who sent it to the server, mostly a resolver
    server: bytes | None  # 4 or 16 octets: where it went


Report = Callable[[Leak], None]  # what each kind of evidence is handed, to report to


class Sighting(NamedTuple):
    """A query or an update as a piece of evidence shows it, before it is judged."""

    at: float  # unix seconds; 0: not told
    via: Via
    name: bytes  # wire form, lower case
    qtype: int
    qclass: int
    is_update: bool = False  # RFC 2136: name, type and class are those of its zone section
    client: bytes | None = None  # as in `Leak`
    sender: bytes | None = None
    server: bytes | None = None


_OBSERVED = Certainty.OBSERVED  # looked up once: that takes longer than all else that is done with it


def judge(sighting: Sighting, certainty: Certainty) -> Leak | None:
    """Say what leak a sighting is; None: it is none.

    That is where its name is not in a reserved zone, not of class IN, or a probe of the doctor's (`reserved.probes`).
    Nor is the DS of a zone: the zone above answers for it (RFC 4035 section 3.1.4.1).

    Args:
        certainty: what this kind of evidence proves where `server` is no sink; a sink's address proves more.
    """
    at, via, name, qtype, qclass, is_update, client, sender, server = sighting
    kind = classify(name, qtype, qclass, is_update)
    if kind is None:
        return None
    block, sink, shape, address = kind
    reached = None if server is None else find_sink(server)
    if reached is not None:
        sink, certainty = reached, _OBSERVED
    return Leak(at, via, certainty, block, sink, shape, name, qtype, address, client, sender, server)


class Kind(NamedTuple):
    """What the name and the type of a query say: the fields of `Leak` of the same names; `sink` is the block's."""

    block: str
    sink: Sink
    shape: Shape
    address: bytes | None


@lru_cache(16_384)  # the same few addresses are looked up all the time, and a name takes 6 us; entries take 500 octets
def classify(name: bytes, qtype: int, qclass: int, is_update: bool) -> Kind | None:
    """Say what a query (name: wire form, lower case) would be if it reached a sink; None: it is no leak anywhere."""
    if qclass != RRClass.IN:
        return None
    zone = find_reserved_name(name)
    if zone is None or is_probe(name) or (qtype == RRType.DS and name == zone.apex):
        return None
    address = parse_reverse_name(name)
    if is_update:
        shape = Shape.UPDATE
    elif (name == zone.apex and qtype in MINIMISING_TYPES) or (address is not None and qtype == RRType.NS):
        shape = Shape.PARTIAL  # a resolver's step to what is below; here, unlike at a server of ours, resolvers ask
    else:
        shape = find_shape(name, qtype, apex=zone.apex, cut=None)
    return Kind(zone.block, zone.sink, shape, address)
