"""What a resolver tells, and which leaks are made of it: a row per rule."""

from ipaddress import ip_address

import pytest
from dnstap_frames import AT, NoOutlook, frame
from hypothesis import given
from hypothesis import strategies as st

from blackhole_guard.leaks.askers import Askers
from blackhole_guard.leaks.dnstap_join import Tracer
from blackhole_guard.leaks.evidence import Certainty, Via
from blackhole_guard.reserved.registry import Sink
from blackhole_guard.reserved.shapes import Shape
from blackhole_guard.wire.codes import RRType

BLACKHOLE, PUBLIC, ROOT = "192.175.48.6", "8.8.8.8", "198.41.0.4"
CLIENT = ip_address("10.0.0.5").packed


BLOCK = "10.0.0.0/8"  # that frames are about where nothing else is said


class Rig:
    def __init__(self, outlook=None):
        self.leaks, self.responses = [], []
        respond = lambda *response: self.responses.append(response)  # noqa: E731  # what is called, and nothing else
        self.tracer = Tracer(self.leaks.append, respond, Askers(), outlook or NoOutlook())

    def take(self, *frames, now=0.0, producer=0):
        for each in frames:
            self.tracer.take(each, now, producer)

    def see(self, *frames, producer=0):
        """Take frames, wait for clients, and say what was reported."""
        self.take(*frames, producer=producer)
        self.tracer.tick(5.0)
        return self.leaks


@pytest.fixture
def rig():
    return Rig()


def test_a_resolvers_query_to_a_sink_is_an_observed_leak_of_the_client_that_asked(rig):
    asks = frame("CLIENT_QUERY", client="10.0.0.5", server="10.0.0.53")
    leaves = frame("RESOLVER_QUERY", client="10.0.0.53", server=BLACKHOLE, at=AT + 0.01)
    (leak,) = rig.see(asks, leaves)
    assert (leak.certainty, leak.via, leak.at) == (Certainty.OBSERVED, Via.DNSTAP, AT + 0.01)
    assert (leak.block, leak.sink, leak.shape) == ("10.0.0.0/8", Sink.AS112, Shape.HOST)
    assert (leak.client, leak.sender, leak.server) == (
        CLIENT,
        ip_address("10.0.0.53").packed,
        ip_address(BLACKHOLE).packed,
    )


@pytest.mark.parametrize(
    ("kind", "name", "server", "expected"),
    [
        ("RESOLVER_QUERY", "3.0.0.10.in-addr.arpa", BLACKHOLE, Certainty.OBSERVED),
        ("RESOLVER_QUERY", "3.0.0.10.in-addr.arpa", "2620:4f:8000::2a", Certainty.OBSERVED),
        ("RESOLVER_QUERY", "3.0.0.10.in-addr.arpa", ROOT, None),  # on the way to the sink
        ("RESOLVER_QUERY", "3.0.64.100.in-addr.arpa", ROOT, Certainty.LIKELY),  # its sink has no address of its own
        ("RESOLVER_QUERY", "64.100.in-addr.arpa", ROOT, None),  # on the way there
        ("RESOLVER_QUERY", "3.0.64.100.in-addr.arpa", "10.0.0.7", None),
        ("RESOLVER_QUERY", "3.0.0.10.in-addr.arpa", None, None),
        ("RESOLVER_QUERY", "4.4.8.8.in-addr.arpa", BLACKHOLE, None),
        ("FORWARDER_QUERY", "3.0.0.10.in-addr.arpa", PUBLIC, Certainty.LIKELY),
        ("FORWARDER_QUERY", "3.0.0.10.in-addr.arpa", "2001:4860:4860::8888", Certainty.LIKELY),
        ("FORWARDER_QUERY", "3.0.0.10.in-addr.arpa", BLACKHOLE, Certainty.OBSERVED),
        ("FORWARDER_QUERY", "3.0.0.10.in-addr.arpa", "127.0.0.1", None),
        ("FORWARDER_QUERY", "3.0.0.10.in-addr.arpa", "100.64.0.1", None),
        ("FORWARDER_QUERY", "3.0.0.10.in-addr.arpa", "fc00::1", None),
        ("FORWARDER_QUERY", "0.10.in-addr.arpa", PUBLIC, None),
        ("FORWARDER_QUERY", "4.4.8.8.in-addr.arpa", PUBLIC, None),
        ("CLIENT_QUERY", "3.0.0.10.in-addr.arpa", "10.0.0.53", None),
        ("CLIENT_QUERY", "3.0.0.10.in-addr.arpa", BLACKHOLE, None),
    ],
)
def test_which_queries_are_leaks(rig, kind, name, server, expected):
    leaks = rig.see(frame(kind, name, client="10.0.0.53", server=server))
    assert [leak.certainty for leak in leaks] == ([] if expected is None else [expected])


