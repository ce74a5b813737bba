"""Whatever octets come: no exception, no wait, no response that is larger or other than it may be."""

import random
import time
from collections.abc import Callable, Iterator

import dns.message
import pytest
from hypothesis import given
from hypothesis import strategies as st
from memory_zones import CLIENT, STRANGER, Asker, make_query
from raw_messages import header, opt, option, question, question_of_size, record, tsig

from blackhole_guard.answering.tally import FAMILIES
from blackhole_guard.wire.codes import Opcode, RRClass, RRType
from blackhole_guard.wire.names import pack_name

SOA = record(b"\xc0\x0c", RRType.SOA, RRClass.IN, 0, b"\0\0" + bytes(20))
LONG = b"\1a" * 126 + b"\0"
NAMES = (
    *("3.0.0.10.in-addr.arpa", "7.0.0.10.in-addr.arpa", "65.2.1.10.in-addr.arpa", "1.9.9.10.in-addr.arpa"),
    *("1.30.10.in-addr.arpa", "10.in-addr.arpa", "0.10.in-addr.arpa", "5.9.9.10.in-addr.arpa", "version.bind"),
    *("lb._dns-sd._udp.0.10.in-addr.arpa", "1.0.d.f.ip6.arpa", "_dns.resolver.arpa", "www.example.org", "."),
)
SEEDS = (
    *(header(0x0100) + question(pack_name(name)) for name in NAMES),
    *(header(ar=1) + question(pack_name(name)) + opt(option(3) + option(10, bytes(8)), do=True) for name in NAMES),
    header(ar=2) + question() + opt() + tsig(),
    header(ar=1) + question() + opt(b"".join(option(code) for code in range(64))),
    header(ns=1) + question(pack_name("10.in-addr.arpa"), RRType.IXFR) + SOA,
    header(Opcode.NOTIFY << 11, an=1, ar=1) + question(pack_name("10.in-addr.arpa"), RRType.SOA) + SOA + opt(),
    header(Opcode.UPDATE << 11, ns=1) + question(pack_name("10.in-addr.arpa"), RRType.SOA) + SOA,
    header(ar=2) + question(LONG) + SOA + SOA,
    header() + question(pack_name("version.bind"), RRType.TXT, RRClass.CH),
)
KNOWN = {(family.name, *series) for family in FAMILIES for series in family.series}
ROUNDS = 250_000


def _flip(octets: bytearray, chance: random.Random) -> None:
    octets[chance.randrange(len(octets))] ^= 1 << chance.randrange(8)


def _replace(octets: bytearray, chance: random.Random) -> None:
    octets[chance.randrange(len(octets))] = chance.choice((0, 1, 63, 64, 0x80, 0xC0, 0xFF, chance.randrange(256)))


def _count(octets: bytearray, chance: random.Random) -> None:
    at = chance.choice((2, 4, 6, 8, 10))
    octets[at : at + 2] = chance.choice((0, 1, 2, 3, 0x2800, 0x2000, 65535)).to_bytes(2)


def _cut(octets: bytearray, chance: random.Random) -> None:
    del octets[1 + chance.randrange(len(octets)) :]


def _insert(octets: bytearray, chance: random.Random) -> None:
    at = chance.randrange(len(octets))
    octets[at:at] = chance.choice((b"\0", b"\xc0\x0c", b"\x3f", b"\0\x29\4\xd0\0\0\0\0\0\0", bytes(20)))


def _double(octets: bytearray, chance: random.Random) -> None:
    start = chance.randrange(len(octets))
    octets[chance.randrange(len(octets)) :] += octets[start : start + chance.randrange(40)]


MUTATIONS: tuple[Callable[[bytearray, random.Random], None], ...] = (_flip, _replace, _count, _cut, _insert, _double)


def mutants(rounds: int, seed: int) -> Iterator[bytes]:
    chance = random.Random(seed)
    for _ in range(rounds):
        octets = bytearray(chance.choice(SEEDS))
        for _ in range(chance.choice((1, 1, 2, 3, 6))):
            chance.choice(MUTATIONS)(octets, chance)
        yield bytes(octets)


def check(message: bytes, response: bytes | None, limit: int) -> None:
    """What holds for every response."""
    if len(message) < 12 or message[2] & 0x80:
        assert response is None
        return
    assert response is not None
    assert response[:2] == message[:2]
    assert response[2] & 0xF8 == message[2] & 0x78 | 0x80
    assert not response[3] & 0x70  # RA, Z, AD, CD
    assert len(response) <= limit
    if response[4:6] == b"\0\1":
        end = 12 + len(_question_of(response))
        assert response[12:end] == message[12:end]


def _question_of(response: bytes) -> bytes:
    position = 12
    while response[position]:
        position += 1 + response[position]
    return response[12 : position + 5]


