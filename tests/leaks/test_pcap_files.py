"""pcap and pcapng, as they should be and as they should not."""

import io
from struct import pack

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bench import frames as made
from blackhole_guard.leaks import pcap_files
from blackhole_guard.leaks.evidence import EvidenceError
from blackhole_guard.leaks.frames import Frame
from blackhole_guard.leaks.pcap_files import Format, find_format, read_frames

AT = 1_234_567_890_123_456_789  # nanoseconds


def read(octets: bytes) -> list[Frame]:
    return list(read_frames(io.BytesIO(octets).read))


def read_until_error(octets: bytes) -> tuple[list[Frame], str | None]:
    frames = []
    try:
        for frame in read_frames(io.BytesIO(octets).read):
            frames.append(frame)
    except EvidenceError as error:
        return frames, str(error)
    return frames, None


@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize("nanoseconds", [False, True])
def test_pcap_of_both_byte_orders_and_units(order, nanoseconds):
    records = [
        made.record(AT, b"first", order=order, nanoseconds=nanoseconds, size=99),
        made.record(AT, b"", order=order),
    ]
    octets = made.pcap(made.SLL, records, order=order, nanoseconds=nanoseconds)
    assert find_format(octets) is Format.PCAP
    first, second = read(octets)
    assert first == Frame(pytest.approx(AT / 1e9, abs=1e-6), made.SLL, b"first", 99)
    assert second.octets == b""


