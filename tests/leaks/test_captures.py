"""Files, as they lie on a disk: libpcap's sieve and Python's walk give the same frames, and say what is wrong."""

import bz2
import gzip
import lzma
import os
import random
import subprocess
import threading
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from peer_programs import program
from the_libpcap import libpcap

from bench import frames as made
from blackhole_guard.leaks import captures
from blackhole_guard.leaks.captures import Evidence
from blackhole_guard.leaks.evidence import EvidenceError
from blackhole_guard.leaks.frames import Frame
from blackhole_guard.leaks.libpcap import Sieve
from blackhole_guard.leaks.packet_filter import make_filter
from blackhole_guard.wire.names import pack_name

pytestmark = pytest.mark.peers("tcpdump", "editcap", "mergecap")

ADDRESSES = ("192.175.48.6", "192.31.196.1", "2620:4f:8000::42", "198.51.100.1", "2001:db8::53")


def packets(number: int, seed: int = 1) -> list[bytes]:
    """Packets of which three in five go to a sink."""
    chance = random.Random(seed)
    made_packets = []
    for _ in range(number):
        address = chance.choice(ADDRESSES)
        query = made.query(pack_name(f"{chance.randrange(256)}.0.0.10.in-addr.arpa"))
        segment = made.udp(chance.randrange(1024, 65536), 53, query)
        made_packets.append(made.ip("2001:db8::1" if ":" in address else "192.0.2.1", address, made.UDP, segment))
    return made_packets


def capture(link_type: int, count: int = 200, **options) -> bytes:
    records = [made.record(10**9 * number, made.framed(link_type, each)) for number, each in enumerate(packets(count))]
    return made.pcap(link_type, records, **options)


def read(path: Path, *, with_libpcap: bool = True) -> tuple[list[Frame], str | None]:
    descriptor, frames = os.open(path, os.O_RDONLY), []
    try:
        for frame in Evidence(descriptor).frames(libpcap() if with_libpcap else None):
            frames.append(frame)
    except EvidenceError as error:
        return frames, str(error)
    finally:
        os.close(descriptor)
    return frames, None


def comparable(frames: list[Frame]) -> list[tuple[float, bytes, int]]:
    """Frames as both ways must give them; libpcap writes DLT_RAW's other numbers as LINKTYPE_RAW."""
    return [(round(frame.at, 6), frame.octets, frame.size) for frame in frames]


def both(path: Path) -> tuple[list[tuple[float, bytes, int]], str | None]:
    """What both ways give, which is the same."""
    (sifted, said), (walked, also_said) = read(path), read(path, with_libpcap=False)
    assert comparable(sifted) == comparable(walked)
    assert said == also_said
    return comparable(sifted), said


@pytest.mark.parametrize("link_type", [made.ETHERNET, made.SLL, made.SLL2, made.RAW, made.NULL, 12, 108, 228])
def test_all_link_layers_that_are_read(tmp_path, link_type):
    wanted = [each for each in packets(200) if link_type != 228 or each[0] >> 4 == 4]
    kind = made.NULL if link_type == 108 else link_type
    records = [made.record(10**9 * number, made.framed(kind, each)) for number, each in enumerate(wanted)]
    path = tmp_path / "x.pcap"
    path.write_bytes(made.pcap(link_type, records))
    frames, said = both(path)
    assert said is None
    assert len(frames) == sum(b"\xc0\xaf\x30" in p or b"\xc0\x1f\xc4" in p or b"\x26\x20\0\x4f" in p for p in wanted)
    assert len(frames) > 50


@pytest.mark.parametrize("pack", [gzip.compress, bz2.compress, lzma.compress], ids=["gzip", "bzip2", "xz"])
def test_compressed_captures_are_the_plain_ones(tmp_path, pack):
    plain, packed = tmp_path / "plain", tmp_path / "packed"
    plain.write_bytes(capture(made.ETHERNET, 5000))
    packed.write_bytes(pack(plain.read_bytes()))
    assert both(packed) == both(plain)
    assert len(both(packed)[0]) > 2000


def test_pcapng_of_several_link_layers_is_read_although_libpcap_gives_up(tmp_path):
    sink = packets(1, seed=3)[0]
    octets = made.section() + made.interface(made.ETHERNET)
    octets += b"".join(made.enhanced_packet(0, 1, made.ethernet(sink)) for _ in range(3))
    octets += made.interface(made.SLL2) + made.enhanced_packet(1, 1, made.cooked(sink, version=2))
    octets += made.enhanced_packet(0, 1, made.ethernet(sink))
    path = tmp_path / "several.pcapng"
    path.write_bytes(octets)
    sieve = Sieve(libpcap(), os.open(path, os.O_RDONLY), make_filter)
    while sieve.read(1 << 16):
        pass
    assert "type" in (sieve.failure() or "")
    sieve.close()
    frames, said = read(path)
    assert (len(frames), said) == (5, None)
    assert comparable(frames) == comparable(read(path, with_libpcap=False)[0])


