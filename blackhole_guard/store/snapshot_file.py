"""A snapshot as a file: written whole beside the old one, checked before it is trusted.

LMDB knows no checksums, and a file that is shorter than LMDB believes kills its reader with SIGBUS. So 24 octets stand
behind LMDB's pages, which it does not mind: a magic, the version of the format, the length before them, and its CRC-32.
"""

import contextlib
import os
import struct
from collections.abc import Callable, Iterator
from importlib import import_module
from importlib.util import find_spec
from itertools import chain

import lmdb
import msgspec

from blackhole_guard.store.content import Content, Row, StoredCut, StoredZone
from blackhole_guard.store.disk import sync_gently
from blackhole_guard.store.errors import StoreError
from blackhole_guard.store.shelves import pack_runs
from blackhole_guard.wire.records import RRset

FORMAT = 2  # of what stands under which key; another one is built anew from the sources
MODE = 0o640  # of the store's files: whoever may read the zones may be put into the group

# ISA-L's takes 0.1 ns an octet, zlib's 0.55: 45 ms of a restart with a million PTRs (python -m bench starts).
_crc32: Callable[[bytes, int], int] = import_module("isal.isal_zlib" if find_spec("isal") else "zlib").crc32

_TRAILER = struct.Struct(">8sIQI")
_MAGIC = b"BHGUARD\n"
_BEFORE = ".old"  # behind the name of a snapshot: the one that was in its place
_META = b"\x00"  # the key of all that are no addresses
_CHUNK = 1 << 16  # octets read at once: a kernel may let nobody else run meanwhile
_AT_ONCE = 1 << 22  # octets that are in memory before they are written
_LARGE = 1 << 21  # octets of a large page
_SMALLEST_MAP = 1 << 24  # octets of address space
_ROW = 128  # octets that most rows stay below, with their share of their shelf and what LMDB adds


class Meta(msgspec.Struct, frozen=True, array_like=True):
    """Everything in a snapshot but the rows of addresses."""

    generation: int
    digest: bytes  # of what it was made of
    attachment: bytes
    zones: tuple[StoredZone, ...]  # their SOA has the serial
    cuts: tuple[StoredCut, ...]
    hosts: tuple[RRset, ...]


def write_snapshot_file(path: str, meta: Meta, content: Content) -> int:
    """Write a file anew, down to the disk, and return its checksum.

    Args:
        path: what is there is removed first; on an error nothing stays.
    Raises:
        StoreError: it cannot be written (no space, no right).
    """
    try:
        remove(path)
        _write_pages(path, meta, content)
        return _seal(path)
    except (lmdb.Error, OSError) as error:
        with contextlib.suppress(OSError):
            remove(path)
        raise StoreError(f"the snapshot {path} cannot be written: {describe(error, path)}") from error


def _write_pages(path: str, meta: Meta, content: Content) -> None:
    packed = msgspec.msgpack.encode(meta)
    size = _SMALLEST_MAP + _ROW * content.records
    while True:
        # The size of the map is what each reader must find room for, so it is not simply huge.
        try:
            # Synced once, when it is whole: see `_seal`.
            with (
                contextlib.closing(
                    lmdb.open(path, subdir=False, lock=False, map_size=size + len(packed), mode=MODE, sync=False)
                ) as env,
                open(path, "r+b") as file,
            ):
                _put_all(env, chain(((_META, packed),), pack_runs(content.runs())), file.fileno())
                file.truncate(_used(env))
                return
        except lmdb.MapFullError:
            remove(path)
            size *= 2


def _put_all(env: lmdb.Environment, items: Iterator[Row], descriptor: int) -> None:
    """Write items, which come in the order of their keys, in as many transactions as keep the memory for them small."""
    for first in items:
        if _used(env) > _AT_ONCE:
            _lay_out(descriptor, _used(env) + _AT_ONCE)
        with env.begin(write=True) as transaction, transaction.cursor() as cursor:
            cursor.putmulti(_take(chain((first,), items)), append=True)


def _take(items: Iterator[Row]) -> Iterator[Row]:
    """Take items from an iterator until they have _AT_ONCE octets."""
    octets = 0
    while octets < _AT_ONCE and (item := next(items, None)) is not None:
        octets += len(item[1])
        yield item


def _used(env: lmdb.Environment) -> int:
    """How many octets of its file LMDB uses."""
    return int((env.info()["last_pgno"] + 1) * env.stat()["psize"])


