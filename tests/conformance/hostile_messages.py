"""Hostile and odd messages, and what comes of each: a table, a row per message.

The zone that they ask about is 10.in-addr.arpa with a PTR at 10.0.0.3, a hundred at 10.0.0.200, and nothing else.
"""

import struct
from dataclasses import dataclass

from questions import ANY, IN, PTR, RD, SOA, TXT, Edns, labels_of, wire_name

NOERROR, FORMERR, NXDOMAIN, NOTIMP, REFUSED, NOTAUTH, BADVERS = 0, 1, 3, 4, 5, 9, 16
HEADER_ONLY = 12  # octets
HOST = labels_of("3.0.0.10.in-addr.arpa.")
CROWD = labels_of("200.0.0.10.in-addr.arpa.")
APEX = labels_of("10.in-addr.arpa.")
TSIG = 250


@dataclass(frozen=True)
class Expected:
    """What ours answers."""

    rcode: int
    answers: int = 0  # records in the answer section
    size: int | None = None  # octets of the whole response
    aa: bool | None = None
    tc: bool = False
    opt: bool | None = None  # whether there is an OPT
    options: tuple[int, ...] | None = None  # codes of its options
    tsig_error: int | None = None  # in an unsigned TSIG


@dataclass(frozen=True)
class Row:
    """One message."""

    name: str
    octets: bytes
    ours: Expected | None  # None: no response
    alone: str = ""  # why ours differs from named, Knot and NSD alike; empty: it is like one of them
    only: str = ""  # "udp", "tcp"; empty: both


def header(flags: int = 0, counts: tuple[int, int, int, int] = (1, 0, 0, 0)) -> bytes:
    """ID 0: who sends gives each message its own."""
    return struct.pack("!HHHHHH", 0, flags, *counts)


def question(labels: tuple[bytes, ...] = HOST, qtype: int = PTR, qclass: int = IN) -> bytes:
    return wire_name(labels) + struct.pack("!HH", qtype, qclass)


def query(
    labels: tuple[bytes, ...] = HOST, qtype: int = PTR, qclass: int = IN, *, flags: int = 0, edns: Edns | None = None
) -> bytes:
    additional = edns.octets() if edns else b""
    return header(flags, (1, 0, 0, int(edns is not None))) + question(labels, qtype, qclass) + additional


def opcode(number: int) -> int:
    return number << 11


def record(owner: bytes, rtype: int, rclass: int, ttl: int, rdata: bytes) -> bytes:
    return owner + struct.pack("!HHIH", rtype, rclass, ttl, len(rdata)) + rdata


def opt(rdata: bytes = b"", *, owner: bytes = b"\0", size: int = 1232) -> bytes:
    return record(owner, 41, size, 0, rdata)


def tsig(key: str = "nobody.example.", algorithm: str = "hmac-sha256.") -> bytes:
    mac = bytes(32)
    times = struct.pack("!HIH", 0, 1_700_000_000, 300)
    rdata = wire_name(labels_of(algorithm)) + times + struct.pack("!H", len(mac)) + mac + struct.pack("!HHH", 0, 0, 0)
    return record(wire_name(labels_of(key)), TSIG, ANY, 0, rdata)


SOA_RECORD = record(b"\xc0\x0c", SOA, IN, 60, b"\0\0" + struct.pack("!IIIII", 1, 2, 3, 4, 5))
LONGEST = (b"a" * 63, b"b" * 63, b"c" * 63, b"d" * 61)  # 255 octets
TOO_LONG = (b"a" * 63, b"b" * 63, b"c" * 63, b"d" * 62)
MANY_LABELS = (*((b"1",) * 119), *HOST[-3:])  # the most that fit: 254 octets

ANSWERED = Expected(NOERROR, answers=1, aa=True)
NODATA = Expected(NOERROR, aa=True)
HEADER_FORMERR = Expected(FORMERR, size=HEADER_ONLY)
HEADER_NOTIMP = Expected(NOTIMP, size=HEADER_ONLY)
BADKEY = Expected(NOTAUTH, tsig_error=17)


