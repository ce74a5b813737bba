"""Standard input, output and error as a command may find them: closed by who started it, or on a full device."""

import errno
import os
import sys

# What a write to an open file can end with.
_CANNOT_WRITE = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO, errno.EPIPE)


def open_missing() -> None:
    """Put /dev/null where a standard file is closed: the next socket or file would be opened in its place."""
    for number in range(3):
        try:
            os.fstat(number)
        except OSError:
            os.set_inheritable(os.open(os.devnull, os.O_RDWR), True)  # it gets the lowest number that is free
    sys.stdin = sys.stdin or os.fdopen(0, closefd=False)
    sys.stdout = sys.stdout or os.fdopen(1, "w", closefd=False)
    sys.stderr = sys.stderr or os.fdopen(2, "w", closefd=False)


def is_of_output(error: OSError) -> bool:
    """Whether an error that nobody handled is one of writing to an open file; where one is opened it has a name."""
    return error.errno in _CANNOT_WRITE and error.filename is None


def drop(number: int) -> None:
    """What a standard file still holds back goes nowhere: writing it at the end would fail again."""
    null = os.open(os.devnull, os.O_WRONLY)
    os.dup2(null, number)
    os.close(null)