def test_a_query_that_desires_recursion_is_forwarded_whatever_its_kind(rig):
    (leak,) = rig.see(frame("RESOLVER_QUERY", server=PUBLIC, flags=0x0100))
    assert leak.certainty is Certainty.LIKELY


def test_a_part_of_an_address_at_a_sink_is_told_as_such_and_waits_for_nobody(rig):
    rig.take(frame("RESOLVER_QUERY", "0.10.in-addr.arpa", RRType.A, server=BLACKHOLE))
    assert [leak.shape for leak in rig.leaks] == [Shape.PARTIAL]


def test_the_steps_of_one_search_are_one_likely_leak(rig):
    steps = [
        frame("RESOLVER_QUERY", "3.0.64.100.in-addr.arpa", server=server, at=AT + seconds)
        for server, seconds in ((ROOT, 0), ("199.180.182.53", 0.1), (PUBLIC, 0.2), (ROOT, 60), (ROOT, 30))
    ]
    assert [leak.at for leak in rig.see(*steps)] == [AT, AT + 60, AT + 30]


def test_two_resolvers_that_search_for_one_name_are_two_likely_leaks(rig):
    for producer, address in ((1, "10.0.0.53"), (2, "10.0.1.53")):
        for server in (ROOT, "199.180.182.53"):
            step = frame("RESOLVER_QUERY", "3.0.64.100.in-addr.arpa", client=address, server=server)
            rig.take(step, producer=producer)
    rig.tracer.tick(5.0)
    assert [leak.sender for leak in rig.leaks] == [ip_address(each).packed for each in ("10.0.0.53", "10.0.1.53")]


def test_a_search_by_both_families_is_one(rig):
    steps = [
        frame("RESOLVER_QUERY", "3.0.64.100.in-addr.arpa", client=client, server=server)
        for client, server in (("10.0.0.53", ROOT), ("2001:db8::53", "2001:500:40::1"))
    ]
    assert len(rig.see(*steps)) == 1


def test_each_query_to_a_sink_counts(rig):
    assert len(rig.see(*[frame("RESOLVER_QUERY", server=BLACKHOLE, at=AT + second) for second in range(3)])) == 3


def test_a_client_that_is_told_late_is_still_named(rig):
    rig.take(frame("RESOLVER_QUERY", server=BLACKHOLE), now=0.0)
    assert rig.leaks == []
    rig.take(frame("CLIENT_QUERY", client="10.0.0.5", at=AT - 0.01), now=0.1)
    assert [leak.client for leak in rig.leaks] == [CLIENT]
    rig.tracer.tick(5.0)
    assert len(rig.leaks) == 1


@pytest.mark.parametrize("is_late", [False, True])
def test_a_client_of_another_resolver_is_not_blamed(rig, is_late):
    rig.take(frame("CLIENT_QUERY", "www.example.com", client="10.0.0.6"), producer=2)  # it names its own
    steps = [
        (1, frame("CLIENT_QUERY", client="10.0.0.5")),
        (2, frame("RESOLVER_QUERY", server=BLACKHOLE)),
    ]
    for producer, each in steps[::-1] if is_late else steps:
        rig.take(each, producer=producer)
    rig.tracer.tick(5.0)
    assert [leak.client for leak in rig.leaks] == [None]


@pytest.mark.parametrize("is_late", [False, True])
def test_of_a_resolver_that_names_nobody_it_is_the_client_of_the_only_one_that_does(rig, is_late):
    steps = [
        (1, frame("CLIENT_QUERY", client="10.0.0.5")),
        (2, frame("RESOLVER_QUERY", server=BLACKHOLE)),
    ]
    for producer, each in steps[::-1] if is_late else steps:
        rig.take(each, producer=producer)
    assert [leak.client for leak in rig.leaks] == [CLIENT]
    rig.take(frame("CLIENT_QUERY", client="10.0.0.7"), producer=3)
    rig.take(frame("RESOLVER_QUERY", server=BLACKHOLE), producer=2)
    rig.tracer.tick(5.0)
    assert [leak.client for leak in rig.leaks] == [CLIENT, None]  # two may be it


