"""Lines of query logs: a row per form, as the programs were seen to write them. tests/peers runs the programs."""

from datetime import UTC
from ipaddress import ip_address

import pytest
from hypothesis import given
from hypothesis import strategies as st

from blackhole_guard.leaks.evidence import Certainty, Via, judge
from blackhole_guard.leaks.log_times import LogTimes
from blackhole_guard.leaks.query_logs import LONGEST_LINE, LogReader, pick_lines
from blackhole_guard.wire.codes import RRType
from blackhole_guard.wire.names import pack_name

NAME = "3.0.0.10.in-addr.arpa"
QUERY = "query: 3.0.0.10.in-addr.arpa IN PTR +E(0)K (10.0.0.53)"
BIND = "client @0x7fceabcd6098 10.0.0.5#50161 (3.0.0.10.in-addr.arpa): "
UNBOUND = "[1795678785] unbound[17752:0] "
RESOLVED = "Nov 26 07:31:50 host systemd-resolved[61]: "


def read_all(*lines: str):
    """What the lines of one log show: certainty, name, type, client, server."""
    reader = LogReader(LogTimes(1_795_700_000, UTC))
    found = [reader.read(line.encode() + b"\n") for line in lines]
    return [
        (
            each.certainty,
            each.sighting.name,
            each.sighting.qtype,
            each.sighting.client and str(ip_address(each.sighting.client)),
            each.sighting.server and str(ip_address(each.sighting.server)),
        )
        for each in found
        if each is not None
    ]


def possible(client="10.0.0.5", name=NAME, qtype=RRType.PTR):
    return [(Certainty.POSSIBLE, pack_name(name), qtype, client, None)]


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        (f"26-Nov-2026 07:31:50.446 {BIND}{QUERY}", possible()),
        (f"26-Nov-2026 07:31:50.446 queries: info: {BIND}{QUERY}", possible()),
        (f"2026-11-26T07:31:50.446Z {BIND}view inside: {QUERY} [ECS 10.1.2.0/24/0]", possible()),
        (f"{BIND[:-2].replace('#50161', '#50161/key tsig.example')}): {QUERY}", possible()),
        (f"Nov 26 07:31:50 ns1 named[88]: client 10.0.0.5#50161 ({NAME}): {QUERY}", possible()),
        (f"client 10.0.0.5#50161: {QUERY}", possible()),
        (f"client @0x7f fd00::5%eth0#50161 ({NAME}): {QUERY}", possible("fd00::5")),
        (f"client @0x7f ::ffff:10.0.0.5#50161 ({NAME}): {QUERY}", possible()),
        (f"{BIND}query: 3.0.0.10.IN-ADDR.ARPA IN PTR +", possible()),
        (f"{BIND}query: 3.0.0.10.in-addr.arpa IN TYPE65 +", possible(qtype=65)),
        (f"{BIND}query: 3.0.0.10.in-addr.arpa IN LOC +", possible(qtype=0)),
        (UNBOUND + "info: 10.0.0.5 3.0.0.10.in-addr.arpa. PTR IN", possible()),
        (UNBOUND + "query: 10.0.0.5 3.0.0.10.in-addr.arpa. PTR IN", possible()),
        (UNBOUND + "reply: 10.0.0.5 3.0.0.10.in-addr.arpa. PTR IN NXDOMAIN 0.001779 0 116", possible()),
        (UNBOUND + "info: 10.0.0.5 3.0.0.10.in-addr.arpa. PTR IN NXDOMAIN 0.001779 0 116", possible()),
        ("Nov 26 07:39:45 unbound[17761:0] query: 10.0.0.5 3.0.0.10.in-addr.arpa. PTR IN", possible()),
    ],
)
def test_a_clients_query_may_leak(line, expected):
    assert read_all(line) == expected


