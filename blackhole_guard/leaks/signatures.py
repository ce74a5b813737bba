"""By what resolvers and sinks give themselves away: the SOA of a negative answer, and what they say of themselves.

RFC 2308 section 2.1 (the SOA of the zone that says no), RFC 7534 and RFC 7535 (AS112's), RFC 4892 (id.server).
The rows of AS112 are promised by its RFCs. The other sinks are as the public DNS was seen to answer, the resolvers as
Debian 12's packages do: data, which may change without notice.
"""

import re
from dataclasses import dataclass
from enum import StrEnum

from blackhole_guard.reserved.addresses import IN_ADDR_ARPA, IP6_ARPA
from blackhole_guard.reserved.registry import Sink
from blackhole_guard.wire.asking import SoaRecord
from blackhole_guard.wire.names import ROOT, pack_name


class Kind(StrEnum):
    """What program a resolver is."""

    OURS = "blackhole-guard"
    BIND = "bind"
    UNBOUND = "unbound"
    DNSMASQ = "dnsmasq"
    KNOT_RESOLVER = "knot-resolver"
    PDNS_RECURSOR = "pdns-recursor"
    COREDNS = "coredns"
    RESOLVED = "resolved"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class SinkSoa:
    """How the SOA of a sink looks; None: anything."""

    sink: Sink
    owner: bytes | None = None
    mname: bytes | None = None
    rname: bytes | None = None


SINK_SOAS = (
    SinkSoa(Sink.AS112, mname=pack_name("prisoner.iana.org")),  # RFC 7534 section 3.5
    SinkSoa(Sink.AS112, rname=pack_name("hostmaster.root-servers.org")),  # nodes that name themselves
    SinkSoa(Sink.AS112_DNAME, mname=pack_name("blackhole.as112.arpa")),  # RFC 7535 section 3.2
    SinkSoa(Sink.IANA, mname=pack_name("sns.dns.icann.org")),
    SinkSoa(Sink.RIR, mname=pack_name("z.arin.net")),
    SinkSoa(Sink.RIR, mname=pack_name("ns.apnic.net")),
    SinkSoa(Sink.RIR, mname=pack_name("pri.authdns.ripe.net")),
    SinkSoa(Sink.RIR, mname=pack_name("ns.lacnic.net")),
    SinkSoa(Sink.RIR, mname=pack_name("ns1.afrinic.net")),
    SinkSoa(Sink.ARPA, owner=IN_ADDR_ARPA, mname=pack_name("b.in-addr-servers.arpa")),
    SinkSoa(Sink.ARPA, owner=IP6_ARPA, mname=pack_name("b.ip6-servers.arpa")),
    SinkSoa(Sink.ARPA, owner=pack_name("arpa"), mname=pack_name("a.root-servers.net")),
    SinkSoa(Sink.ROOT, owner=ROOT, mname=pack_name("a.root-servers.net")),
)


@dataclass(frozen=True, slots=True)
class LocalSoa:
    """How the SOA of a resolver's own empty zone looks."""

    kind: Kind
    mname: bytes | None  # None: the owner's name
    rname: bytes
    numbers: tuple[int, int, int, int, int]  # serial, refresh, retry, expire, minimum
    at_qname: bool = False  # its owner is the name that was asked for, not the zone's apex


_NOBODY = pack_name("nobody.invalid")
_RFC6303 = (1, 3600, 1200, 604800, 10800)  # section 3

LOCAL_SOAS = (
    LocalSoa(Kind.BIND, None, ROOT, (0, 28800, 7200, 604800, 86400)),
    LocalSoa(Kind.UNBOUND, pack_name("localhost"), _NOBODY, _RFC6303),
    LocalSoa(Kind.KNOT_RESOLVER, None, _NOBODY, _RFC6303, at_qname=True),
    LocalSoa(Kind.PDNS_RECURSOR, pack_name("localhost"), pack_name("root"), (1, 604800, 86400, 2419200, 604800)),
)

# Since 5.5 Knot Resolver has four characters of its own for each of its extended errors (RFC 8914). These are for what
# comes with RD=0, and for special names. It says nothing to version.bind.
_KNOT_RESOLVER_MARKS = frozenset((b"ABC4", b"CR36"))
_INFO_CODE = 2  # octets of an extended error before its text

# What version.bind says; looked for in this order.
VERSIONS = (
    (Kind.OURS, re.compile(r"blackhole[-_ ]guard", re.I)),
    (Kind.DNSMASQ, re.compile(r"dnsmasq", re.I)),
    (Kind.UNBOUND, re.compile(r"unbound", re.I)),
    (Kind.PDNS_RECURSOR, re.compile(r"powerdns recursor", re.I)),
    (Kind.KNOT_RESOLVER, re.compile(r"knot resolver|kresd", re.I)),
    (Kind.COREDNS, re.compile(r"coredns", re.I)),
    (Kind.BIND, re.compile(r"^9\.[0-9]+\.[0-9]+|bind", re.I)),
)


def find_sink_of(soa: SoaRecord) -> Sink | None:
    """Find the sink whose SOA this is."""
    for row in SINK_SOAS:
        wanted = ((row.owner, soa.owner), (row.mname, soa.mname), (row.rname, soa.rname))
        if all(want is None or want == seen for want, seen in wanted):
            return row.sink
    return None


def find_program_of(soa: SoaRecord, qname: bytes, apex: bytes) -> Kind | None:
    """Find the program whose own empty zone says this.

    Args:
        soa: of the answer.
        qname: that was asked for, lower case.
        apex: of the reserved zone that `qname` is in, or `invalid`.
    """
    numbers = (soa.serial, soa.refresh, soa.retry, soa.expire, soa.minimum)
    for row in LOCAL_SOAS:
        mname = soa.owner if row.mname is None else row.mname
        owner = qname if row.at_qname else apex
        if (soa.owner, soa.mname, soa.rname, numbers) == (owner, mname, row.rname, row.numbers):
            return row.kind
    return None


def find_program_of_error(option: bytes) -> Kind | None:
    """Find the program that writes such an extended error: the option's octets (RFC 8914 section 2), or none."""
    return Kind.KNOT_RESOLVER if option[_INFO_CODE:][:4] in _KNOT_RESOLVER_MARKS else None


def find_program(version: str) -> Kind | None:
    """Find the program that says this of itself."""
    return next((kind for kind, pattern in VERSIONS if pattern.search(version)), None)
