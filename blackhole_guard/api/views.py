"""How each document is made of what is known, and what one may say of what one wants."""

import asyncio
from enum import StrEnum
from http import HTTPStatus
from ipaddress import ip_address
from typing import Annotated

import msgspec
from msgspec import Meta

from blackhole_guard.api import observed as observing
from blackhole_guard.api.counted import add_up, read_totals, read_workers
from blackhole_guard.api.diagnosis import Diagnosis
from blackhole_guard.api.documents import (
    MAX_ZONES,
    AvertedLeaks,
    Block,
    Blocks,
    ObservedLeaks,
    ObservedTops,
    RecentLeaks,
    Sinks,
    SinkServer,
    SinkState,
    Windows,
    WindowState,
    Workers,
    Zone,
    Zones,
)
from blackhole_guard.api.explanation import Explanation
from blackhole_guard.api.known import Known
from blackhole_guard.api.parameters import NoParameters
from blackhole_guard.api.problems import ProblemError
from blackhole_guard.api.reports import ObservedReports, Reports
from blackhole_guard.leaks.evidence import Certainty, Via
from blackhole_guard.leaks.leak_tops import SlidingTops
from blackhole_guard.leaks.observed import RECENT, Observed
from blackhole_guard.leaks.tops import MAX_TOP, TopsReport
from blackhole_guard.leaks.windows import KINDS, Window
from blackhole_guard.reserved.registry import BLOCKS, ZONES, Sink
from blackhole_guard.reserved.sinks import PREFIXES, SERVERS, find_sink

_MAX_TARGET = 1024  # characters: a name has 255 octets, each of which may be written as \DDD


class ZoneKind(StrEnum):
    """Where zones come from."""

    MAPPED = "mapped"
    BUILT_IN = "built-in"