@pytest.mark.parametrize(
    ("lines", "expected"),
    [
        (  # BIND's own word for it
            [f"{BIND}{QUERY}", f"{BIND}RFC 1918 response from Internet for 3.0.0.10.in-addr.arpa"],
            (Certainty.OBSERVED, "10.0.0.5", None),
        ),
        (
            ["client 10.0.0.5#50161: RFC 1918 response from Internet for 3.0.0.10.in-addr.arpa"],
            (Certainty.OBSERVED, "10.0.0.5", None),
        ),
        (
            [
                "26-Nov-2026 07:31:50.446 resolver: debug 11: sending packet to 192.175.48.6#53",
                ";; ->>HEADER<<- opcode: QUERY, status: NOERROR, id:  14721",
                ";; QUESTION SECTION:",
                ";3.0.0.10.in-addr.arpa.\t\tIN\tPTR",
            ],
            (Certainty.OBSERVED, None, "192.175.48.6"),
        ),
        (
            [
                UNBOUND + "info: 10.0.0.5 3.0.0.10.in-addr.arpa. PTR IN",
                UNBOUND + "info: sending query: 3.0.0.10.in-addr.arpa. PTR IN",
                UNBOUND + "debug: sending to target: <10.in-addr.arpa.> 192.175.48.6#53",
                UNBOUND + "info: response for 3.0.0.10.in-addr.arpa. PTR IN",
                UNBOUND + "info: reply from <10.in-addr.arpa.> 192.175.48.6#53",
            ],
            (Certainty.OBSERVED, "10.0.0.5", "192.175.48.6"),
        ),
        (
            [
                UNBOUND + "info: resolving 3.0.0.10.in-addr.arpa. PTR IN",
                UNBOUND + "info: response for 3.0.0.10.in-addr.arpa. PTR IN",
                UNBOUND + "info: reply from <10.in-addr.arpa.> 2620:4f:8000::6#53",
                UNBOUND + "info: response for 3.0.0.10.in-addr.arpa. PTR IN",
                UNBOUND + "info: reply from <10.in-addr.arpa.> 192.175.48.6#53",  # of the same search
            ],
            (Certainty.OBSERVED, None, "2620:4f:8000::6"),
        ),
        (
            [
                "Nov 26 07:31:50 gw dnsmasq[9]: query[PTR] 3.0.0.10.in-addr.arpa from 10.0.0.5",
                "Nov 26 07:31:50 gw dnsmasq[9]: forwarded 3.0.0.10.in-addr.arpa to 8.8.8.8",
                "Nov 26 07:31:50 gw dnsmasq[9]: reply 10.0.0.3 is NXDOMAIN",
            ],
            (Certainty.LIKELY, "10.0.0.5", "8.8.8.8"),
        ),
        (
            [
                "dnsmasq[9]: 102 10.0.0.5/59243 query[PTR] 3.0.0.10.in-addr.arpa from 10.0.0.5",
                "dnsmasq[9]: 102 10.0.0.5/59243 forwarded 3.0.0.10.in-addr.arpa to 8.8.8.8#5353",
            ],
            (Certainty.LIKELY, "10.0.0.5", "8.8.8.8"),
        ),
        (
            [
                RESOLVED + "Firing regular transaction 38041 for <3.0.0.10.in-addr.arpa IN PTR> scope dns on eth0/*",
                RESOLVED + "Using feature level UDP+EDNS0 for transaction 38041.",
                RESOLVED + "Using DNS server 8.8.8.8 for transaction 38041.",
            ],
            (Certainty.LIKELY, None, "8.8.8.8"),
        ),
    ],
)
def test_a_line_that_says_where_it_went_proves_more(lines, expected):
    proofs = [each for each in read_all(*lines) if each[0] is not Certainty.POSSIBLE]
    assert proofs == [(expected[0], pack_name(NAME), RRType.PTR, *expected[1:])]


@pytest.mark.parametrize(
    "lines",
    [
        ["dnsmasq[9]: query[PTR] 3.0.0.10.in-addr.arpa from 10.0.0.5", "dnsmasq[9]: cached 10.0.0.3 is NXDOMAIN"],
        ["dnsmasq[9]: forwarded 3.0.0.10.in-addr.arpa to 10.0.0.54"],
        ["dnsmasq[9]: forwarded 3.0.0.10.in-addr.arpa to"],
        ["dnsmasq[9]: query[PTR] 3.0.0.10.in-addr.arpa"],
        ["dnsmasq[9]: config 3.0.0.10.in-addr.arpa is NXDOMAIN"],
        [RESOLVED + "Using DNS server 8.8.8.8 for transaction 38041."],
        [
            RESOLVED + "Transaction 7 for <3.0.0.10.in-addr.arpa IN PTR> on scope dns on */* now complete",
            RESOLVED + "Using DNS server 127.0.0.1 for transaction 7.",
        ],
        [
            UNBOUND + "info: sending query: 3.0.0.10.in-addr.arpa. PTR IN",
            UNBOUND + "debug: sending to target: <.> 198.41.0.4#53",
            UNBOUND + "debug: sending to target: <10.in-addr.arpa.> 192.175.48.6#53",  # of another search
        ],
        [UNBOUND + "info: iterator operate: query 3.0.0.10.in-addr.arpa. PTR IN"],
        [UNBOUND + "info: resolving 3.0.0.10.in-addr.arpa. PTR IN"],
        ["sending packet to 198.41.0.4#53", ";3.0.0.10.in-addr.arpa.\tIN\tPTR"],
        ["sending packet to ", ";3.0.0.10.in-addr.arpa.\tIN\tPTR"],
        [";3.0.0.10.in-addr.arpa.\tIN\tPTR"],
        [f"{BIND}query: www.example.com IN A + (10.0.0.53)"],
        [f"{BIND}query (cache) '3.0.0.10.in-addr.arpa/PTR/IN' denied"],
        [f"{BIND}query: 3.0..10.in-addr.arpa IN PTR +"],
        [f"{BIND}query: {'x' * 64}.10.in-addr.arpa IN PTR +"],
        [f"{BIND}query: 3.0.0.10.in-addr.arpa XX PTR +"],
        [f"{BIND}query: 3.0.0.10.in-addr.arpa"],
        [f"client @0x7f 10.0.0.500#50161 ({NAME}): {QUERY}"],
        [f"RFC 1918 response from Internet for {'x' * 64}.10.in-addr.arpa"],
        ["arpa"],
    ],
)
def test_what_shows_nothing(lines):
    assert read_all(*lines) == []


