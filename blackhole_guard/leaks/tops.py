"""Who causes most leaks, and for which addresses: three sketches a pane, over sliding windows.

What stands in a report is bounded from two sides. The sketch: `count` is too large by `error` at most. The sample:
where there was too much to look at each message, workers look at one of N, drawn from each N in a row, and count it N
times.

How far such a count may be off. Let a key have c_s of the N messages of a row s, so x_s, whether one of them is drawn,
is 1 with the chance c_s / N, whatever was drawn before. The sum of N x_s is c on average, its variance the sum of N c_s
at most, so N c, and no step is longer than N. The chance that it is too large by t is below exp(-t^2 / (2 N c + 2 N t /
3)) (Freedman, "On tail probabilities for martingales", 1975), that it is too small by t below exp(-t^2 / (2 N c)), as
no x_s is negative. With L = ln(2 / 0.05), and solved for the count k that was seen: with 95 % confidence it is off by
no more than N L + sqrt((N L)^2 + 2 N L k). N changes with the load; the largest one of the window is taken. And nothing
can be off by more than all that was not looked at.
"""

from collections.abc import Iterable, Iterator
from math import ceil, log, sqrt
from typing import Annotated, TypeVar

import msgspec
from msgspec import Meta

from blackhole_guard.leaks.clients import ADDRESSES, ClientFold, fold_client, format_client, is_client
from blackhole_guard.leaks.counts import UNREADABLE, Sampling
from blackhole_guard.leaks.sketches import CAPACITY, MAX_KEY, Counted, SketchError, SpaceSaving
from blackhole_guard.leaks.windows import MAX_CLOSED, WINDOWS, ClosedPane, Window, Windows

MAX_TOP = 1000  # of each kind in a report
CONFIDENCE = 0.95  # that a count is within its sampling error
MAX_STATE = 64 << 20  # octets; what is in memory has less than a third of it
_VERSION = 1
_L = log(2 / (1 - CONFIDENCE))
_NO_SAMPLE = Sampling(0, 1)

_Total = Annotated[int, Meta(ge=0, le=2**63 - 1)]


class TopsError(Exception):
    """A state that cannot be gone on with: damaged, of another version, or counted by other settings."""


class Top(msgspec.Struct, frozen=True):
    """One line of a report. It stands for `count - error` to `count` messages, as far as each was looked at."""

    client: Annotated[
        str | None,
        Meta(description="an address, or a network as 10.1.2.0/24; null: whoever asked, or nobody knows who"),
    ]
    address: Annotated[str | None, Meta(description="null: whatever was asked for, or nobody knows what")]
    count: Annotated[int, Meta(ge=0, description="leaks")]
    error: Annotated[int, Meta(ge=0, description="by how much `count` may be too large")]
    sampling_error: Annotated[
        int,
        Meta(
            ge=0,
            description="by how much `count` may be off in either direction, with 95 % confidence; 0: each message was "
            "looked at",
        ),
    ]


_TopList = Annotated[tuple[Top, ...], Meta(max_length=MAX_TOP)]


class TopsReport(msgspec.Struct, frozen=True):
    """The tops of leaks over a window."""

    window: Window
    since: Annotated[float, Meta(description="unix seconds: what came before is not counted")]
    until: Annotated[float, Meta(description="unix seconds")]
    total: Annotated[int, Meta(ge=0, description="leaks")]
    passed: Annotated[
        int, Meta(ge=0, description="messages that were not looked at, leaks or not; 0: no count is an estimate")
    ]
    one_in: Annotated[int, Meta(ge=1, description="how many messages one that was looked at stands for, at most")]
    clients: Annotated[_TopList, Meta(description="by all their leaks, most first")]
    addresses: Annotated[_TopList, Meta(description="whoever asked for them; of averted leaks: those that have no PTR")]
    pairs: Annotated[_TopList, Meta(description="client and address, with or without a PTR")]


class _Sketch(msgspec.Struct, frozen=True, array_like=True, forbid_unknown_fields=True):
    """A sketch at rest."""

    total: _Total
    floor: _Total
    keys: Annotated[tuple[Annotated[bytes, Meta(max_length=MAX_KEY)], ...], Meta(max_length=CAPACITY)]
    counts: Annotated[tuple[_Total, ...], Meta(max_length=CAPACITY)]
    errors: Annotated[tuple[_Total, ...], Meta(max_length=CAPACITY)]


class _Pane(msgspec.Struct, frozen=True, array_like=True, forbid_unknown_fields=True):
    """What is in a pane, at rest."""

    passed: _Total
    one_in: Annotated[int, Meta(ge=1, le=2**62)]
    clients: _Sketch
    addresses: _Sketch
    pairs: _Sketch


class _StatePane(msgspec.Struct, frozen=True, array_like=True, forbid_unknown_fields=True):
    window: Window
    is_closed: bool
    start: Annotated[int, Meta(ge=0, le=2**53)]
    octets: Annotated[bytes, Meta(max_length=1 << 20)]