class TopsParameters(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What tops take."""

    window: Annotated[Window, Meta(description="how far back")] = Window.HOUR
    limit: Annotated[int, Meta(ge=1, le=MAX_TOP, description="how many of each kind")] = 10


class ObservedTopsParameters(TopsParameters, frozen=True, forbid_unknown_fields=True):
    """What tops of observed leaks take."""

    via: Annotated[Via | None, Meta(description="of this kind of evidence only")] = None


class RecentParameters(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What recent leaks take: all that are given must match."""

    limit: Annotated[int, Meta(ge=1, le=RECENT, description="how many")] = 50
    block: Annotated[
        Annotated[str, Meta(max_length=64)] | None, Meta(description="of this block only: 10.0.0.0/8, home.arpa")
    ] = None
    sink: Annotated[Sink | None, Meta(description="that went to this sink only")] = None
    via: Annotated[Via | None, Meta(description="of this kind of evidence only")] = None
    certainty: Annotated[Certainty | None, Meta(description="that are as certain only")] = None


class ZonesParameters(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What zones take."""

    kind: Annotated[ZoneKind | None, Meta(description="only those that maps fill, or only those that are empty")] = None
    limit: Annotated[int, Meta(ge=1, le=MAX_ZONES, description="how many")] = 100
    offset: Annotated[int, Meta(ge=0, le=10**9, description="how many to pass over")] = 0


class ExplainParameters(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What is to be explained."""

    name: Annotated[str, Meta(min_length=1, max_length=_MAX_TARGET, description="an address, a block or a domain name")]


class View:
    """What is known, as documents: a method each."""

    def __init__(self, known: Known) -> None:
        self._known = known
        self.version = known.version
        tops, observed = known.tops, known.observed
        clocks, turn = (known.clock, known.monotonic), asyncio.Lock()
        self._reports = None if tops is None else Reports(lambda: tops, *clocks, turn)
        self._observed_reports = None if observed is None else ObservedReports(observed, *clocks, turn)

    async def blocks(self, _: NoParameters) -> Blocks:
        """Show all blocks."""
        totals, observed = read_totals(self._known.pages), self._known.observed
        seen = {} if observed is None else observing.count_blocks(observed)
        blocks = []
        for block, sink in BLOCKS.items():
            rows = [zone for zone in ZONES if zone.block == block]
            series = [each for each in totals.averted if each.block == block]
            blocks.append(
                Block(
                    block=block,
                    sink=sink,
                    what=rows[0].what,
                    zones=len(rows),
                    averted=sum(each.count for each in series),
                    shapes=add_up((each.shape, each.count) for each in series),
                    outcomes=add_up((each.outcome, each.count) for each in series),
                    unmapped=totals.unmapped.get(block, 0),
                    searches_ended=totals.searches_ended.get(block, 0),
                    observed=None if observed is None else seen.get(block, {}),
                )
            )
        return Blocks(self._known.control.started, tuple(blocks))

    async def sinks(self, _: NoParameters) -> Sinks:
        """Show all sinks."""
        averted = add_up((each.sink, each.count) for each in read_totals(self._known.pages).averted)
        sinks = (_show_sink(sink, averted.get(sink, 0), self._known.observed) for sink in Sink)
        return Sinks(self._known.control.started, tuple(sinks))

    async def averted(self, _: NoParameters) -> AvertedLeaks:
        """Show what was averted, by all that it is counted by."""
        series = read_totals(self._known.pages).averted
        return AvertedLeaks(self._known.control.started, sum(each.count for each in series), series)

    async def observed(self, _: NoParameters) -> ObservedLeaks:
        """Show what was observed, by all that it is counted by."""
        return observing.show_observed(self._find_observed(), self._known.observed_since)

    async def recent(self, wanted: RecentParameters) -> RecentLeaks:
        """Show the most recent leaks that were observed."""
        if wanted.block is not None and wanted.block not in BLOCKS:
            raise ProblemError(
                HTTPStatus.BAD_REQUEST, "`block`: there is no such block", f"one of: {', '.join(BLOCKS)}"
            )
        matching = [
            leak
            for leak in observing.iter_recent(self._find_observed())
            if wanted.block in (None, leak.block)
            and wanted.sink in (None, leak.sink)
            and wanted.via in (None, leak.via)
            and wanted.certainty in (None, leak.certainty)
        ]
        shown = tuple(observing.show_leak(leak) for leak in matching[: wanted.limit])
        return RecentLeaks(self._known.observed_since, len(matching), shown)

    async def observed_tops(self, wanted: ObservedTopsParameters) -> ObservedTops:
        """Show who and what is on top in a window, by kind of evidence."""
        if self._observed_reports is None:
            raise _nobody_tells()
        vias = Via if wanted.via is None else (wanted.via,)
        reports = await self._observed_reports.report(vias, wanted.window, wanted.limit)
        return ObservedTops(**{via.value: report for via, report in reports.items()})

    async def windows(self, _: NoParameters) -> Windows:
        """Show the windows of the tops."""
        states = []
        for window, kind in KINDS.items():
            report = await self._find_reports().report(window, 0)
            states.append(
                WindowState(
                    window=window,
                    seconds=kind.seconds * kind.panes,
                    pane_seconds=kind.seconds,
                    since=report.since,
                    until=report.until,
                    total=report.total,
                    passed=report.passed,
                    one_in=report.one_in,
                )
            )
        return Windows(tuple(states))

    async def tops(self, wanted: TopsParameters) -> TopsReport:
        """Show who and what is on top in a window."""
        return await self._find_reports().report(wanted.window, wanted.limit)

    async def doctor(self, _: NoParameters) -> Diagnosis:
        """Show what the doctor's last round found."""
        if self._known.rounds is None:
            raise _is_off("the server examines no resolvers", "doctor: {interval: 10m}")
        found = self._known.rounds.read()
        if found is None:
            raise ProblemError(
                HTTPStatus.SERVICE_UNAVAILABLE,
                "the first examination of the resolvers is not over",
                "ask again in some seconds",
                {"Retry-After": "5"},
            )
        return found

    async def zones(self, wanted: ZonesParameters) -> Zones:
        """Show the zones that are served."""
        served = self._known.served()
        if served is None:
            raise ProblemError(
                HTTPStatus.SERVICE_UNAVAILABLE, "no zones are loaded yet", "ask again soon", {"Retry-After": "1"}
            )
        matching = served.zones
        if wanted.kind is not None:
            mapped = wanted.kind is ZoneKind.MAPPED
            matching = [zone for zone in served.zones if zone.mapped is mapped]
        return Zones(
            generation=served.generation,
            digest=served.digest,
            matching=len(matching),
            offset=wanted.offset,
            zones=tuple(
                Zone(zone.apex, zone.label, zone.serial, zone.records, zone.mapped)
                for zone in matching[wanted.offset : wanted.offset + wanted.limit]
            ),
        )

    async def workers(self, _: NoParameters) -> Workers:
        """Show all workers."""
        control, now = self._known.control, self._known.monotonic()
        workers = read_workers(self._known.pages, control, now)
        reason = self._known.find_unreadiness(control, now)
        return Workers(control.started, reason is None, reason, control.generation, workers)

    async def explain(self, wanted: ExplainParameters) -> Explanation:
        """Explain what a query for a name gets."""
        return await self._known.explain(wanted.name)

    def _find_reports(self) -> Reports:
        if self._reports is None:
            raise _is_off("the server keeps no tops", "telemetry: {tops: {enabled: true}}")
        return self._reports

    def _find_observed(self) -> Observed[SlidingTops]:
        if self._known.observed is None:
            raise _nobody_tells()
        return self._known.observed


def _show_sink(sink: Sink, averted: int, observed: Observed[SlidingTops] | None) -> SinkState:
    seen = None if observed is None else observing.count_sinks(observed).get(sink, {})
    servers = (SinkServer(name, *addresses) for name, addresses in SERVERS.items() if _is_of(addresses[0], sink))
    return SinkState(
        sink=sink,
        blocks=tuple(block for block, each in BLOCKS.items() if each is sink),
        prefixes=tuple(str(prefix) for prefix, each in PREFIXES.items() if each is sink),
        servers=tuple(servers),
        averted=averted,
        observed=seen,
    )


def _is_of(address: str, sink: Sink) -> bool:
    return find_sink(ip_address(address).packed) is sink


def _nobody_tells() -> ProblemError:
    # The first one is on by default; where it is on and there is none all the same, the log says why.
    either = "leaks: {watch: {enabled: true}}` or `leaks: {dnstap: {socket: /run/blackhole-guard/dnstap.sock}}"
    return _is_off("nobody tells the server of leaks", either)


def _is_off(what: str, setting: str) -> ProblemError:
    return ProblemError(HTTPStatus.NOT_FOUND, what, f"write `{setting}` into the settings, and restart the server")
