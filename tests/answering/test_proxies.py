"""Queries behind a proxy: who is listed is believed, and all others are what they look like."""

from ipaddress import ip_address
from struct import pack

import pytest
from hot_messages import CLIENT, STRANGERS, Sent, compose, make_slots, policy
from hypothesis import given
from hypothesis import strategies as st
from shelved_zones import open_zones

from blackhole_guard.answering.batch import Batch
from blackhole_guard.answering.engine import Engine
from blackhole_guard.answering.hot_path import HotPath
from blackhole_guard.answering.policy import parse_clients
from blackhole_guard.answering.proxies import Proxies, StreamStart, read_stream_start
from blackhole_guard.answering.tally import Tally
from blackhole_guard.reserved.addresses import reverse_name
from blackhole_guard.wire.proxy import SIGNATURE

PROXY, OTHER = ip_address("10.0.0.53").packed, ip_address("10.0.0.54").packed
REAL = ip_address("10.7.7.7").packed
REAL6 = ip_address("fd00::7").packed
QUERY = compose(reverse_name(ip_address("10.0.0.3").packed))


def header(source=REAL, *, command=0x21, more=b""):
    family = 0x12 if len(source) == 4 else 0x22
    rest = source * 2 + bytes(4) + more
    return SIGNATURE + pack("!BBH", command, family, len(rest)) + rest


MALFORMED = SIGNATURE + b"\x21\x12\0\x01\0"


@pytest.fixture(scope="module")
def slots():
    return make_slots()


@pytest.fixture
def proxies():
    return Proxies(parse_clients(["10.0.0.53"]))


def make_batch(slots, sent):
    for slot, each in zip(slots, sent, strict=False):
        slot[: len(each.octets)] = each.octets
    return Batch(
        slots=slots,
        sizes=[-1 if each.dropped else len(each.octets) for each in sent],
        senders=[int.from_bytes(each.source) for each in sent],
        is_ipv6=False,
        source=lambda number: sent[number].source,
    )


def unwrap(proxies, slots, *sent):
    """Octets and source of each message that is left; None: it must not be answered."""
    batch = make_batch(slots, sent)
    proxies.unwrap_batch(batch)
    return [
        None if size < 0 else (batch.message(number), batch.source(number)) for number, size in enumerate(batch.sizes)
    ]


@pytest.mark.parametrize(
    ("octets", "source", "expected"),
    [
        (header() + QUERY, PROXY, (QUERY, REAL)),
        (header(REAL6) + QUERY, PROXY, (QUERY, REAL6)),
        (header(more=b"\x04\0\0") + QUERY, PROXY, (QUERY, REAL)),
        (header(command=0x20) + QUERY, PROXY, (QUERY, PROXY)),  # it asks for itself
        (QUERY, PROXY, (QUERY, PROXY)),
        (header() + QUERY, OTHER, (header() + QUERY, OTHER)),  # not listed
        (MALFORMED + QUERY, PROXY, None),
        (MALFORMED + QUERY, OTHER, (MALFORMED + QUERY, OTHER)),
        (header(), PROXY, (b"", REAL)),
        (b"", PROXY, (b"", PROXY)),
    ],
)
def test_who_asks_what(proxies, slots, octets, source, expected):
    assert unwrap(proxies, slots, Sent(octets, source)) == [expected]
    assert proxies.unwrap(octets, source) == expected


def test_messages_of_a_batch_are_each_their_own(proxies, slots):
    batch = make_batch(
        slots,
        [
            Sent(header() + QUERY, PROXY),
            Sent(QUERY, CLIENT),
            Sent(header(STRANGERS[0]) + QUERY, PROXY),
            Sent(header() + QUERY, PROXY, dropped=True),
            Sent(MALFORMED + QUERY, PROXY),
        ],
    )
    before = list(batch.senders)
    proxies.unwrap_batch(batch)
    assert batch.sizes == [len(QUERY)] * 3 + [-1, -1]
    assert [batch.source(number) for number in range(5)] == [REAL, CLIENT, STRANGERS[0], PROXY, PROXY]
    assert batch.senders[1] == before[1]
    assert batch.senders[3:] == before[3:]
    assert len({*batch.senders, REAL, STRANGERS[0]}) == 6  # nobody's key when he asks by himself


@pytest.mark.parametrize("source", [REAL, REAL6])
@pytest.mark.parametrize("sockets", [(False,) * 3, (True,) * 3, (False, True, False), (True, False, True)])
def test_who_asks_is_counted_in_the_family_that_the_header_says_each_time(tmp_path, proxies, slots, source, sockets):
    snapshot, tally = open_zones(tmp_path), Tally()
    hot = HotPath(Engine(snapshot, policy(), tally), snapshot, policy(), tally)
    for is_ipv6 in sockets:
        batch = make_batch(slots, [Sent(header(source) + QUERY, PROXY)] * 3)
        if is_ipv6:
            batch.is_ipv6, batch.senders = True, [bytes(10) + b"\xff\xff" + PROXY] * 3
        proxies.unwrap_batch(batch)
        hot.respond_batch(batch)
    family = "ipv4" if source is REAL else "ipv6"
    assert {key[1:3]: n for key, n in tally.take().items() if key[0] == "queries"} == {("udp", family): 9}
    snapshot.close()


def test_a_batch_without_proxies_is_left_as_it_is(proxies, slots):
    batch = make_batch(slots, [Sent(QUERY)] * 3)
    senders, source = batch.senders, batch.source
    proxies.unwrap_batch(batch)
    assert (batch.senders, batch.source) == (senders, source)


def test_what_is_known_of_senders_has_its_bound(proxies, slots):
    for number in range(5000):
        proxies.unwrap_batch(make_batch(slots, [Sent(QUERY, number.to_bytes(4))]))
    assert len(proxies._known) <= 4096


@pytest.mark.parametrize(
    ("octets", "expected"),
    [
        (header() + b"rest", StreamStart(len(header()), REAL)),
        (header(command=0x20), StreamStart(len(header()), None)),
        (b"\0\x20", StreamStart(0, None)),
        (header()[:-1], None),
        (SIGNATURE[:1], None),
        (MALFORMED, StreamStart(0, None, is_malformed=True)),
        (SIGNATURE + b"\x21\x12\xff\xff", StreamStart(0, None, is_malformed=True)),
    ],
)
def test_a_stream_begins_with_a_header_or_without(octets, expected):
    assert read_stream_start(octets) == expected


@given(st.binary(max_size=80), st.booleans())
def test_any_octets_are_a_message_or_none(octets, signed):
    proxies = Proxies(parse_clients(["10.0.0.53"]))
    found = proxies.unwrap(SIGNATURE + octets if signed else octets, PROXY)
    assert found is None or len(found[1]) in (4, 16)
