"""What gzip, bzip2 and xz have packed comes out again, or one kind of error does."""

import bz2
import gzip
import importlib
import io
import lzma
import zlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from blackhole_guard.leaks import compression
from blackhole_guard.leaks.compression import MAGIC, Decompressed, is_compressed
from blackhole_guard.leaks.evidence import EvidenceError

PACK = {"gzip": gzip.compress, "bzip2": bz2.compress, "xz": lzma.compress}


def unpack(octets: bytes, size: int = 1 << 16) -> bytes:
    source = io.BytesIO(octets)
    unpacked = Decompressed(source.read(MAGIC), source.read)
    return b"".join(iter(lambda: unpacked.read(size), b""))


@pytest.mark.parametrize("kind", PACK)
@given(octets=st.binary(max_size=3000), size=st.integers(1, 4000))
def test_what_was_packed_comes_out(kind, octets, size):
    assert is_compressed(PACK[kind](octets)[:MAGIC])
    assert unpack(PACK[kind](octets), size) == octets


@pytest.mark.parametrize("kind", PACK)
def test_members_follow_each_other(kind):
    assert unpack(PACK[kind](b"first") + PACK[kind](b"") + PACK[kind](b"second")) == b"firstsecond"


@pytest.mark.parametrize("kind", PACK)
@pytest.mark.parametrize("zeros", [1, 512, 200_000])
def test_zeros_behind_a_member_are_nothing(kind, zeros):
    packed = PACK[kind](b"first")
    assert unpack(packed + bytes(zeros)) == b"first"
    assert unpack(packed + bytes(zeros) + PACK[kind](b"second") + bytes(zeros)) == b"firstsecond"
    with pytest.raises(EvidenceError, match=r"damaged|cut off"):
        unpack(packed + bytes(zeros) + b"garbage that is no member")


@pytest.mark.parametrize("kind", PACK)
def test_much_comes_out_in_small_pieces(kind):
    packed = PACK[kind](bytes(20_000_000))
    source = io.BytesIO(packed)
    unpacked = Decompressed(source.read(MAGIC), source.read)
    sizes = [len(part) for part in iter(lambda: unpacked.read(1 << 30), b"")]
    assert sum(sizes) == 20_000_000
    assert max(sizes) <= 1 << 18


@pytest.mark.parametrize("kind", PACK)
def test_a_file_that_is_cut_off_gives_what_is_there_and_an_error(kind):
    source = io.BytesIO(PACK[kind](bytes(range(256)) * 1000)[:-9])
    unpacked = Decompressed(source.read(MAGIC), source.read)
    with pytest.raises(EvidenceError, match="cut off"):
        while unpacked.read(1 << 16):
            pass


@pytest.mark.parametrize("kind", PACK)
@given(octets=st.binary(max_size=200))
def test_any_octets_are_unpacked_or_one_kind_of_error(kind, octets):
    start = PACK[kind](b"x")[:MAGIC]
    for each in (start + octets, PACK[kind](b"x") + octets, start[:2] + octets if kind == "gzip" else start + octets):
        try:
            unpack(each)
        except EvidenceError as error:
            assert "compressed file" in str(error)


def test_a_window_that_takes_too_much_memory_is_refused():
    packed = bytearray(lzma.compress(b"small"))
    header = slice(12, 12 + 4 * packed[12])  # the block's, without its checksum (xz-file-format, section 3.1)
    assert packed[14:16] == b"\x21\x01"  # LZMA2, one octet of properties: the window's size
    packed[16] = 36  # 1 GiB
    packed[header.stop : header.stop + 4] = zlib.crc32(packed[header]).to_bytes(4, "little")
    with pytest.raises(EvidenceError, match=r"[Mm]emory"):
        unpack(bytes(packed))


@pytest.mark.parametrize("module", ["zlib", "isal.isal_zlib"])
def test_gzip_is_unpacked_by_whichever_is_there(module, monkeypatch):
    monkeypatch.setattr(compression, "_zlib", importlib.import_module(module))
    octets = bytes(range(256)) * 5000
    packed = gzip.compress(octets) + gzip.compress(b"more")
    assert unpack(packed, 1000) == octets + b"more"
    with pytest.raises(EvidenceError, match="cut off"):
        unpack(packed[:-30])
    with pytest.raises(EvidenceError, match="damaged"):
        unpack(packed[:3000] + bytes(100) + packed[3100:])


def test_zstd_is_named_with_a_way_around():
    with pytest.raises(EvidenceError, match="zstd -dc"):
        Decompressed(b"\x28\xb5\x2f\xfd\0\0", io.BytesIO().read)


def test_what_is_not_compressed_is_told():
    assert not is_compressed(b"\xd4\xc3\xb2\xa1\x02\0")
    assert not is_compressed(b"")
    assert is_compressed(zlib.compress(b"x", wbits=31)[:MAGIC])