@pytest.mark.parametrize("order", ["<", ">"])
def test_pcapng_of_several_interfaces_and_sections(order):
    other = ">" if order == "<" else "<"
    octets = (
        made.section(order=order)
        + made.interface(made.ETHERNET, order=order)
        + made.interface(made.RAW, order=order, resolution=9)
        + made.interface(made.SLL2, order=order, resolution=0x80 | 10)
        + made.block(5, b"statistics", order=order)
        + made.enhanced_packet(1, AT, b"nanoseconds", order=order)
        + made.enhanced_packet(0, AT // 1000, b"microseconds", order=order)
        + made.enhanced_packet(2, 3 << 10 | 512, b"binary", order=order)
        + made.simple_packet(b"simple", order=order)
        + made.section(order=other)
        + made.interface(made.NULL, order=other)
        + made.enhanced_packet(0, 1_500_000, b"other", order=other)
    )
    assert find_format(octets) is Format.PCAPNG
    seen = [(frame.link_type, frame.octets, frame.at) for frame in read(octets)]
    assert seen == [
        (made.RAW, b"nanoseconds", pytest.approx(AT / 1e9, abs=1e-6)),
        (made.ETHERNET, b"microseconds", pytest.approx(AT / 1e9, abs=1e-5)),
        (made.SLL2, b"binary", 3.5),
        (made.ETHERNET, b"simple", 0.0),
        (made.NULL, b"other", 1.5),
    ]


def test_the_packet_block_of_old_is_read():
    body = pack("<HHIIII", 0, 0, 0, 2_000_000, 3, 60) + b"old\0"
    octets = made.section() + made.interface(made.RAW) + made.block(2, body)
    assert read(octets) == [Frame(2.0, made.RAW, b"old", 60)]


def test_the_offset_of_an_interface_is_added():
    options = pack("<HHq", 14, 8, 1000) + pack("<HH", 0, 0)
    described = made.block(1, pack("<HHI", made.RAW, 0, 0) + options)
    octets = made.section() + described + made.enhanced_packet(0, 500_000, b"x")
    assert [frame.at for frame in read(octets)] == [1000.5]


RECORD = made.record(AT, b"whole")
NG = made.section() + made.interface(made.RAW) + made.enhanced_packet(0, 1, b"whole")


@pytest.mark.parametrize(
    ("octets", "frames", "problem"),
    [
        (made.pcap(1, [RECORD])[:-1], 0, "cut off inside a record: after packet 0, at octet 24"),
        (made.pcap(1, [RECORD, RECORD])[:-10], 1, "cut off inside a record: after packet 1, at octet 45"),
        (made.pcap(1)[:20], 0, "cut off"),
        (made.pcap(1, [RECORD, pack("<IIII", 0, 0, 1 << 20, 60), bytes(1 << 20)]), 1, "a packet of 1,048,576 octets"),
        (pack("<IHHIIII", 0xA1B2C3D4, 2, 9, 0, 0, 0, 1), 0, "version 2.9"),
        (b"", 0, "neither pcap nor pcapng"),
        (b"GIF89a", 0, "neither pcap nor pcapng"),
        (NG[:-1], 0, "cut off"),
        (NG + made.section()[:11], 1, "cut off"),
        (NG + made.enhanced_packet(1, 1, b"x"), 1, "an interface (1) that was not described"),
        (made.section() + made.simple_packet(b"x"), 0, "not described"),
        (NG + pack("<II", 6, 7), 1, "cut off"),
        (NG + pack("<III", 6, 8, 8), 1, "a block of 8 octets"),
        (NG + pack("<III", 6, 13, 8), 1, "a block of 13 octets"),
        (NG + pack("<III", 6, 1 << 25, 8), 1, "a block of 33,554,432 octets"),
        (NG + made.block(6, b"few"), 1, "too short"),
        (NG + made.block(3, b""), 1, "too short"),
        (NG + made.block(1, b""), 1, "too short"),
        (NG + made.block(6, pack("<IIIII", 0, 0, 0, 99, 99)), 1, "a packet of 99 octets in a block of 20"),
        (NG + made.block(0x0A0D0D0A, b"what"), 1, "byte order"),
        (NG + pack("<III", 0x0A0D0D0A, 12, 0x1A2B3C4D), 1, "version"),
        (NG + made.block(0x0A0D0D0A, pack("<IHHq", 0x1A2B3C4D, 7, 0, -1)), 1, "version"),
        (made.section() + made.interface(1) * (pcap_files.MAX_INTERFACES + 1), 0, "interfaces"),
    ],
)
def test_what_is_wrong_is_said_with_its_place_and_what_came_before_it_is_kept(octets, frames, problem):
    found, said = read_until_error(octets)
    assert said is not None and problem in said
    assert len(found) == frames


@given(st.binary(max_size=300), st.sampled_from([b"", made.pcap(1), made.pcap(101, order=">"), NG]))
def test_any_octets_are_frames_or_one_kind_of_error(octets, start):
    read_until_error(start + octets)


@given(st.lists(st.binary(max_size=2000), max_size=20), st.integers(1, 100), st.booleans())
def test_frames_do_not_depend_on_how_the_octets_come(frames, size, is_pcapng):
    if is_pcapng:
        octets = NG + b"".join(made.enhanced_packet(0, 1, frame) for frame in frames)
        expected = [b"whole", *frames]
    else:
        octets, expected = made.pcap(1, [made.record(1, frame) for frame in frames]), frames
    source = io.BytesIO(octets)
    assert [frame.octets for frame in read_frames(lambda _: source.read(size))] == expected


def blocks(order: str) -> st.SearchStrategy[bytes]:
    """Blocks as they should be, and some that are not."""
    frames = st.binary(max_size=40)
    enhanced = st.builds(
        lambda *given: made.enhanced_packet(*given, order=order), st.integers(0, 2), st.integers(0, 1 << 60), frames
    )
    other = st.builds(lambda kind, body: made.block(kind, body, order=order), st.sampled_from([2, 3, 5, 6]), frames)
    simple = st.builds(lambda frame: made.simple_packet(frame, order=order), frames)
    described = st.builds(lambda kind: made.interface(kind, order=order), st.sampled_from([made.RAW, made.ETHERNET]))
    return enhanced | enhanced | simple | other | described


@given(st.sampled_from("<>").flatmap(lambda order: st.tuples(st.just(order), st.lists(blocks(order)))), st.data())
def test_packets_in_a_run_are_what_they_are_one_by_one(given_blocks, data):
    order, parts = given_blocks
    octets = made.section(order=order) + made.interface(made.RAW, order=order) * 2 + b"".join(parts)
    octets = bytearray(octets[: data.draw(st.integers(40, len(octets)) | st.just(len(octets)))])
    if data.draw(st.booleans()):
        octets[data.draw(st.integers(28, len(octets) - 1))] = data.draw(st.integers(0, 255))
    in_runs = read_until_error(bytes(octets))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(pcap_files, "_read_run", lambda source, section, select: iter(()))
        assert read_until_error(bytes(octets)) == in_runs


@pytest.mark.parametrize("octets", [made.pcap(1, [RECORD, RECORD])[:-1], NG[:-1]], ids=["pcap", "pcapng"])
def test_where_it_ends_is_found_without_the_frames(octets):
    with pytest.raises(EvidenceError) as ended:
        list(read_frames(io.BytesIO(octets).read, select=False))
    assert str(ended.value) == read_until_error(octets)[1]
    assert list(read_frames(io.BytesIO(octets[:24] if octets[0] == 0xD4 else NG).read, select=False)) == []


def test_only_wanted_frames_are_given():
    octets = made.pcap(1, [made.record(1, frame) for frame in (b"a", b"b", b"a")])
    wanted = read_frames(io.BytesIO(octets).read, lambda link_type, frame: frame == b"a")
    assert len(list(wanted)) == 2
