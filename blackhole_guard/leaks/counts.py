"""What a worker tells the observer of averted leaks: counts by client and address, in messages of a bounded size."""

from collections.abc import Iterator, Mapping
from itertools import islice
from typing import Annotated, NamedTuple, TypeVar

import msgspec
from msgspec import Meta

from blackhole_guard.leaks.clients import is_client

# In a message, of 44 octets at most each: a quarter of the buffer that a socket has by default.
MOST_ROWS = 1024
_ADDRESSES = (4, 16, 0)  # octets

UNREADABLE = (msgspec.DecodeError, UnicodeDecodeError)  # what msgspec raises for octets that it cannot read

Weight = Annotated[int, Meta(ge=1, le=2**62)]


class CountsError(Exception):
    """Octets that are no message of counts."""


class LeakKey(NamedTuple):
    """What averted leaks are counted by."""

    client: bytes  # as `leaks.clients` has it
    address: bytes  # 4 or 16 octets: that was asked for; empty: the query was for no whole address
    is_unmapped: bool  # there was no PTR for it


Key = TypeVar("Key", bound=tuple[bytes, bytes, bool])  # a LeakKey, or what it is made of


class Sampling(NamedTuple):
    """How far counts are estimates, because not each message was looked at."""

    passed: int  # messages that were not looked at, leaks or not
    one_in: int  # as how many messages one that was looked at counts, at most


_Row = tuple[Annotated[bytes, Meta(max_length=17)], Annotated[bytes, Meta(max_length=16)], bool, Weight]


class _Message(msgspec.Struct, frozen=True, array_like=True, forbid_unknown_fields=True):
    passed: Annotated[int, Meta(ge=0, le=2**62)]
    one_in: Weight
    rows: Annotated[tuple[_Row, ...], Meta(max_length=MOST_ROWS)]


_DECODER = msgspec.msgpack.Decoder(_Message)
_ENCODER = msgspec.msgpack.Encoder()


def render_counts(counts: Mapping[Key, int], sampling: Sampling) -> Iterator[bytes]:
    """Give the messages that say what was counted; none where nothing was, and nothing was passed."""
    rows = iter(counts.items())
    passed = sampling.passed
    while (part := list(islice(rows, MOST_ROWS))) or passed:
        yield _ENCODER.encode((passed, sampling.one_in, [(*key, weight) for key, weight in part]))
        passed = 0


def parse_counts(octets: bytes) -> tuple[tuple[_Row, ...], Sampling]:
    """Read a message.

    Returns:
        The fields of a LeakKey and its count, for each.
    Raises:
        CountsError: it is none.
    """
    try:
        message = _DECODER.decode(octets)
    except UNREADABLE as error:
        raise CountsError(str(error)) from error
    for client, address, _, _ in message.rows:
        if not is_client(client) or len(address) not in _ADDRESSES:
            raise CountsError("a row without a client, or with an address that is none")
    return message.rows, Sampling(message.passed, message.one_in)
