"""What is known of observed leaks, at rest: their tops over windows, and when each block's first and last one was seen.

Counts are not kept: metrics begin anew with the observer. What is read here may be anything, and is checked.
"""

from collections.abc import Mapping
from math import isfinite
from typing import Annotated

import msgspec
from msgspec import Meta

from blackhole_guard.leaks.evidence import Via
from blackhole_guard.leaks.leak_tops import SlidingTops
from blackhole_guard.leaks.observed import Observed
from blackhole_guard.leaks.tops import MAX_STATE, Tops, read_state
from blackhole_guard.reserved.registry import BLOCKS, Sink

_VERSION = 1
_KEPT = 90 * 86400  # seconds for which it is kept when a block was last seen
_MOST_TIMES = len(Via) * len(Sink) * len(BLOCKS)


class _Times(msgspec.Struct, frozen=True, array_like=True, forbid_unknown_fields=True):
    via: Via
    sink: Sink
    block: Annotated[str, Meta(max_length=64)]
    first: float  # unix seconds
    last: float


class _State(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    version: int
    tops: Annotated[dict[Via, Annotated[bytes, Meta(max_length=MAX_STATE)]], Meta(max_length=len(Via))]
    times: Annotated[tuple[_Times, ...], Meta(max_length=_MOST_TIMES)]


_ENCODER = msgspec.msgpack.Encoder()
_STATES = msgspec.msgpack.Decoder(_State)


def dump_observed(observed: Observed[SlidingTops]) -> bytes:
    """Give it as octets, for a restart."""
    tops = {via: found.dump() for via in Via if (found := observed.tops(via)) is not None}
    times = tuple(
        _Times(each.via, each.sink, each.block, each.first, each.last)
        for each in observed.tallies()
        if isfinite(each.first)
    )
    return _ENCODER.encode(_State(_VERSION, tops, times))


def load_observed(octets: bytes, observed: Observed[SlidingTops], now: float) -> None:
    """Go on with what `dump_observed` gave. To be called once, before anything is counted.

    Args:
        now: unix seconds.
    Raises:
        TopsError: it cannot be gone on with: damaged, of another version, or counted by other settings. Times that can
            be are taken all the same.
    """
    state = read_state(octets, _STATES, _VERSION)
    for each in state.times:
        if each.block in BLOCKS and now - _KEPT <= each.last <= now and 0 <= each.first <= each.last:
            observed.note_times(each.via, each.sink, each.block, first=each.first, last=each.last)
    for via, tops in state.tops.items():
        observed.make_tops(via).load(tops, now)


def read_tops(octets: bytes, now: float) -> Mapping[Via, Tops]:
    """Read the tops alone of what `dump_observed` gave, however clients were counted. Raises TopsError."""
    return {via: Tops.restore(tops, now) for via, tops in read_state(octets, _STATES, _VERSION).tops.items()}
