"""Putting a file on the disk so that whoever shares the CPU goes on meanwhile."""

import ctypes
import os
from collections.abc import Callable

_PIECE = 1 << 18  # octets that a kernel hands to the disk in 0.1 ms
_WRITE = 2  # SYNC_FILE_RANGE_WRITE: begin to write what is dirty, wait for no write's end (linux/fs.h)


def sync_gently(descriptor: int, length: int) -> None:
    """Put all of a file on the disk, as fsync(2) does.

    fsync alone hands over megabytes at a time, and a kernel that does not preempt lets nobody else run meanwhile: 35
    queries waited half a millisecond each while a million entries were written (python -m bench reloads). So small
    pieces are begun first, and little is left for it.

    Args:
        descriptor: of the file.
        length: of its content, in octets.
    Raises:
        OSError: it cannot be written.
    """
    if begin := _find_begin():
        for position in range(0, length, _PIECE):
            if begin(descriptor, position, _PIECE, _WRITE) != 0:
                break  # a file system that cannot; and what is wrong with the disk, fsync says
    os.fsync(descriptor)


def _find_begin() -> Callable[[int, int, int, int], int] | None:
    """Find sync_file_range(2), which Linux has."""
    try:
        begin = ctypes.CDLL(None).sync_file_range
    except AttributeError:
        return None
    begin.argtypes = (ctypes.c_int, ctypes.c_int64, ctypes.c_int64, ctypes.c_uint)
    return begin
