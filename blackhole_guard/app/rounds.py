"""The doctor's rounds: the observer examines resolvers on a schedule, shows what it found, and logs what changed.

Imported where rounds are made only: nobody else needs the doctor.
"""

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from time import time
from typing import Protocol, Self

from blackhole_guard.app.board import Board
from blackhole_guard.config.settings import DoctorSettings
from blackhole_guard.doctoring.configuration import know_zones
from blackhole_guard.doctoring.network import examine_all
from blackhole_guard.doctoring.resolvers import Resolver, find_resolvers, read_resolver
from blackhole_guard.leaks.doctor import Examined
from blackhole_guard.leaks.verdicts import SICK, Known
from blackhole_guard.store.snapshot import Snapshot
from blackhole_guard.telemetry.catalogue import MAX_RESOLVERS
from blackhole_guard.telemetry.metrics import Samples

_FIRST = 1.0  # seconds between two looks whether zones are served; what we serve tells our answers from others'


class RoundsLog(Protocol):
    """Says what an operator should know."""

    def info(self, event: str, **fields: object) -> None:
        """Log what is well again."""

    def warning(self, event: str, **fields: object) -> None:
        """Log what is not."""

    def error(self, event: str, **fields: object) -> None:
        """Log a bug."""


@dataclass(frozen=True, slots=True)
class ResolverFact:
    """What the last examination of a resolver found."""

    resolver: str  # as the settings or resolv.conf name it
    answers: bool
    leaks: Mapping[str, int]  # block -> zones of it that leak or are made up; without those of which it is not known
    unknown: tuple[str, ...]  # blocks of which it is not known, in whole or in part
    seconds: float  # that it took


class Rounds:
    """Examines the resolvers of the settings, again and again."""

    def __init__(
        self,
        settings: DoctorSettings,
        interval: float,
        board: Board,
        open_newest: Callable[[], Snapshot],
        log: RoundsLog,
    ) -> None:
        self._settings = settings
        self._interval = interval  # seconds
        self._board = board
        self._open_newest = open_newest
        self._log = log
        self._facts: tuple[ResolverFact, ...] = ()
        self.found: tuple[tuple[Resolver, Examined], ...] = ()  # all that the last round found
        self.at: float | None = None  # when it did; unix seconds. None: the first one is not over
        self._said: dict[str, _State] = {}  # resolver -> what was logged of it last

    @property
    def facts(self) -> tuple[ResolverFact, ...]:
        """What the last round found."""
        return self._facts

    def read(self) -> dict[str, Samples]:
        """Give the same by the names of metrics."""
        facts = self._facts
        return {
            "resolver_answers": [((fact.resolver,), fact.answers) for fact in facts],
            "resolver_leaks": [
                ((fact.resolver, block), zones) for fact in facts for block, zones in fact.leaks.items()
            ],
            "resolver_unknown": [((fact.resolver,), len(fact.unknown)) for fact in facts if fact.answers],
            "resolver_probe_seconds": [((fact.resolver,), fact.seconds) for fact in facts],
        }

    def close(self) -> None:
        """Let go of nothing: an examination closes its own sockets."""

    async def run(self) -> None:
        """Make rounds until cancelled."""
        while not self._board.control.generation:
            await asyncio.sleep(_FIRST)
        while True:
            try:
                await self._make_round()
            except Exception as error:  # noqa: BLE001  # the edge of a task: the next round may go better
                self._log.error("the resolvers could not be examined", error=repr(error))
            await asyncio.sleep(self._interval)

    async def _make_round(self) -> None:
        # Whoever asks resolvectl waits for it; the pages are not to.
        resolvers = await asyncio.to_thread(self._choose)
        found = await examine_all(resolvers, self._know())
        self.found, self.at = tuple(zip(resolvers, found, strict=True)), time()
        self._facts = tuple(_make_fact(*each) for each in self.found)
        for fact in self._facts:
            self._tell(fact)

    def _choose(self) -> tuple[Resolver, ...]:
        """Say whom to examine; resolv.conf is read anew each time, for those who move between networks."""
        named = tuple(map(read_resolver, self._settings.resolvers)) or find_resolvers()
        return named[:MAX_RESOLVERS]

    def _know(self) -> Known:
        snapshot = self._open_newest()
        try:
            return know_zones((zone.soa for zone in snapshot.zones), (cut.owner for cut in snapshot.cuts))
        finally:
            snapshot.close()

    def _tell(self, fact: ResolverFact) -> None:
        """Log what is new of a resolver."""
        now, before = _State.of(fact), self._said.get(fact.resolver, _State())
        self._said[fact.resolver] = now
        if now == before:
            return
        if now.is_silent:
            self._log.warning("a resolver does not answer", resolver=fact.resolver)
        elif now.leaking:
            self._log.warning("a resolver leaks", resolver=fact.resolver, blocks=now.leaking)
        elif now.unknown:
            self._log.warning("whether a resolver leaks is not known", resolver=fact.resolver, blocks=now.unknown)
        elif before.leaking:
            self._log.info("a resolver does not leak any more", resolver=fact.resolver)
        else:
            self._log.info("a resolver answers again", resolver=fact.resolver)


@dataclass(frozen=True, slots=True)
class _State:
    """What is worth a line in the log; none of it: all is well."""

    is_silent: bool = False
    leaking: str = ""  # blocks
    unknown: str = ""  # blocks; of one that leaks no more is said

    @classmethod
    def of(cls, fact: ResolverFact) -> Self:
        leaking = ", ".join(block for block, zones in fact.leaks.items() if zones)
        return cls(not fact.answers, leaking, "" if leaking else ", ".join(fact.unknown))


def _make_fact(resolver: Resolver, examined: Examined) -> ResolverFact:
    if examined.silence is not None:
        return ResolverFact(str(resolver), False, {}, (), examined.seconds)
    leaks: dict[str, int] = {}
    for finding in examined.findings:
        leaks[finding.zone.block] = leaks.get(finding.zone.block, 0) + (finding.verdict in SICK)
    unknown = examined.unknown_blocks
    told = {block: zones for block, zones in leaks.items() if zones or block not in unknown}
    return ResolverFact(str(resolver), True, told, unknown, examined.seconds)
