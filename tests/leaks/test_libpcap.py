"""The library: found or not, and how it says no."""

import os

import pytest
from the_libpcap import libpcap

from bench import frames as made
from blackhole_guard.leaks.evidence import EvidenceError
from blackhole_guard.leaks.libpcap import Libpcap, Sieve, grow_pipe
from blackhole_guard.leaks.packet_filter import make_filter

pytestmark = pytest.mark.peers("tcpdump")


def opened(path, octets: bytes) -> int:
    path.write_bytes(octets)
    return os.open(path, os.O_RDONLY)


def descriptors() -> int:
    return len(os.listdir("/proc/self/fd"))


@pytest.mark.parametrize("name", ["libc.so.6", "/nowhere/libpcap.so.0.8"])
def test_what_is_no_libpcap_is_an_error_of_the_system(name):
    with pytest.raises(OSError):
        Libpcap(name)


@pytest.mark.parametrize("octets", [b"", b"GIF89a", made.pcap(1)[:10], made.pcap(147), made.section()], ids=range(5))
def test_what_cannot_be_read_is_refused_and_nothing_stays_open(tmp_path, octets):
    library = libpcap()
    before = descriptors()
    descriptor = opened(tmp_path / "x", octets)
    with pytest.raises(EvidenceError):
        Sieve(library, descriptor, make_filter)
    assert descriptors() == before


def test_a_filter_that_is_no_program_is_refused(tmp_path):
    descriptor = opened(tmp_path / "x", made.pcap(1))
    before = descriptors()
    with pytest.raises(EvidenceError):
        Sieve(libpcap(), descriptor, lambda link_type: bytes(8))  # a program must end in a return
    assert descriptors() == before - 1


def test_what_passes_comes_out_as_pcap_with_nanoseconds(tmp_path):
    wanted = made.ip("192.0.2.1", "192.175.48.6", made.UDP, made.udp(1024, 53, b"question"))
    other = made.ip("192.0.2.1", "192.0.2.53", made.UDP, made.udp(1024, 53, b"question"))
    records = [made.record(1_000_000_007, each, nanoseconds=True) for each in (wanted, other, wanted)]
    before = descriptors()
    sieve = Sieve(libpcap(), opened(tmp_path / "x", made.pcap(made.RAW, records, nanoseconds=True)), make_filter)
    octets = b"".join(iter(lambda: sieve.read(4096), b""))
    assert sieve.failure() is None
    sieve.close()
    assert octets[:4] == b"\x4d\x3c\xb2\xa1"
    assert octets[24:] == records[0] + records[2]
    assert descriptors() == before


def test_libpcap_does_not_wait_for_the_reader_of_half_a_megabyte(tmp_path):
    wanted = made.ip("192.0.2.1", "192.175.48.6", made.UDP, made.udp(1024, 53, bytes(1000)))
    octets = made.pcap(made.RAW, [made.record(1, wanted)] * 500)
    sieve = Sieve(libpcap(), opened(tmp_path / "x", octets), make_filter)
    assert sieve.failure() is None  # it waits for the end of the thread, and nobody has read yet
    assert len(b"".join(iter(lambda: sieve.read(1 << 20), b""))) == len(octets)
    sieve.close()


def test_a_pipe_that_cannot_grow_stays_as_it_is(tmp_path):
    grow_pipe(opened(tmp_path / "x", b"no pipe"))