def test_a_truncated_file_gives_what_is_there_and_says_where(tmp_path):
    whole = capture(made.ETHERNET)
    (tmp_path / "cut").write_bytes(whole[:-7])
    frames, said = both(tmp_path / "cut")
    assert said is not None and "cut off inside a record: after packet 199, at octet" in said
    (tmp_path / "whole").write_bytes(whole)
    assert frames == both(tmp_path / "whole")[0][: len(frames)]


def test_a_truncated_gzip_gives_what_is_there(tmp_path):
    path = tmp_path / "cut.gz"
    path.write_bytes(gzip.compress(capture(made.ETHERNET, 5000))[:-1000])
    frames, said = both(path)
    assert said == "the compressed file is cut off"
    assert len(frames) > 1000


def test_a_process_that_dies_while_it_unpacks_costs_no_frames(tmp_path, monkeypatch):
    path = tmp_path / "x.gz"
    path.write_bytes(gzip.compress(capture(made.ETHERNET, 5000), compresslevel=0))  # so that there is much to read
    expected = both(path)
    started = captures._Unpacking.__init__

    def kill_soon(self, descriptor):
        started(self, descriptor)
        self._process.kill()

    monkeypatch.setattr(captures._Unpacking, "__init__", kill_soon)
    assert both(path) == expected
    assert len(expected[0]) > 2000


def test_a_link_layer_that_is_not_known_is_said(tmp_path):
    path = tmp_path / "x.pcap"
    path.write_bytes(made.pcap(147, [made.record(1, b"frame")]))
    assert both(path) == ([], "frames of a link layer that is not known (LINKTYPE 147) were passed over")


def test_a_pipe_is_read_as_it_comes():
    output, source = os.pipe()
    octets = gzip.compress(capture(made.ETHERNET, 5000))
    with os.fdopen(output, "rb") as reading:
        thread = threading.Thread(target=lambda: (os.write(source, octets), os.close(source)))
        thread.start()
        frames = list(Evidence(reading.fileno()).frames(libpcap()))
        thread.join()
    assert len(frames) > 2000


@pytest.mark.parametrize("pack", [bytes, gzip.compress], ids=["plain", "gzip"])
def test_leaving_in_the_middle_ends_all_threads(tmp_path, pack):
    path = tmp_path / "x"
    path.write_bytes(pack(capture(made.ETHERNET, 50_000)))
    before = threading.active_count()
    descriptor = os.open(path, os.O_RDONLY)
    frames = Evidence(descriptor).frames(libpcap())
    next(frames)
    assert threading.active_count() > before
    frames.close()
    assert threading.active_count() == before
    os.close(descriptor)


def test_what_real_programs_write_is_read(tmp_path):
    plain = tmp_path / "plain.pcap"
    plain.write_bytes(capture(made.ETHERNET, 500))
    expected, _ = both(plain)
    for name, words in {
        "tcpdump.pcap": [program("tcpdump"), "-Z", "root", "-r", plain, "-w", tmp_path / "tcpdump.pcap"],
        "nanoseconds.pcap": [program("editcap"), "-F", "nsecpcap", plain, tmp_path / "nanoseconds.pcap"],
        "editcap.pcapng": [program("editcap"), "-F", "pcapng", plain, tmp_path / "editcap.pcapng"],
    }.items():
        subprocess.run(words, check=True, capture_output=True, timeout=60)
        assert both(tmp_path / name) == (expected, None), name
    cooked = tmp_path / "cooked.pcap"
    cooked.write_bytes(capture(made.SLL, 500))
    merged = tmp_path / "merged.pcapng"
    subprocess.run([program("mergecap"), "-w", merged, plain, cooked], check=True, capture_output=True, timeout=60)
    frames, said = read(merged)
    assert said is None
    assert sorted(frame.at for frame in frames) == sorted(2 * [at for at, _, _ in expected])


@settings(deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data(), form=st.sampled_from(["pcap", "pcapng"]))
def test_both_ways_give_the_same_of_damaged_files(tmp_path, data, form):
    if form == "pcap":
        octets = bytearray(capture(data.draw(st.sampled_from([made.ETHERNET, made.SLL2, made.RAW])), 12))
    else:
        frames = [made.enhanced_packet(0, 10**6 * at, made.ethernet(each)) for at, each in enumerate(packets(12))]
        octets = bytearray(made.section() + made.interface(made.ETHERNET) + b"".join(frames))
    for _ in range(data.draw(st.integers(0, 3))):
        octets[data.draw(st.integers(40, len(octets) - 1))] = data.draw(st.integers(0, 255))
    del octets[data.draw(st.integers(24, len(octets))) :]
    path = tmp_path / "damaged"
    path.write_bytes(octets)
    (sifted, said), (walked, also_said) = read(path), read(path, with_libpcap=False)
    assert [frame.octets for frame in sifted] == [frame.octets for frame in walked]
    assert (said is None) == (also_said is None)