def _lay_out(descriptor: int, end: int) -> None:
    """Make a file as long as that or longer, of zeros in pieces that fit large pages. Raises OSError.

    In such pieces some kernels keep it in memory, too, and map it (ext4 since Linux 6.16, XFS). Among a million PTRs a
    look-up touches three pages that nobody has touched for long: 0.4 us each where they are small, and 0.2 where they
    are large; and to let go of an old file takes no time. LMDB writes its own pieces over them, which are smaller.
    """
    position = os.fstat(descriptor).st_size
    while position < end:
        position += os.pwrite(descriptor, bytes(_LARGE - position % _LARGE), position)


def _seal(path: str) -> int:
    """Put the trailer behind the pages, and everything on the disk."""
    with open(path, "r+b") as file:
        os.fchmod(file.fileno(), MODE)  # whatever the umask
        length, checksum = _sum(file.fileno(), os.fstat(file.fileno()).st_size)
        file.seek(length)
        file.write(_TRAILER.pack(_MAGIC, FORMAT, length, checksum))
        file.flush()
        sync_gently(file.fileno(), length)
    return checksum


def _sum(descriptor: int, length: int) -> tuple[int, int]:
    """Sum up the octets of a file, up to a length: how many there were, and their CRC-32."""
    checksum = position = 0
    while chunk := os.pread(descriptor, min(_CHUNK, length - position), position):
        checksum = _crc32(chunk, checksum)
        position += len(chunk)
    return position, checksum


def check_snapshot_file(path: str, *, deeply: bool) -> int | None:
    """Look whether a file is a whole snapshot of this format, without LMDB, which a broken one may crash.

    Args:
        deeply: read all of it; otherwise its length decides.
    Returns:
        Its checksum; None: there is no such file.
    Raises:
        StoreError: it is broken, or has another format.
    """
    try:
        with open(os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW), "rb") as file:
            return _check(file.fileno(), path, deeply=deeply)
    except FileNotFoundError:
        return None
    except OSError as error:
        raise StoreError(f"the snapshot {path} cannot be read: {describe(error, path)}") from error


def _check(descriptor: int, path: str, *, deeply: bool) -> int:
    size = os.fstat(descriptor).st_size
    trailer = os.pread(descriptor, _TRAILER.size, max(size - _TRAILER.size, 0))
    if len(trailer) < _TRAILER.size or not trailer.startswith(_MAGIC):
        raise StoreError(f"the snapshot {path} is not whole")
    _, version, length, checksum = _TRAILER.unpack(trailer)
    if version != FORMAT:
        raise StoreError(f"the snapshot {path} has the format {version}, and this program reads {FORMAT}")
    if length != size - _TRAILER.size or (deeply and _sum(descriptor, length) != (length, checksum)):
        raise StoreError(f"the snapshot {path} is broken")
    return int(checksum)


def read_meta(transaction: lmdb.Transaction) -> Meta:
    """Read what a snapshot holds besides rows. Raises msgspec.MsgspecError, lmdb.Error."""
    return msgspec.msgpack.decode(transaction.get(_META) or b"", type=Meta)


def iter_items(transaction: lmdb.Transaction) -> Iterator[Row]:
    """Walk the shelves and what stands apart from them, in the order of the keys."""
    cursor = transaction.cursor()
    if cursor.set_range(b"\x01"):
        yield from cursor.iternext()  # type: ignore[misc]  # of buffers, only where they were asked for


def put_in_place(new: str, path: str) -> None:
    """Give a written file its name: from now on it is the snapshot.

    The one before stays under a name of its own until `make_room`. Else its last reader, a worker, would have the work
    of freeing it: 20 ms for 56 MiB, in which it answers nothing (python -m bench reloads).

    Raises:
        StoreError: it cannot be renamed.
    """
    try:
        make_room(path)
        with contextlib.suppress(OSError):  # a file system without hard links, or there is no snapshot yet
            os.link(path, path + _BEFORE)
        os.rename(new, path)
        sync_directory(os.path.dirname(path) or ".")
    except OSError as error:
        raise StoreError(f"the snapshot {path} cannot be put in place: {describe(error, path)}") from error


def make_room(path: str) -> None:
    """Remove the snapshot before the one at `path`: its room, on the disk and in memory, is for the next."""
    with contextlib.suppress(OSError):
        os.unlink(path + _BEFORE)


def sync_directory(path: str) -> None:
    """Put a directory's entries on the disk. Raises OSError."""
    descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def remove(path: str) -> None:
    """Remove a file, if it is there. Raises OSError."""
    with contextlib.suppress(FileNotFoundError):
        os.unlink(path)


def describe(error: lmdb.Error | OSError, path: str) -> str:
    """Say what is wrong in the system's words; LMDB puts the path before them."""
    if isinstance(error, OSError):
        return error.strerror or str(error)
    return str(error).removeprefix(f"{path}: ")
