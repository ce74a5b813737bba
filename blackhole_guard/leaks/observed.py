"""What is kept of observed leaks, whatever they were seen by: counts, tops, and the most recent ones.

All of it is bounded. Queries for a part of an address (`Shape.PARTIAL`) are counted apart: no client asked for them.
"""

from collections import deque
from collections.abc import Iterable, Mapping
from typing import NamedTuple, Protocol

from blackhole_guard.leaks.evidence import Certainty, Leak, Via
from blackhole_guard.reserved.registry import BLOCKS, Sink
from blackhole_guard.reserved.shapes import Shape

RECENT = 200  # leaks that are kept whole
# Series that the metrics may have of leaks. A network has ten or twenty; whoever sends leaks of all kinds there are, to
# swell the metrics, gets no more.
MAX_SERIES = 100
OTHERS = "(others)"  # block and shape of what is beyond them


class Series(NamedTuple):
    """What leaks are counted by; the fields are the labels of the metric."""

    block: str
    sink: Sink
    shape: str
    via: Via
    certainty: Certainty


class Top(Protocol):
    """Counts keys, the frequent ones at least: a sketch."""

    def add(self, key: bytes, at: float) -> None:
        """Count a key once. `at`: unix seconds."""


class Responses(NamedTuple):
    """Responses to leaks, and what they cost."""

    number: int
    seconds: float  # waited in all


class Observed:
    """Takes leaks from all kinds of evidence; `add` is a `Report`."""

    def __init__(
        self,
        vias: Iterable[Via] = (),
        *,
        clients: Top | None = None,
        addresses: Top | None = None,
        pairs: Top | None = None,
    ) -> None:
        """Know of no leak yet.

        Args:
            vias: kinds of evidence whose usual series are there from the start: who computes rates sees the first leak.
            clients: counts the clients that leaks are caused by: 4 or 16 octets.
            addresses: counts the addresses that leaks tell of: 4 or 16 octets.
            pairs: counts both together: the octets of the client, and behind them those of the address.
        """
        self.recent: deque[Leak] = deque(maxlen=RECENT)  # the oldest first
        self._clients, self._addresses, self._pairs = clients, addresses, pairs
        self._leaks = {
            Series(block, sink, Shape.HOST, via, Certainty.OBSERVED): 0
            for via in vias
            for block, sink in BLOCKS.items()
            if sink is Sink.AS112 and "/" in block
        }
        self._partial: dict[tuple[Sink, Via], int] = {}
        self._responses: dict[tuple[Sink, Via], Responses] = {}

    @property
    def leaks(self) -> Mapping[Series, int]:
        """Leaks, at most MAX_SERIES kinds of them and a few of OTHERS."""
        return self._leaks

    @property
    def partial(self) -> Mapping[tuple[Sink, Via], int]:
        """Queries for a part of an address, of resolvers that minimise names (RFC 9156)."""
        return self._partial

    @property
    def responses(self) -> Mapping[tuple[Sink, Via], Responses]:
        """Responses that came to leaks."""
        return self._responses

    def add(self, leak: Leak) -> None:
        """Count a leak."""
        if leak.shape is Shape.PARTIAL:
            key = (leak.sink, leak.via)
            self._partial[key] = self._partial.get(key, 0) + 1
            return
        series = Series(leak.block, leak.sink, leak.shape, leak.via, leak.certainty)
        if series not in self._leaks and len(self._leaks) >= MAX_SERIES:
            series = series._replace(block=OTHERS, shape=OTHERS)
        self._leaks[series] = self._leaks.get(series, 0) + 1
        self.recent.append(leak)
        if leak.client is not None and self._clients is not None:
            self._clients.add(leak.client, leak.at)
        if leak.address is not None and self._addresses is not None:
            self._addresses.add(leak.address, leak.at)
        if leak.client is not None and leak.address is not None and self._pairs is not None:
            self._pairs.add(leak.client + leak.address, leak.at)

    def add_response(self, sink: Sink, via: Via, seconds: float) -> None:
        """Count a response to a leak, which came that many seconds after it."""
        before = self._responses.get((sink, via), Responses(0, 0.0))
        self._responses[sink, via] = Responses(before.number + 1, before.seconds + seconds)
