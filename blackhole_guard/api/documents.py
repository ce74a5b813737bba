"""The documents: what each resource shows.

Those of the doctor, of `explain` and of tops are elsewhere, as commands print them, too (`diagnosis`, `explanation`,
`leaks.tops`). Names are absolute and escaped (`wire.names.format_name`).
"""

from collections.abc import Mapping
from typing import Annotated

import msgspec
from msgspec import UNSET, Meta, UnsetType

from blackhole_guard.leaks.evidence import Certainty, Via
from blackhole_guard.leaks.observed import RECENT
from blackhole_guard.leaks.tops import TopsReport
from blackhole_guard.leaks.windows import Window
from blackhole_guard.reserved.registry import Sink

MAX_ZONES = 1000  # in one document

Count = Annotated[int, Meta(ge=0)]
AvertedSince = Annotated[float, Meta(description="unix seconds: what is averted is counted from the server's start on")]
ObservedSince = Annotated[
    float, Meta(description="unix seconds: what is observed is counted from the observer's start on")
]
BlockName = Annotated[str, Meta(description="of the registry: 10.0.0.0/8, home.arpa")]
Averted = Annotated[int, Meta(ge=0, description="leaks that were averted: queries that this server answered")]
ShapeName = Annotated[str, Meta(description="what the name stands for: docs/metrics.md has the list")]
PerShape = Annotated[Mapping[str, Count], Meta(description="averted leaks by shape; what is 0 is left out")]
PerOutcome = Annotated[Mapping[str, Count], Meta(description="averted leaks by outcome; what is 0 is left out")]
PerEvidence = Annotated[
    Mapping[str, Mapping[str, Count]] | None,
    Meta(
        description="leaks that were observed, by kind of evidence and then by certainty; two kinds may have seen the "
        "same leak, so they must not be added up; null: nobody tells the server of any"
    ),
]


class Entry(msgspec.Struct, frozen=True):
    """A resource that may be asked for."""

    path: str
    what: str


class Index(msgspec.Struct, frozen=True):
    """All that there is."""

    version: Annotated[str, Meta(description="of the server")]
    resources: tuple[Entry, ...]


class Block(msgspec.Struct, frozen=True):
    """A block of the registry, and what was counted of it."""

    block: BlockName
    sink: Annotated[Sink, Meta(description="who would get, or gets, what leaks")]
    what: Annotated[str, Meta(description="what it is reserved for")]
    zones: Annotated[int, Meta(ge=1, description="of the registry that are in it")]
    averted: Averted
    shapes: PerShape
    outcomes: PerOutcome
    unmapped: Annotated[int, Meta(ge=0, description="queries for addresses in it that no map names")]
    searches_ended: Annotated[
        int, Meta(ge=0, description="queries for a part of an address that ended the search of a resolver")
    ]
    observed: PerEvidence


class Blocks(msgspec.Struct, frozen=True):
    """All blocks of the registry, in its order."""

    since: AvertedSince
    blocks: tuple[Block, ...]


class SinkServer(msgspec.Struct, frozen=True):
    """A server of a sink."""

    name: str
    ipv4: str
    ipv6: str


class SinkState(msgspec.Struct, frozen=True):
    """Who would get, or gets, what leaks."""

    sink: Sink
    blocks: Annotated[tuple[str, ...], Meta(description="that leak to it")]
    prefixes: Annotated[tuple[str, ...], Meta(description="by which it is known; none: its servers answer for more")]
    servers: tuple[SinkServer, ...]
    averted: Averted
    observed: PerEvidence


class Sinks(msgspec.Struct, frozen=True):
    """All sinks."""

    since: AvertedSince
    sinks: tuple[SinkState, ...]


class WindowState(msgspec.Struct, frozen=True):
    """A window of the tops, and how much is in it."""

    window: Window
    seconds: Annotated[int, Meta(description="that it shows; it slides by panes, and shows up to one more")]
    pane_seconds: int
    since: Annotated[float, Meta(description="unix seconds: what came before is not counted")]
    until: Annotated[float, Meta(description="unix seconds")]
    total: Averted
    passed: Annotated[int, Meta(ge=0, description="messages that were not looked at; 0: the tops are no estimates")]
    one_in: Annotated[int, Meta(ge=1, description="how many messages one that was looked at stands for, at most")]


class Windows(msgspec.Struct, frozen=True):
    """The windows that there are tops of."""

    windows: tuple[WindowState, ...]


class AvertedSeries(msgspec.Struct, frozen=True):
    """Leaks that were averted, of one kind."""

    block: BlockName
    sink: Sink
    shape: ShapeName
    outcome: Annotated[str, Meta(description="how the query was answered")]
    count: Count


class AvertedLeaks(msgspec.Struct, frozen=True):
    """Leaks that were averted, by all that they are counted by: `leaks_averted_total`. What is 0 is left out."""

    since: AvertedSince
    total: Count
    series: tuple[AvertedSeries, ...]


class ObservedSeries(msgspec.Struct, frozen=True):
    """Leaks that were observed, of one kind. `(others)` are those that have no series of their own."""

    block: BlockName
    sink: Sink
    shape: ShapeName
    via: Via
    certainty: Certainty
    count: Count


class PartialSeries(msgspec.Struct, frozen=True):
    """Queries for a part of an address, of resolvers that minimise names (RFC 9156): no leaks of their own."""

    sink: Sink
    via: Via
    count: Count