@pytest.mark.parametrize(
    ("line", "is_understood"),
    [
        (f"{BIND}query: www.example.com IN A + (10.0.0.53)", True),
        (f"client 10.0.0.5#50161: view query: {QUERY}", True),
        ("26-Nov-2026 07:31:50.446 resolver: debug 11: sending packet to 198.41.0.4#53", True),
        (UNBOUND + "info: 10.0.0.5 www.example.com. A IN", True),
        (UNBOUND + "reply: 10.0.0.5 www.example.com. A IN NOERROR 0.001779 0 116", True),
        (UNBOUND + "info: resolving www.example.com. A IN", True),
        ("Nov 26 07:31:50 ns1 unbound[88]: [88:a] query: 10.0.0.5 www.example.com. A IN", True),
        ("Nov 26 07:31:50 gw dnsmasq[9]: query[A] www.example.com from 10.0.0.5", True),
        ("dnsmasq: forwarded www.example.com to 8.8.8.8", True),
        (RESOLVED + "Firing regular transaction 38041 for <www.example.com IN A> scope dns on eth0/*", True),
        (RESOLVED + "Using DNS server 8.8.8.8 for transaction 38041.", True),
        ("26-Nov-2026 07:31:50.446 general: info: zone example.com/IN: loaded serial 1", False),
        (UNBOUND + "info: start of service (unbound 1.17.1).", False),
        (UNBOUND + "notice: init module 0: iterator", False),
        ("Nov 26 07:31:50 gw dnsmasq[9]: started, version 2.90 cachesize 150", False),
        ("Nov 26 07:31:50 gw sshd[9]: Accepted publickey for root from 10.0.0.5 port 50161", False),
        ("3.0.0.10.in-addr.arpa IN PTR web.example.com.", False),
        (";3.0.0.10.in-addr.arpa. IN PTR", False),
        ("http://example.com/?query: a b c", False),
        ("", False),
    ],
)
def test_a_line_is_understood_by_its_form_whatever_its_name(line, is_understood):
    reader = LogReader(LogTimes(1_795_700_000, UTC))
    assert reader.read(line.encode()) is None or QUERY in line
    assert reader.has_understood is is_understood


def test_a_log_of_several_programs_is_read_as_that():
    assert read_all(
        "Nov 26 07:31:50 ns1 named[7]: client @0x7f 10.0.0.6#1 (x): query: 3.0.0.10.in-addr.arpa IN PTR + (10.0.0.53)",
        "Nov 26 07:31:50 ns1 unbound[88]: [88:0] info: 10.0.0.5 3.0.0.10.in-addr.arpa. PTR IN",
        "Nov 26 07:31:51 ns1 unbound[88]: [88:0] info: sending query: 3.0.0.10.in-addr.arpa. PTR IN",
        "Nov 26 07:31:51 ns1 unbound[88]: [88:0] debug: sending to target: <10.in-addr.arpa.> 192.175.48.6#53",
        "Nov 26 07:31:51 ns1 dnsmasq[9]: forwarded 3.0.0.10.in-addr.arpa to 8.8.8.8",
    ) == [
        *possible("10.0.0.6"),
        *possible("10.0.0.5"),
        (Certainty.OBSERVED, pack_name(NAME), RRType.PTR, "10.0.0.5", "192.175.48.6"),  # Unbound's client
        (Certainty.LIKELY, pack_name(NAME), RRType.PTR, None, "8.8.8.8"),
    ]


def test_dnsmasqs_types_without_a_name_are_numbers():
    ((_, _, qtype, *_),) = read_all(
        "dnsmasq[9]: query[type=65] 3.0.0.10.in-addr.arpa from 10.0.0.5",
        "dnsmasq[9]: forwarded 3.0.0.10.in-addr.arpa to 8.8.8.8",
    )
    assert qtype == 65