def test_producers_that_come_and_go_are_forgotten(rig):
    for producer in range(1000):
        rig.take(frame("CLIENT_QUERY", client="10.0.0.5"), producer=producer)
    assert len(rig.tracer._naming) <= 64


@pytest.mark.parametrize("seconds", [-20.0, 20.0])
def test_a_client_of_another_time_is_not(rig, seconds):
    (leak,) = rig.see(
        frame("CLIENT_QUERY", client="10.0.0.5", at=AT + seconds), frame("RESOLVER_QUERY", server=BLACKHOLE)
    )
    assert leak.client is None


def test_leaks_wait_for_their_client_a_second_only(rig):
    rig.take(frame("RESOLVER_QUERY", server=BLACKHOLE), now=10.0)
    rig.tracer.tick(10.9)
    assert rig.leaks == []
    rig.tracer.tick(11.0)
    assert [leak.client for leak in rig.leaks] == [None]


def test_no_more_than_a_thousand_wait(rig):
    for number in range(1500):
        rig.take(
            frame("RESOLVER_QUERY", f"{number % 250}.{number // 250}.0.10.in-addr.arpa", server=BLACKHOLE), now=0.0
        )
    assert len(rig.leaks) == 500
    rig.tracer.tick(1.0)
    assert len(rig.leaks) == 1500


PROBE = "112535123456789012.10.in-addr.arpa"  # as the doctor makes them


class Known:
    def is_ours(self, address):
        return address == ip_address(PUBLIC).packed


@pytest.mark.parametrize(
    ("sender", "name", "server"),
    [
        ("RESOLVER", PROBE, BLACKHOLE),
        ("FORWARDER", "3.0.0.10.in-addr.arpa", PUBLIC),
        ("RESOLVER", "3.0.64.100.in-addr.arpa", PUBLIC),
    ],
)
def test_the_doctors_probes_and_what_goes_to_the_operators_servers_are_no_leaks(sender, name, server):
    rig = Rig(Known())
    steps = [frame(f"{sender}_{what}", name, server=server, seconds=0.5) for what in ("QUERY", "RESPONSE")]
    assert rig.see(*steps) == []
    assert rig.responses == []


AS112 = (Via.DNSTAP, Sink.AS112, BLOCK)
SHARED = "3.0.64.100.in-addr.arpa"  # of a block whose sink has no address of its own


@pytest.mark.parametrize(
    ("sender", "name", "server", "expected"),
    [
        ("RESOLVER", "3.0.0.10.in-addr.arpa", BLACKHOLE, [AS112]),
        ("RESOLVER", "3.0.0.10.in-addr.arpa", "192.31.196.1", [(Via.DNSTAP, Sink.AS112_DNAME, BLOCK)]),
        ("FORWARDER", "3.0.0.10.in-addr.arpa", PUBLIC, [AS112]),
        ("FORWARDER", "3.0.0.10.in-addr.arpa", "10.0.0.1", []),
        ("RESOLVER", "3.0.0.10.in-addr.arpa", ROOT, []),
        ("RESOLVER", SHARED, ROOT, [(Via.DNSTAP, Sink.IANA, "100.64.0.0/10")]),  # likely
        ("RESOLVER", "4.4.8.8.in-addr.arpa", BLACKHOLE, []),
        ("RESOLVER", "0.10.in-addr.arpa", BLACKHOLE, []),  # a part of an address
        ("FORWARDER", "0.10.in-addr.arpa", PUBLIC, []),
        ("RESOLVER", "64.100.in-addr.arpa", ROOT, []),
    ],
)
def test_the_response_of_each_query_that_counts_as_a_leak_counts_and_no_other(rig, sender, name, server, expected):
    leaks = rig.see(
        frame(f"{sender}_QUERY", name, server=server),
        frame(f"{sender}_RESPONSE", name, server=server, seconds=0.25),
    )
    assert rig.responses == [(*kind, 0.25) for kind in expected]
    assert [(leak.via, leak.sink, leak.block) for leak in leaks if leak.shape is not Shape.PARTIAL] == expected