class _State(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The state file; the first two fields say whether the rest can be gone on with."""

    version: int
    fold: ClientFold
    panes: Annotated[tuple[_StatePane, ...], Meta(max_length=MAX_CLOSED + len(WINDOWS))]
    capacity: Annotated[int, Meta(ge=1, le=CAPACITY)] = CAPACITY


_Kept = TypeVar("_Kept")


class _Head(msgspec.Struct, frozen=True):
    version: int


_ENCODER = msgspec.msgpack.Encoder()
_PANES = msgspec.msgpack.Decoder(_Pane)
_STATES = msgspec.msgpack.Decoder(_State)
_HEADS = msgspec.msgpack.Decoder(_Head)


def sampling_error(count: int, sampling: Sampling) -> int:
    """Say by how much a count may be off because not each message was looked at, with CONFIDENCE."""
    if not sampling.passed:
        return 0
    unit = sampling.one_in * _L
    return min(ceil(unit + sqrt(unit * unit + 2 * unit * count)), sampling.passed)


class TopsPane:
    """What was counted in a pane."""

    def __init__(self, capacity: int = CAPACITY) -> None:
        """Begin with nothing.

        Args:
            capacity: counters of each sketch, CAPACITY at most.
        """
        self.clients, self.addresses, self.pairs = (SpaceSaving(capacity) for _ in range(3))
        self.sampling = _NO_SAMPLE

    def add(self, rows: Iterable[tuple[bytes, bytes, bool, int]], sampling: Sampling) -> None:
        """Count leaks: client or nothing, address or nothing, whether it has no PTR, how many."""
        clients: dict[bytes, int] = {}
        addresses: dict[bytes, int] = {}
        pairs: dict[bytes, int] = {}
        for client, address, is_unmapped, weight in rows:
            clients[client] = clients.get(client, 0) + weight
            if address:
                if client:
                    pair = pair_key(client, address)
                    pairs[pair] = pairs.get(pair, 0) + weight
                if is_unmapped:
                    addresses[address] = addresses.get(address, 0) + weight
        self.clients.add_counts(clients)
        self.addresses.add_counts(addresses)
        self.pairs.add_counts(pairs)
        self._add_sampling(sampling)

    def _add_sampling(self, sampling: Sampling) -> None:
        self.sampling = Sampling(self.sampling.passed + sampling.passed, max(self.sampling.one_in, sampling.one_in))

    def merge(self, other: "TopsPane") -> None:
        """Add what is in another pane."""
        self.clients.merge(other.clients)
        self.addresses.merge(other.addresses)
        self.pairs.merge(other.pairs)
        self._add_sampling(other.sampling)

    def show(self, most: int) -> tuple[tuple[Top, ...], tuple[Top, ...], tuple[Top, ...]]:
        """Give up to `most` clients, addresses and pairs, the largest counts first."""
        sampling = self.sampling
        return (
            tuple(_show(each, each.key, b"", sampling) for each in self.clients.top(most)),
            tuple(_show(each, b"", each.key, sampling) for each in self.addresses.top(most)),
            tuple(_show(each, *split_pair(each.key), sampling) for each in self.pairs.top(most)),
        )

    def pack(self) -> bytes:
        """Give the pane as octets, up to 20 a counter besides its key."""
        return _ENCODER.encode(
            _Pane(*self.sampling, _pack(self.clients), _pack(self.addresses), _pack(self.pairs)),
        )

    @classmethod
    def unpack(cls, octets: bytes, capacity: int = CAPACITY) -> "TopsPane":
        """Make a pane of what `pack` gave, of a pane of this capacity.

        Raises:
            TopsError: it did not give these octets.
        """
        pane = cls(capacity)
        try:
            packed = _PANES.decode(octets)
            sketches = (packed.clients, packed.addresses, packed.pairs)
            pane.clients, pane.addresses, pane.pairs = (_unpack(each, capacity) for each in sketches)
        except (*UNREADABLE, SketchError) as error:
            raise TopsError(f"damaged: {error}") from error
        pane.sampling = Sampling(packed.passed, packed.one_in)
        if not (
            all(is_client(each.key) or not each.key for each in pane.clients.counters())
            and all(len(each.key) in (4, 16) for each in pane.addresses.counters())
            and all(is_pair(each.key) for each in pane.pairs.counters())
        ):
            raise TopsError("damaged: a key that is no client or address")
        return pane


class Tops:
    """The tops of leaks, over all windows. `now` is unix seconds."""

    def __init__(self, fold: ClientFold = ADDRESSES, capacity: int = CAPACITY) -> None:
        """Begin with nothing.

        Args:
            fold: how much of a client's address is kept.
            capacity: counters of each sketch, CAPACITY at most.
        """
        self._fold = fold
        self._capacity = capacity
        self._windows = _make_windows(capacity)

    def add(self, rows: Iterable[tuple[bytes, bytes, bool, int]], sampling: Sampling, now: float) -> None:
        """Count what a worker saw, as `parse_counts` gives it, or what was observed, where a client may be missing."""
        fold = self._fold
        if fold != ADDRESSES:
            rows = [(fold_client(row[0], fold) if row[0] else b"", row[1], row[2], row[3]) for row in rows]
        self._windows.current(now).add(rows, sampling)

    def report(self, window: Window, now: float, most: int = 100) -> TopsReport:
        """Say who and what was on top.

        Args:
            most: of each kind, MAX_TOP at most.
        """
        *_, whole = self.merge(window, now)
        return self.show(whole, window, now, most)

    def merge(self, window: Window, now: float) -> Iterator[TopsPane]:
        """Merge what a window shows, for `show`: in steps of 20 ms where all sketches are full, 26 of them for a day.

        Yields:
            As `Windows.merge`.
        """
        return self._windows.merge(window, now)

    def show(self, whole: TopsPane, window: Window, now: float, most: int = 100) -> TopsReport:
        """Make the report of what was merged at `now`."""
        sampling = whole.sampling
        clients, addresses, pairs = whole.show(min(most, MAX_TOP))
        return TopsReport(
            window=window,
            since=self._windows.since(window, now),
            until=now,
            total=whole.clients.total,
            passed=sampling.passed,
            one_in=sampling.one_in,
            clients=clients,
            addresses=addresses,
            pairs=pairs,
        )

    def dump(self) -> bytes:
        """Give all of it as octets, for a restart."""
        panes = (_StatePane(window, closed, *pane) for window, closed, pane in self._windows.panes())
        return _ENCODER.encode(_State(_VERSION, self._fold, tuple(panes), self._capacity))

    def load(self, octets: bytes, now: float) -> None:
        """Go on with what `dump` gave. To be called once, before anything is counted.

        Raises:
            TopsError: that cannot be gone on with; nothing has changed.
        """
        state = read_state(octets, _STATES, _VERSION)
        if state.fold != self._fold:
            raise TopsError("its clients were counted by another setting of telemetry.tops.clients")
        if state.capacity != self._capacity:
            raise TopsError("it is of sketches of another size")
        self._windows = _restore_windows(state, self._capacity, now)

    @classmethod
    def restore(cls, octets: bytes, now: float) -> "Tops":
        """Make what `dump` gave, however its clients were counted. Raises TopsError."""
        state = read_state(octets, _STATES, _VERSION)
        made = cls(state.fold, state.capacity)
        made._windows = _restore_windows(state, state.capacity, now)
        return made


def pair_key(client: bytes, address: bytes) -> bytes:
    """Give the key of a pair: an octet says how long the client is."""
    return b"%c%b%b" % (len(client), client, address)


def split_pair(key: bytes) -> tuple[bytes, bytes]:
    """Give client and address of a pair."""
    end = 1 + key[0]
    return key[1:end], key[end:]


def is_pair(key: bytes) -> bool:
    """Say whether a key is that of a pair."""
    if not key:
        return False
    client, address = split_pair(key)
    return len(client) == key[0] and is_client(client) and len(address) in (4, 16)


def _show(counted: Counted, client: bytes, address: bytes, sampling: Sampling) -> Top:
    return Top(
        client=format_client(client) if client else None,
        address=format_client(address) if address else None,
        count=counted.weight,
        error=counted.error,
        sampling_error=sampling_error(counted.weight, sampling),
    )


def _pack(sketch: SpaceSaving) -> _Sketch:
    counters = sketch.counters()
    keys, counts, errors = zip(*counters, strict=True) if counters else ((), (), ())
    return _Sketch(sketch.total, sketch.floor, keys, counts, errors)


def _unpack(packed: _Sketch, capacity: int) -> SpaceSaving:
    if not len(packed.keys) == len(packed.counts) == len(packed.errors):
        raise SketchError("keys without counts")
    counters = map(Counted, packed.keys, packed.counts, packed.errors)
    return SpaceSaving.restore(counters, floor=packed.floor, total=packed.total, capacity=capacity)


def read_state(octets: bytes, states: msgspec.msgpack.Decoder[_Kept], version: int) -> _Kept:
    """Read what was kept over a restart, if it is of this version. Raises TopsError."""
    if len(octets) > MAX_STATE:
        raise TopsError("damaged: too long")
    try:
        found = _HEADS.decode(octets).version
        if found != version:
            raise TopsError(f"it is of version {found}, not {version}")
        return states.decode(octets)
    except UNREADABLE as error:
        raise TopsError(f"damaged: {error}") from error


def _make_windows(capacity: int) -> Windows[TopsPane]:
    return Windows(lambda: TopsPane(capacity), lambda octets: TopsPane.unpack(octets, capacity))


def _restore_windows(state: _State, capacity: int, now: float) -> Windows[TopsPane]:
    windows = _make_windows(capacity)
    panes = ((pane.window, pane.is_closed, ClosedPane(pane.start, pane.octets)) for pane in state.panes)
    windows.restore(panes, now)
    return windows