@pytest.mark.untraced
def test_mutated_messages_never_raise_and_always_get_what_they_may():
    """A quarter of a million, the same in each run."""
    asker = Asker(version="1.0", identity="x", nsid="n1")
    respond, looked_at = asker.engine.respond, 0
    sources = ((CLIENT, False, 1232), (CLIENT, True, 65535), (STRANGER, False, 0), (bytes(16), False, 0))
    for number, message in enumerate(mutants(ROUNDS, seed=1)):
        source, tcp, limit = sources[number & 3]
        response = respond(message, source, over_tcp=tcp)
        check(message, response, limit or max(12, len(message)))
        if response is not None and number % 50 < 2:
            # As a QUERY: what dnspython has against the question of an UPDATE, it has against the mutant's.
            octets = response[:2] + bytes((response[2] & 0x87,)) + response[3:]
            dns.message.from_wire(octets, keyring=False)
            looked_at += 1
    counts = asker.tally.take()
    assert ("answer_errors",) not in counts
    assert set(counts) <= KNOWN
    assert sum(n for key, n in counts.items() if key[0] in ("queries", "unanswered")) == ROUNDS
    assert looked_at > 5000
    # The mutants must come through the gate, or nothing was tested.
    rcodes = {key[4] for key in counts if key[0] == "queries"}
    assert rcodes == {"NOERROR", "FORMERR", "NXDOMAIN", "NOTIMP", "REFUSED", "NOTAUTH", "BADVERS"}
    assert sum(n for key, n in counts.items() if key[0] == "queries" and key[3] != "none") > ROUNDS / 4


@given(st.binary(max_size=700), st.sampled_from([CLIENT, STRANGER]), st.booleans())
def test_any_octets_get_what_they_may(message, source, tcp):
    asker = Asker()
    response = asker.send(message, source=source, tcp=tcp)
    check(message, response, max(12, len(message)) if source == STRANGER else 65535 if tcp else 1232)
    assert ("answer_errors",) not in asker.tally.take()


@given(st.sampled_from(SEEDS), st.data())
def test_every_part_of_a_message_gets_what_it_may(seed, data):
    message = seed[: data.draw(st.integers(0, len(seed)))] + data.draw(st.binary(max_size=30))
    asker = Asker()
    check(message, asker.send(message), 1232)
    assert ("answer_errors",) not in asker.tally.take()


@given(st.lists(st.binary(min_size=1, max_size=63), max_size=12), st.integers(0, 65535), st.booleans())
def test_any_question_gets_a_response_that_dnspython_reads(labels, qtype, below_ours):
    labels = [*labels, b"10", b"in-addr", b"arpa"] if below_ours else labels
    name = b"".join(bytes((len(label),)) + label for label in labels) + b"\0"
    response = Asker().send(header() + question(name, qtype))
    assert response is not None
    message = dns.message.from_wire(response)
    assert bool(message.question) is (len(name) <= 255)


# 64 KiB each. What bounds the time is that nothing of them is read but a name, two records and 64 options.
BOMBS = {
    "4670 records": header(an=4670) + question(LONG) + record(b"\xc0\x0c", 12, 1, 0, b"\xc0\x0c") * 4670,
    "4670 records that are not counted": header() + question(LONG) + record(b"\xc0\x0c", 12, 1, 0, b"\xc0\x0c") * 4670,
    "records of an update": header(Opcode.UPDATE << 11, ns=5000)
    + question(LONG, 6)
    + record(LONG, 12, 1, 0, b"") * 240,
    "two long records": header(ar=2)
    + question(LONG)
    + record(LONG, 99, 1, 0, bytes(30000))
    + record(LONG, 99, 1, 0, bytes(30000)),
    "empty options": header(ar=1) + question(LONG) + opt(option(3) * 16000),
    "one option": header(ar=1) + question(LONG) + opt(option(65001, bytes(65000))),
    "a long signature": header(ar=1) + question(LONG) + tsig(key=LONG, algorithm=LONG, mac=bytes(60000)),
    "a name without an end": header() + b"\1a" * 32760,
    "pointers": header(ar=1) + question(LONG) + b"\xc0\x0c" * 32000,
    "a name of 255 octets in a mixed case": header() + question(question_of_size(255).swapcase()) + bytes(65000),
}


@pytest.mark.parametrize("bomb", BOMBS.values(), ids=BOMBS)
def test_the_dearest_message_of_64_kibibytes_is_answered_within_3_ms(bomb):
    asker = Asker()
    message = bomb[:65535].ljust(65535, b"\0")
    durations = []
    for _ in range(20):
        started = time.perf_counter()
        response = asker.send(message, tcp=True)
        durations.append(time.perf_counter() - started)
        assert response is not None
        assert len(response) <= 65535
    # The best of twenty: what other processes do to this one is not ours. The worst that we saw was 60 microseconds.
    assert min(durations) < 0.003


def test_the_dearest_answer_costs_less_than_5_ms():
    """100 PTRs over TCP, the most that one owner may have."""
    asker = Asker()
    query = make_query("7.0.0.10.in-addr.arpa").to_wire()
    durations = []
    for _ in range(20):
        started = time.perf_counter()
        asker.send(query, tcp=True)
        durations.append(time.perf_counter() - started)
    assert min(durations) < 0.005