def test_of_a_search_the_response_counts_that_belongs_to_the_query_that_does(rig):
    for server in (ROOT, PUBLIC):
        rig.take(frame("RESOLVER_QUERY", SHARED, server=server))
    for server, seconds in ((PUBLIC, 0.5), (ROOT, 0.25)):
        rig.take(frame("RESOLVER_RESPONSE", SHARED, server=server, seconds=seconds))
    assert [seconds for *_, seconds in rig.responses] == [0.25]


@pytest.mark.parametrize(
    "response",
    [
        frame("RESOLVER_RESPONSE", server=BLACKHOLE, seconds=61.0),
        frame("RESOLVER_RESPONSE", server="192.175.48.42", seconds=0.25),
        frame("RESOLVER_RESPONSE", "4.0.0.10.in-addr.arpa", server=BLACKHOLE, seconds=0.25),
        frame("RESOLVER_RESPONSE", "3.0.0.10.in-addr.arpa", RRType.TXT, server=BLACKHOLE, seconds=0.25),
    ],
)
def test_a_response_of_no_query_or_much_too_late_does_not_count(rig, response):
    rig.take(frame("RESOLVER_QUERY", server=BLACKHOLE), response)
    assert rig.responses == []


def test_a_response_is_that_of_its_own_resolver(rig):
    rig.take(frame("RESOLVER_QUERY", server=BLACKHOLE), producer=1)
    for producer in (2, 1):
        rig.take(frame("RESOLVER_RESPONSE", server=BLACKHOLE, seconds=producer / 4), producer=producer)
    assert rig.responses == [(*AS112, 0.25)]


def test_there_are_never_more_responses_than_leaks(rig):
    for _ in range(2):
        rig.take(frame("RESOLVER_QUERY", server=BLACKHOLE))
    for _ in range(3):
        rig.take(frame("RESOLVER_RESPONSE", server=BLACKHOLE, seconds=0.25))
    assert rig.responses == [(*AS112, 0.25)] * 2


def test_no_more_than_some_thousands_wait_for_their_responses(rig):
    for number in range(20_000):
        name = f"{number % 250}.{number // 250}.0.10.in-addr.arpa"
        rig.take(frame("RESOLVER_QUERY", name, server=BLACKHOLE))
    assert len(rig.tracer._awaited) == 16_384
    rig.take(frame("RESOLVER_RESPONSE", "0.0.0.10.in-addr.arpa", server=BLACKHOLE, seconds=0.25))
    rig.take(frame("RESOLVER_RESPONSE", name, server=BLACKHOLE, seconds=0.25))
    assert len(rig.responses) == 1


def test_frames_are_counted_by_kind(rig):
    rig.take(frame("CLIENT_QUERY"), frame("CLIENT_QUERY", "www.example.com"), frame("RESOLVER_QUERY"), b"\xff")
    counted = {kind: number for kind, number in rig.tracer.frames.items() if number}
    assert (counted, rig.tracer.malformed) == ({"client_query": 2, "resolver_query": 1}, 1)


@given(
    st.lists(
        st.tuples(
            st.sampled_from(["CLIENT_QUERY", "RESOLVER_QUERY", "FORWARDER_QUERY", "RESOLVER_RESPONSE"]),
            st.sampled_from(["3.0.0.10.in-addr.arpa", "4.0.64.100.in-addr.arpa", "10.in-addr.arpa"]),
            st.sampled_from([BLACKHOLE, PUBLIC, "10.0.0.1"]),
            st.floats(0, 1e12),
            st.floats(0, 100),
        ),
        max_size=30,
    )
)
def test_whatever_comes_each_leak_is_reported_once(steps):
    rig = Rig()
    for kind, name, server, at, now in steps:
        rig.take(frame(kind, name, client="10.0.0.5", server=server, at=at), now=now)
        rig.tracer.tick(now)
    rig.tracer.tick(1e9)
    to_sink = sum(1 for kind, _, server, *_ in steps if kind.endswith("R_QUERY") and server == BLACKHOLE)
    assert sum(leak.certainty is Certainty.OBSERVED for leak in rig.leaks) == to_sink
    assert len(rig.responses) <= sum(leak.shape is not Shape.PARTIAL for leak in rig.leaks)
