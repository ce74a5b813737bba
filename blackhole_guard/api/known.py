"""What the API is handed to show. Whatever a server does not keep, by its settings, is None here."""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

from blackhole_guard.api.diagnosis import Diagnosis
from blackhole_guard.api.explanation import Explanation
from blackhole_guard.counters.control import Control
from blackhole_guard.counters.pages import Pages
from blackhole_guard.leaks.leak_tops import SlidingTops
from blackhole_guard.leaks.observed import Observed
from blackhole_guard.leaks.tops import Tops


class ServedZone(Protocol):
    """What is known of a zone."""

    @property
    def apex(self) -> str:
        """Absolute, safe to print."""

    @property
    def label(self) -> str:
        """Its block, or the name of a zone that is none: "10.0.0.0/8", "home.arpa"."""

    @property
    def serial(self) -> int:
        """Of its SOA."""

    @property
    def records(self) -> int:
        """PTRs in it."""

    @property
    def mapped(self) -> bool:
        """Whether a map fills it; else it is built in."""


@dataclass(frozen=True, slots=True)
class ServedZones:
    """What is served now."""

    generation: int
    digest: str  # of settings and maps
    zones: Sequence[ServedZone]  # in an order that a reload keeps


@dataclass(frozen=True, slots=True)
class Rounds:
    """The doctor's rounds."""

    read: Callable[[], Diagnosis | None]  # what the last one found; None: the first one is not over


@dataclass(frozen=True, slots=True)
class Known:
    """Where everything comes from that is shown."""

    version: str  # of the server
    pages: Pages  # those of the workers come first
    control: Control
    find_unreadiness: Callable[[Control, float], str | None]  # as /readyz has it
    served: Callable[[], ServedZones | None]  # None: nothing yet
    explain: Callable[[str], Awaitable[Explanation]]  # of an address, a block or a name; raises ProblemError
    tops: Tops | None
    observed: Observed[SlidingTops] | None
    observed_since: float  # unix seconds: when it began to count
    rounds: Rounds | None
    clock: Callable[[], float]  # unix seconds
    monotonic: Callable[[], float]