NO_ANSWER = [
    *(Row(f"{size} octets", b"\1" * size, None) for size in (1, 2, 11)),
    *(Row(f"QR=1, opcode {code}", query(flags=0x8000 | opcode(code)), None) for code in (0, 4, 5, 15)),
    *(Row(f"QR=1, RCODE {rcode}", query(flags=0x8000 | rcode), None) for rcode in (1, 2, 5)),
]
COUNTS = [
    Row("header only, QDCOUNT 1", header(), HEADER_FORMERR),
    Row("header only, QDCOUNT 0", header(0, (0, 0, 0, 0)), HEADER_FORMERR),
    Row("QDCOUNT 0 and an OPT", header(0, (0, 0, 0, 1)) + opt(), Expected(FORMERR, opt=True)),
    Row("QDCOUNT 2", header(0, (2, 0, 0, 0)) + 2 * question(), HEADER_FORMERR),
    Row("QDCOUNT 65535", header(0, (65535, 0, 0, 0)) + question(), HEADER_FORMERR),
    Row("ANCOUNT 1 with junk", header(0, (1, 1, 0, 0)) + question() + b"\xff" * 20, Expected(FORMERR)),
    Row("NSCOUNT 1 with an SOA", header(0, (1, 0, 1, 0)) + question() + SOA_RECORD, Expected(FORMERR)),
    Row("ARCOUNT 65535", header(0, (1, 0, 0, 65535)) + question(), Expected(FORMERR)),
    Row("ARCOUNT 1 and nothing there", header(0, (1, 0, 0, 1)) + question(), Expected(FORMERR)),
    Row("100 octets behind the end", query() + bytes(100), ANSWERED),
]
FLAG_BITS = {"AA": 0x400, "TC": 0x200, "RD": RD, "RA": 0x80, "Z": 0x40, "AD": 0x20, "CD": 0x10}
FLAGS = [
    *(Row(f"{name} set", query(flags=bit), ANSWERED) for name, bit in FLAG_BITS.items()),
    Row("RCODE 5 in a query", query(flags=5), ANSWERED),
]
OPCODES = [
    *(Row(f"opcode {code}", query(flags=opcode(code)), HEADER_NOTIMP) for code in (1, 2, 3, 6, 7, 15)),
    *(Row(f"opcode {code} without a question", header(opcode(code), (0, 0, 0, 0)), HEADER_NOTIMP) for code in (2, 6)),
    Row("opcode 3, all flags", query(flags=opcode(3) | 0x07F0), HEADER_NOTIMP),
    Row("NOTIFY for our zone", query(APEX, SOA, flags=opcode(4)), Expected(NOTAUTH)),
    Row("UPDATE in our zone", query(APEX, SOA, flags=opcode(5)), Expected(REFUSED)),
    Row("UPDATE outside", query(labels_of("example.com."), SOA, flags=opcode(5)), Expected(NOTAUTH)),
    Row("UPDATE without a zone", header(opcode(5), (0, 0, 0, 0)), Expected(FORMERR)),
]
NAMES = [
    Row("pointer to itself", header() + b"\xc0\x0c" + struct.pack("!HH", PTR, IN), HEADER_FORMERR),
    Row("pointer forward", header() + b"\xc0\x20" + struct.pack("!HH", PTR, IN) + bytes(20), HEADER_FORMERR),
    Row("pointer into the header", header() + b"\x013\xc0\x00" + struct.pack("!HH", PTR, IN), HEADER_FORMERR),
    Row("label type 01", header() + b"\x41\x01\x00" + struct.pack("!HH", PTR, IN), HEADER_FORMERR),
    Row("label type 10", header() + b"\x81\x01\x00" + struct.pack("!HH", PTR, IN), HEADER_FORMERR),
    Row("label beyond the end", header() + b"\x3fabc", HEADER_FORMERR),
    Row("name without an end", header() + b"\x013\x010", HEADER_FORMERR),
    Row("no type and class", header() + wire_name(HOST), HEADER_FORMERR),
    Row("half a class", query()[:-1], HEADER_FORMERR),
    Row("256 octets", header() + wire_name(TOO_LONG) + struct.pack("!HH", PTR, IN), HEADER_FORMERR),
    Row("255 octets outside", query(LONGEST), Expected(REFUSED, size=271)),
    Row("122 labels", query(MANY_LABELS), Expected(NXDOMAIN, aa=True)),
    Row("the root", query(()), Expected(REFUSED)),
    Row("a label with an escape sequence", query((b"\x1b[2J", *APEX)), Expected(NXDOMAIN, aa=True)),
    Row("a label with NUL", query((b"a\0b", *APEX)), Expected(NXDOMAIN, aa=True)),
    Row("a label with a dot", query((b"3.0.0", *APEX)), Expected(NXDOMAIN, aa=True)),
    Row("mixed case", query((*HOST[:4], b"In-aDDr", b"ARPA")), ANSWERED),
    Row("empty non-terminal", query(labels_of("0.10.in-addr.arpa.")), NODATA),
]
CLASSES_AND_TYPES = [
    Row("class CH", query(qclass=3), Expected(REFUSED)),
    Row("class 0", query(qclass=0), Expected(REFUSED)),
    Row("class ANY", query(qclass=255), Expected(FORMERR)),
    *(
        Row(f"{name} CH TXT", query(labels_of(name), TXT, 3), Expected(REFUSED), alone="off until it is set")
        for name in ("version.bind.", "hostname.bind.", "id.server.")
    ),
    Row("version.server. CH TXT", query(labels_of("version.server."), TXT, 3), Expected(REFUSED)),
    *(Row(f"type {qtype}", query(qtype=qtype), NODATA) for qtype in (0, 253, 666, 65535)),
    *(Row(f"type {qtype}", query(qtype=qtype), Expected(FORMERR)) for qtype in (41, 250)),
    Row("type ANY", query(qtype=ANY), ANSWERED),
    Row("AXFR", query(APEX, 252), Expected(FORMERR), only="udp"),
    Row("IXFR without an SOA", query(APEX, 251), Expected(FORMERR), only="udp"),
]
EDNS = [
    Row("EDNS version 1", query(edns=Edns(1232, version=1)), Expected(BADVERS, opt=True)),
    Row("EDNS version 255", query(edns=Edns(1232, version=255)), Expected(BADVERS, opt=True)),
    Row("two OPT", header(0, (1, 0, 0, 2)) + question() + 2 * opt(), Expected(FORMERR, opt=False)),
    Row("OPT in the answer section", header(0, (1, 1, 0, 0)) + question() + opt(), Expected(FORMERR, opt=False)),
    Row(
        "an option beyond its OPT",
        header(0, (1, 0, 0, 1)) + question() + opt(b"\0\x03\0\x09"),
        Expected(FORMERR, opt=False),
    ),
    Row("half an option", header(0, (1, 0, 0, 1)) + question() + opt(b"\0\x03\0"), Expected(FORMERR, opt=False)),
    Row(
        "an OPT beyond the end", header(0, (1, 0, 0, 1)) + question() + opt(bytes(8))[:-4], Expected(FORMERR, opt=False)
    ),
    Row(
        "OPT not at the root",
        header(0, (1, 0, 0, 1)) + question() + opt(owner=b"\x01x\0"),
        Expected(FORMERR, opt=False),
    ),
    Row(
        "unknown options",
        query(edns=Edns(1232, options=((65001, b"abc"), (100, b"")))),
        Expected(NOERROR, 1, opt=True, options=()),
    ),
    Row(
        "Z bits of EDNS",
        header(0, (1, 0, 0, 1)) + question() + record(b"\0", 41, 1232, 0x7FFF, b""),
        Expected(NOERROR, 1, opt=True),
    ),
    # What RFC 8906 section 8 asks of EDNS, beyond the above.
    Row("EDNS version 1 with DO", query(edns=Edns(1232, do=True, version=1)), Expected(BADVERS, opt=True)),
    Row(
        "EDNS version 1 with an unknown option",
        query(edns=Edns(1232, version=1, options=((100, b""),))),
        Expected(BADVERS, opt=True, options=()),
    ),
    Row("DO and CD", query(flags=0x10, edns=Edns(1232, do=True)), Expected(NOERROR, 1, aa=True, opt=True)),
    Row(
        "options that others know: NSID, ECS, EXPIRE, padding",
        query(edns=Edns(1232, options=((3, b""), (8, b"\0\1\0\0"), (9, b""), (12, bytes(9))))),
        Expected(NOERROR, 1, opt=True),
    ),
    *(
        Row(f"cookie of {size} octets", query(edns=Edns(1232, options=((10, bytes(size)),))), Expected(NOERROR, 1))
        for size in (7, 8, 24, 41)
    ),
    Row("NSID", query(edns=Edns(1232, options=((3, b""),))), Expected(NOERROR, 1, opt=True, options=())),
    *(
        Row(
            f"size {size} and a hundred PTRs",
            query(CROWD, edns=Edns(size)),
            Expected(NOERROR, tc=True, size=52, opt=True),
            only="udp",
        )
        for size in (0, 511, 65535)
    ),
    Row("a hundred PTRs without EDNS", query(CROWD), Expected(NOERROR, tc=True, size=41), only="udp"),
    Row("a hundred PTRs", query(CROWD), Expected(NOERROR, answers=100, aa=True), only="tcp"),
    Row(
        "keepalive",
        query(edns=Edns(1232, options=((11, b""),))),
        Expected(NOERROR, 1, opt=True, options=()),
        only="udp",
    ),
]
SIGNED = [
    Row("TSIG with an unknown key", header(0, (1, 0, 0, 1)) + question() + tsig(), BADKEY),
    Row(
        "TSIG with an unknown algorithm",
        header(0, (1, 0, 0, 1)) + question() + tsig(algorithm="hmac-odd."),
        Expected(NOTAUTH),
    ),
    Row(
        "TSIG of no octets",
        header(0, (1, 0, 0, 1)) + question() + record(b"\x01k\0", TSIG, ANY, 0, b""),
        Expected(FORMERR),
    ),
    Row("TSIG before an OPT", header(0, (1, 0, 0, 2)) + question() + tsig() + opt(), Expected(FORMERR)),
    Row("two TSIGs", header(0, (1, 0, 0, 2)) + question() + 2 * tsig(), Expected(FORMERR)),
]
ROWS = [*NO_ANSWER, *COUNTS, *FLAGS, *OPCODES, *NAMES, *CLASSES_AND_TYPES, *EDNS, *SIGNED]
