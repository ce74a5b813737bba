"""Hostile and odd messages against the server itself, over both transports, and against named, Knot and NSD."""

import asyncio
import socket
import struct
import time

import dns.flags
import dns.message
import pytest
from hostile_messages import ROWS, Expected, Row, query
from peer_servers import bind, guard, knot, nsd
from single_questions import ask_each, numbered

_SO_RCVBUFFORCE = 33  # asm-generic/socket.h; Python does not name it
NAMES = [f"host{number}.department{number % 7}.example.com" for number in range(100)]
MAP = (
    "zone: 10.0.0.0/8\nns: [ns1.example.com]\nptr:\n  10.0.0.3: web.example.com\n"
    + f"  10.0.0.200: [{', '.join(NAMES)}]\n"
)
APEX = "10.in-addr.arpa."
MASTER = (
    f"{APEX} 3600 IN SOA ns1.example.com. nobody.invalid. 1 3600 1200 604800 10800\n"
    f"{APEX} 3600 IN NS ns1.example.com.\n"
    f"3.0.0.{APEX} 3600 IN PTR web.example.com.\n" + "".join(f"200.0.0.{APEX} 3600 IN PTR {name}.\n" for name in NAMES)
)


def rows(*, tcp: bool) -> list[Row]:
    return [row for row in ROWS if row.only != ("udp" if tcp else "tcp")]


def ask_all(address: tuple[str, int], *, tcp: bool) -> dict[str, bytes | None]:
    asked = rows(tcp=tcp)
    responses = asyncio.run(ask_each(address, numbered([row.octets for row in asked]), tcp=tcp))
    return {row.name: response for row, response in zip(asked, responses, strict=True)}


@pytest.fixture(scope="module")
def ours():
    with guard({"ten.yaml": MAP}) as peer:
        yield {tcp: ask_all((peer.address, peer.port), tcp=tcp) for tcp in (False, True)}


@pytest.fixture(scope="module")
def anchors(tmp_path_factory):
    zone = tmp_path_factory.mktemp("named") / "ten.zone"
    zone.write_text(MASTER)
    view = f'view "all" {{ recursion no; zone "{APEX}" {{ type primary; file "{zone}"; }}; }};'
    with bind(view) as named, knot({APEX: MASTER}) as knot_peer, nsd({APEX: MASTER}) as nsd_peer:
        peers = {"named": named, "knot": knot_peer, "nsd": nsd_peer}
        yield {
            tcp: {name: ask_all((peer.address, peer.port), tcp=tcp) for name, peer in peers.items()}
            for tcp in (False, True)
        }


def test_the_table_has_each_row_once():
    names = [row.name for row in ROWS]
    assert sorted(set(names)) == sorted(names) and len(names) > 90


@pytest.mark.parametrize(
    ("row", "tcp"),
    [(row, tcp) for tcp in (False, True) for row in rows(tcp=tcp)],
    ids=lambda value: value.name if isinstance(value, Row) else "tcp" if value else "udp",
)
def test_a_message_gets_the_response_of_the_table(ours, row, tcp):
    response = ours[tcp][row.name]
    if row.ours is None:
        assert response is None
        return
    assert response is not None, "no response"
    assert problems(row.ours, row.octets, response) == []


def problems(expected: Expected, sent: bytes, response: bytes) -> list[str]:
    """What of a response is not as expected, or never right."""
    message = dns.message.from_wire(response, question_only=response[2] >> 3 & 15 == 5, keyring=False)
    flags = message.flags
    found = {
        "rcode": (int(message.rcode()), expected.rcode),
        "answers": (sum(len(rrset) for rrset in message.answer), expected.answers),
        "TC": (bool(flags & dns.flags.TC), expected.tc),
        "QR": (bool(flags & dns.flags.QR), True),
        "RA, AD, Z": (flags & (dns.flags.RA | dns.flags.AD | 0x40), 0),
        "opcode": (response[2] >> 3 & 15, sent[2] >> 3 & 15),
    }
    if expected.size is not None:
        found["size"] = (len(response), expected.size)
    if expected.aa is not None:
        found["AA"] = (bool(flags & dns.flags.AA), expected.aa)
    if expected.opt is not None:
        found["OPT"] = (message.edns >= 0, expected.opt)
    if expected.options is not None:
        found["options"] = (tuple(int(option.otype) for option in message.options), expected.options)
    if expected.tsig_error is not None:
        found["TSIG"] = (message.tsig_error, expected.tsig_error)
    if len(response) > 12:
        end = sent.index(b"\0", 12) + 5 if sent[12:13] != b"\0" else 17
        found["question"] = (response[12:end], sent[12:end])
    return [f"{name}: {seen}, not {wanted}" for name, (seen, wanted) in found.items() if seen != wanted]


@pytest.mark.peers("named", "knotd", "nsd")
@pytest.mark.parametrize("tcp", [False, True])
def test_a_response_is_of_the_kind_that_named_or_knot_or_nsd_gives(ours, anchors, tcp):
    different = []
    for row in rows(tcp=tcp):
        own = kind_of(ours[tcp][row.name])
        theirs = {name: kind_of(seen[row.name]) for name, seen in anchors[tcp].items()}
        if (own not in theirs.values()) != bool(row.alone):
            different.append(f"{row.name}: {own} {theirs} {row.alone}")
    assert different == []


def kind_of(response: bytes | None) -> str:
    if response is None:
        return "drop"
    if len(response) < 12:
        return "short"
    opt = dns.message.from_wire(response, question_only=True, ignore_trailing=True)
    answers = struct.unpack_from("!H", response, 6)[0]
    extended = 0
    if response.endswith(b"\0\0") and b"\0\0\x29" in response:
        extended = response[response.rindex(b"\0\0\x29") + 5] << 4
    return f"{int(opt.rcode()) | extended} {'answered' if answers else 'empty'}"


@pytest.mark.root
def test_a_source_port_that_nobody_asks_from_gets_no_response():
    with guard({"ten.yaml": MAP}) as peer, socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_UDP) as raw:
        raw.setsockopt(socket.SOL_SOCKET, _SO_RCVBUFFORCE, 1 << 26)  # other tests' traffic passes here, too
        message = query()
        for port, answered in ((0, False), (7, False), (19, False), (32123, True)):
            raw.sendto(struct.pack("!HHHH", port, peer.port, 8 + len(message), 0) + message, ("127.0.0.1", 0))
            assert was_answered(raw, peer.port, port) is answered, port


def was_answered(raw: socket.socket, from_port: int, to_port: int) -> bool:
    """Whether a datagram from one port to the other passes within two seconds, among all those that pass."""
    deadline = time.monotonic() + 2.0
    while (left := deadline - time.monotonic()) > 0:
        raw.settimeout(left)
        try:
            packet = raw.recv(65536)
        except TimeoutError:
            break
        udp = packet[4 * (packet[0] & 15) :]
        if struct.unpack_from("!HH", udp) == (from_port, to_port):
            return True
    return False