class ResponseSeries(msgspec.Struct, frozen=True):
    """What became of leaks that were observed, queries for a part of an address among them."""

    sink: Sink
    via: Via
    count: Annotated[int, Meta(ge=0, description="responses")]
    seconds: Annotated[float, Meta(ge=0, description="that they took in all")]
    unanswered: Annotated[
        Annotated[int, Meta(ge=0)] | None,
        Meta(description="that got no response in time; null: this kind of evidence does not tell"),
    ]


class ObservedTimes(msgspec.Struct, frozen=True):
    """When leaks into a block were seen on their way to a sink, queries for a part of an address among them.

    These are kept over restarts, for 90 days; counts are not.
    """

    block: BlockName
    sink: Sink
    via: Via
    first: Annotated[float, Meta(description="unix seconds: of the first one, as the evidence dates it")]
    last: Annotated[float, Meta(description="the same of the last one")]


class ObservedLeaks(msgspec.Struct, frozen=True):
    """Leaks that were observed: `leaks_observed_total` and its companions. What is 0 is left out.

    Two kinds of evidence (`via`) may have seen the same leak, so what they counted must not be added up.
    """

    since: ObservedSince
    totals: Annotated[Mapping[str, Count], Meta(description="by kind of evidence")]
    series: tuple[ObservedSeries, ...]
    partial: tuple[PartialSeries, ...]
    responses: tuple[ResponseSeries, ...]
    times: tuple[ObservedTimes, ...]


class ObservedTops(msgspec.Struct, frozen=True):
    """Who causes most observed leaks, and for which addresses: by kind of evidence, if it has shown any.

    Two kinds of evidence may have seen the same leak, so what they counted must not be added up.
    """

    packets: TopsReport | UnsetType = UNSET
    capture: TopsReport | UnsetType = UNSET
    dnstap: TopsReport | UnsetType = UNSET
    log: TopsReport | UnsetType = UNSET


class RecentLeak(msgspec.Struct, frozen=True):
    """One query or update that left, or may have left."""

    at: Annotated[float, Meta(description="unix seconds")]
    via: Annotated[Via, Meta(description="what kind of evidence it was seen by")]
    certainty: Annotated[Certainty, Meta(description="how much that proves")]
    block: BlockName
    sink: Sink
    shape: ShapeName
    name: Annotated[str, Meta(description="absolute, in lower case; what is no plain character is \\DDD")]
    type: Annotated[str, Meta(description="PTR, or TYPE65280 where it has no name here")]
    address: Annotated[str | None, Meta(description="that the name stands for")]
    client: Annotated[
        str | None, Meta(description="on whose behalf, as far as it is known; or a network as 10.1.2.0/24")
    ]
    sender: Annotated[str | None, Meta(description="who sent it out, mostly a resolver; or a network, too")]
    server: Annotated[str | None, Meta(description="where it went")]


class RecentLeaks(msgspec.Struct, frozen=True):
    """The most recent leaks that were observed, the latest first."""

    since: ObservedSince
    matching: Annotated[int, Meta(ge=0, le=RECENT, description="that are kept, and match what was asked for")]
    leaks: Annotated[tuple[RecentLeak, ...], Meta(max_length=RECENT)]


class Zone(msgspec.Struct, frozen=True):
    """A zone that is served."""

    zone: Annotated[str, Meta(description="its apex")]
    label: Annotated[str, Meta(description="the block that it is for, or its name")]
    serial: Annotated[int, Meta(ge=0, le=2**32 - 1, description="of its SOA")]
    records: Annotated[int, Meta(ge=0, description="PTRs in it")]
    mapped: Annotated[bool, Meta(description="whether a map fills it; else it is built in, and empty")]


class Zones(msgspec.Struct, frozen=True):
    """Zones that are served, in an order that a reload keeps."""

    generation: Annotated[int, Meta(description="of the snapshot; when it moves between two pages, begin anew")]
    digest: Annotated[str, Meta(description="of settings and maps")]
    matching: Annotated[int, Meta(ge=0, description="zones that match what was asked for")]
    offset: Annotated[int, Meta(ge=0, description="how many of them stand before these")]
    zones: Annotated[tuple[Zone, ...], Meta(max_length=MAX_ZONES)]


class Worker(msgspec.Struct, frozen=True):
    """A slot that a worker answers in; a successor counts on where a dead one stopped."""

    slot: int
    alive: bool
    silent_for: Annotated[float | None, Meta(description="seconds since its last sign of life; null: there was none")]
    restarts: Annotated[int, Meta(ge=0, description="how often it died and got a successor")]
    queries: Annotated[int, Meta(ge=0, description="messages that it answered")]
    averted: Averted
    refused: Count
    errors: Annotated[int, Meta(ge=0, description="bugs: answers that became SERVFAIL, and others")]
    tcp_connections: Annotated[int, Meta(ge=0, description="that are open")]


class Workers(msgspec.Struct, frozen=True):
    """All slots."""

    since: AvertedSince
    ready: Annotated[bool, Meta(description="whether queries are answered, as /readyz says")]
    reason: Annotated[str | None, Meta(description="why not")]
    generation: Annotated[int, Meta(ge=0, description="of the snapshot that is served; 0: none yet")]
    workers: tuple[Worker, ...]