def test_a_query_and_its_reply_are_one():
    query = UNBOUND + "info: 10.0.0.5 3.0.0.10.in-addr.arpa. PTR IN"
    assert read_all(query, query + " NXDOMAIN 0.001779 0 116") == possible()


def test_the_time_is_that_of_the_line():
    found = LogReader(LogTimes(0, UTC)).read(f"2026-11-26T07:31:50.500Z {BIND}{QUERY}".encode())
    assert found is not None
    assert (found.sighting.at, found.sighting.via) == (1795678310.5, Via.LOG)


def test_a_packet_of_bind_was_sent_when_the_line_before_the_message_says_for_who_asked_then():
    reader = LogReader(LogTimes(0, UTC))
    lines = (
        f"2026-11-26T07:31:50.500Z {BIND}{QUERY}",
        "2026-11-26T07:31:50.750Z resolver: debug 11: sending packet to 192.175.48.6#53",
        ";; QUESTION SECTION:",
        f";{NAME}.\t\tIN\tPTR",
    )
    *_, found = [reader.read(line.encode()) for line in lines]
    assert found is not None
    assert (found.sighting.at, found.sighting.client) == (1795678310.75, ip_address("10.0.0.5").packed)


def test_an_escaped_name_is_what_it_stands_for():
    ((_, name, *_),) = read_all(f"{BIND}query: a\\032b.10.in-addr.arpa IN PTR +")
    assert name == pack_name("a\\032b.10.in-addr.arpa")


def test_a_line_is_cut_where_it_is_too_long():
    assert read_all(f"{BIND}query: {'x' * LONGEST_LINE}.arpa IN PTR +") == []
    assert read_all(f"{BIND}{QUERY}{' ' * 10 * LONGEST_LINE}") == possible()


PARTS = (
    *("client ", "@0x7f ", "10.0.0.5#1 ", "(", "): ", "query: ", "query[PTR] ", "forwarded ", " to ", "8.8.8.8"),
    *("3.0.0.10.in-addr.arpa", " IN PTR ", " PTR IN", "info: ", "reply: ", "resolving ", "response for ", "sending "),
    *("reply from ", "<10.in-addr.arpa.> ", "192.175.48.6#53", "sending to target: ", "sending packet to ", ";"),
    *(
        "Using DNS server ",
        " for transaction ",
        "transaction 7 for <",
        ">",
        "7.",
        "RFC 1918 response from Internet for ",
    ),
    *("Nov 26 07:31:50 ", "26-Nov-2026 07:31:50.446 ", "[1795678785] ", "\\", "\x1b[2J", "\0", "ü", " from ", "query "),
)


@given(
    st.lists(
        st.lists(st.sampled_from(PARTS) | st.text(max_size=4), max_size=10).map(lambda parts: "".join(parts).encode())
        | st.binary(max_size=60),
        max_size=12,
    )
)
def test_any_lines_show_something_or_nothing(lines):
    reader = LogReader(LogTimes(1_795_700_000, UTC))
    for line in lines:
        found = reader.read(line)
        if found is not None:
            judge(found.sighting, found.certainty)


@given(
    st.lists(
        st.lists(st.sampled_from((*PARTS, "USING dns server ", "ARPA", "ar", "pa")) | st.text(max_size=3), max_size=6)
        .map(lambda parts: "".join(parts).encode())
        .filter(lambda line: b"\n" not in line),
        max_size=12,
    )
)
def test_lines_are_picked_by_their_parts_in_their_order(lines):
    parts = (b"arpa", b"sending packet to ", b"sending to target: ", b"using dns server ")
    expected = [line for line in lines if any(part in line.lower() for part in parts)]
    assert pick_lines(b"".join(line + b"\n" for line in lines)) == expected


def test_lines_that_are_not_picked_show_nothing():
    assert pick_lines(b"") == pick_lines(b"\n\n") == []
    lines = [
        f"{BIND}{QUERY}",
        f"{BIND}{QUERY}".replace(NAME, "www.example.com"),
        "",
        f"{UNBOUND}info: 10.0.0.5 x. A IN",
    ]
    assert pick_lines("".join(line + "\n" for line in lines).encode()) == [lines[0].encode()]
    assert read_all(*lines) == read_all(lines[0])


@pytest.mark.parametrize("part", PARTS)
def test_a_line_of_nothing_but_one_part_ends_soon(part):
    reader = LogReader(LogTimes(1_795_700_000, UTC))
    for line in (part * LONGEST_LINE, f"arpa {part * LONGEST_LINE}", part * 300 + NAME):
        reader.read(line.encode())
