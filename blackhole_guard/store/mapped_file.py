"""The file of a snapshot as octets that have a position: LMDB finds a value, but does not say where in the file it is.

A view of LMDB's is an object of 200 octets with another behind it, and each slice makes two more. A position is a
number, and what is read there comes as octets. To those who keep hold of many values that saves 0.15 us a look, of 2.8
for a message (a million PTRs asked at random; python -m bench.hot_path).
"""

import ctypes
import os
from collections.abc import Iterator
from mmap import ACCESS_READ, mmap

Octets = bytes | memoryview | mmap

_MAPS = "/proc/self/maps"  # proc_pid_maps(5)


class MappedFile:
    """The file, mapped once more: its pages are in memory once."""

    def __init__(self, path: str) -> None:
        """Map the file that LMDB has mapped before. Raises OSError."""
        with open(os.open(path, os.O_RDONLY | os.O_CLOEXEC), "rb") as file:
            self._inode = os.fstat(file.fileno()).st_ino
            self.octets = mmap(file.fileno(), 0, access=ACCESS_READ)
        self._begin: int | None = None  # address of LMDB's map; 0: it is not known

    def locate(self, view: Octets) -> int | None:
        """Say where in the file a view of LMDB's begins; None: this system does not tell."""
        address = _address_of(view)
        if self._begin is None:
            begin = self._find_begin(address)
            self._begin = begin if self.octets[address - begin : address - begin + len(view)] == view else 0
        return address - self._begin if self._begin else None

    def close(self) -> None:
        """Give the map back."""
        self.octets.close()

    def _find_begin(self, address: int) -> int:
        """Find where LMDB has mapped the file, by an address in it."""
        for first, behind, offset, inode in _list_maps():
            if first <= address < behind and inode == self._inode:
                return first - offset
        return 0


class _Buffer(ctypes.Structure):
    """Py_buffer, of the stable ABI since Python 3.11."""

    _fields_ = (
        ("buf", ctypes.c_void_p),
        ("obj", ctypes.c_void_p),
        ("len", ctypes.c_ssize_t),
        ("itemsize", ctypes.c_ssize_t),
        ("readonly", ctypes.c_int),
        ("ndim", ctypes.c_int),
        ("format", ctypes.c_void_p),
        ("shape", ctypes.c_void_p),
        ("strides", ctypes.c_void_p),
        ("suboffsets", ctypes.c_void_p),
        ("internal", ctypes.c_void_p),
    )


def _address_of(view: Octets) -> int:
    buffer = _Buffer()
    ctypes.pythonapi.PyObject_GetBuffer(ctypes.py_object(view), ctypes.byref(buffer), 0)
    address = int(buffer.buf or 0)
    ctypes.pythonapi.PyBuffer_Release(ctypes.byref(buffer))
    return address


def _list_maps() -> Iterator[tuple[int, int, int, int]]:
    """Give first address, the one behind the last, offset in the file and inode of each map of this process."""
    try:
        with open(_MAPS, encoding="ascii", errors="replace") as lines:
            for line in lines:
                addresses, _, offset, _, inode, *_ = line.split()
                first, _, behind = addresses.partition("-")
                yield int(first, 16), int(behind, 16), int(offset, 16), int(inode)
    except FileNotFoundError:
        return
