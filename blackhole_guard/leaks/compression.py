"""Compressed captures and logs, as their octets: gzip, bzip2 and xz.

Nothing is held but a chunk, so a file that unpacks to a million times its size costs time, not memory. What follows a
member of such a file is a member, too (RFC 1952 section 2.2). Left out: zstd, which Python 3.11 has not.
"""

import bz2
import lzma
import os
import sys
from collections.abc import Callable
from importlib import import_module
from importlib.util import find_spec
from typing import Any, Protocol

from blackhole_guard.leaks.evidence import EvidenceError

# ISA-L's is twice as fast; it has no wheels for some processors. Any: two modules that have the same functions.
_zlib: Any = import_module("isal.isal_zlib" if find_spec("isal") else "zlib")

_PLAIN = 1 << 18  # octets that are given at a time
# Each member of a file leaves its decoder with a copy of what follows it: of no more than this, for who makes tiny
# members.
_COMPRESSED = 1 << 16
_XZ_MEMORY = 80 << 20  # octets; xz -9 wants 65 MiB

Read = Callable[[int], bytes]  # up to so many octets; none: the end


class _Decoder(Protocol):
    """What zlib's, bz2's and lzma's decoders have in common, once zlib's is wrapped."""

    @property
    def eof(self) -> bool: ...
    @property
    def needs_input(self) -> bool: ...
    @property
    def unused_data(self) -> bytes: ...
    def decompress(self, data: bytes, max_length: int) -> bytes: ...


class _ZlibDecoder(Protocol):
    """What zlib and its likes give."""

    @property
    def eof(self) -> bool: ...
    @property
    def unconsumed_tail(self) -> bytes: ...
    @property
    def unused_data(self) -> bytes: ...
    def decompress(self, data: bytes, max_length: int) -> bytes: ...


class _Gzip:
    """zlib's decoder, or ISA-L's, with the manners of the other two: it keeps what it has not used yet."""

    def __init__(self) -> None:
        self._decoder: _ZlibDecoder = _zlib.decompressobj(wbits=31)  # gzip alone

    @property
    def eof(self) -> bool:
        return self._decoder.eof

    @property
    def needs_input(self) -> bool:
        return not self._decoder.unconsumed_tail

    @property
    def unused_data(self) -> bytes:
        return self._decoder.unused_data

    def decompress(self, data: bytes, max_length: int) -> bytes:
        return self._decoder.decompress(self._decoder.unconsumed_tail + data, max_length)


_DECODERS: dict[bytes, Callable[[], _Decoder]] = {  # by how a file begins
    b"\x1f\x8b": _Gzip,
    b"BZh": bz2.BZ2Decompressor,
    b"\xfd7zXZ\x00": lambda: lzma.LZMADecompressor(lzma.FORMAT_XZ, memlimit=_XZ_MEMORY),
}
_ZSTD = b"\x28\xb5\x2f\xfd"
MAGIC = 6  # octets that tell
_STDIN, _STDOUT = 0, 1


def is_compressed(start: bytes) -> bool:
    """Say whether a file that begins with `start` (six octets, or all that it has) is compressed."""
    return start.startswith((*_DECODERS, _ZSTD))


class Decompressed:
    """The octets that a compressed file stands for."""

    def __init__(self, start: bytes, read: Read) -> None:
        """Begin.

        Args:
            start: the file's first octets, six if it has them.
            read: gives what follows them.
        Raises:
            EvidenceError: compressed by what we cannot undo.
        """
        if start.startswith(_ZSTD):
            raise EvidenceError("compressed by zstd; try `zstd -dc FILE | blackhole-guard scan -`", is_started=False)
        self._make = next(make for magic, make in _DECODERS.items() if start.startswith(magic))
        self._decoder = self._make()
        self._read = read
        self._octets = start  # compressed, and not handed to the decoder yet
        self._is_between = True  # two members, or before the first: the file may end here

    def read(self, size: int) -> bytes:
        """Give some octets, `size` at most; none: the end.

        Raises:
            EvidenceError: it is damaged, or ends too early.
        """
        while True:
            if self._decoder.eof:
                self._octets = self._decoder.unused_data
                self._decoder = self._make()
                self._is_between = True
            is_at_end = False
            if not self._octets and self._decoder.needs_input:
                self._octets = self._read(_COMPRESSED)
                is_at_end = not self._octets
                if is_at_end and self._is_between:
                    return b""
            if self._is_between:
                # gzip and tar fill blocks with zeros, xz pads with them: behind a member they are nothing.
                self._octets = self._octets.lstrip(b"\0")
                if not self._octets:
                    continue
            self._is_between = False
            octets = self._decompress(size)
            if octets:
                return octets
            if is_at_end and not self._decoder.eof:
                raise EvidenceError("the compressed file is cut off")

    def _decompress(self, size: int) -> bytes:
        octets, self._octets = self._octets, b""
        try:
            return self._decoder.decompress(octets, min(size, _PLAIN))
        except (_zlib.error, OSError, lzma.LZMAError) as error:
            raise EvidenceError(f"the compressed file is damaged ({error})") from error


def unpack() -> None:
    """Be a process that unpacks its standard input, a file, to its standard output; exit code 1: not to its end."""
    start = os.read(_STDIN, _COMPRESSED)
    try:
        unpacked = Decompressed(start, lambda size: os.read(_STDIN, size))
        while octets := unpacked.read(_PLAIN):
            while octets:
                octets = octets[os.write(_STDOUT, octets) :]
    except (
        EvidenceError,
        OSError,
    ):  # what is wrong is found once more by who reads the file itself; or nobody reads us
        sys.exit(1)
