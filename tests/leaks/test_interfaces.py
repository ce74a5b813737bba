"""The ring: in a namespace, on true sinks' addresses."""

import time
from collections.abc import Iterator

import namespaces
import pytest
from peer_programs import program

from bench import frames as made
from blackhole_guard.leaks.frames import Frame, parse_segment
from blackhole_guard.leaks.interfaces import ALL, SLOT, SLOTS, Interface, wait
from blackhole_guard.wire.names import pack_name

pytestmark = [pytest.mark.root, pytest.mark.peers(*namespaces.PROGRAMS)]

SINK, OTHER = "192.175.48.6", "192.0.2.53"
QUERY = made.query(pack_name("3.0.0.10.in-addr.arpa"))


@pytest.fixture
def host() -> Iterator[namespaces.Namespace]:
    with namespaces.namespace([SINK, OTHER, "2620:4f:8000::6"]) as made_host:
        yield made_host


@pytest.fixture
def listen(host):
    """Open an `Interface` in the namespace."""

    def listen(name: str = ALL) -> Interface:
        return host.inside(lambda: Interface(name))

    return listen


def frames_of(interface: Interface, seconds: float = 0.3) -> list[Frame]:
    deadline, seen = time.monotonic() + seconds, []
    while (left := deadline - time.monotonic()) > 0:
        for ready in wait([interface], left):
            seen += ready.frames()
    return seen


def test_only_what_a_sink_gets_comes_and_only_once(host, listen):
    with listen() as interface, host.socket() as sock:
        for address in (SINK, OTHER, SINK):
            sock.sendto(QUERY, (address, 53))
        seen = [frame for frame in frames_of(interface) if parse_segment(frame.link_type, frame.octets)]
    assert [parse_segment(frame.link_type, frame.octets).payload for frame in seen] == [QUERY, QUERY]
    assert all(abs(frame.at - time.time()) < 60 for frame in seen)


def test_of_a_long_frame_the_beginning_comes(host, listen):
    with listen() as interface, host.socket() as sock:
        sock.sendto(QUERY + bytes(5000), (SINK, 53))
        seen = [frame for frame in frames_of(interface) if len(frame.octets) > 1000]
    (frame,) = seen
    segment = parse_segment(frame.link_type, frame.octets)
    assert segment is not None
    assert segment.payload.startswith(QUERY)
    assert segment.missing > 5000 - SLOT
    assert frame.size == 20 + 8 + len(QUERY) + 5000


def test_what_finds_no_slot_is_counted(host, listen):
    with listen() as interface, host.socket() as sock:
        for _ in range(SLOTS + 200):
            sock.sendto(QUERY, (SINK, 53))
        dropped = interface.drops()
        assert dropped >= 200
        assert interface.drops() == dropped  # the kernel's count begins anew, ours does not
        assert len(frames_of(interface)) + dropped >= SLOTS


def test_an_interface_that_is_not_there_is_an_error_of_the_system(listen):
    with pytest.raises(OSError):
        listen("nowhere0")


def test_one_that_goes_down_is_said(host, listen):
    with listen("lo") as interface:
        host.run(program("ip"), "link", "set", "lo", "down")
        with pytest.raises(OSError):
            wait([interface], 1.0)
