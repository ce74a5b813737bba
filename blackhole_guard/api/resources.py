"""The resources: what each is called, what it takes, and what it shows."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

import msgspec

from blackhole_guard.api.diagnosis import Diagnosis
from blackhole_guard.api.documents import (
    AvertedLeaks,
    Blocks,
    Entry,
    Index,
    ObservedLeaks,
    ObservedTops,
    RecentLeaks,
    Sinks,
    Windows,
    Workers,
    Zones,
)
from blackhole_guard.api.explanation import Explanation
from blackhole_guard.api.parameters import NoParameters
from blackhole_guard.api.views import (
    ExplainParameters,
    ObservedTopsParameters,
    RecentParameters,
    TopsParameters,
    View,
    ZonesParameters,
)
from blackhole_guard.leaks.tops import TopsReport

P = TypeVar("P", bound=msgspec.Struct)
D = TypeVar("D", bound=msgspec.Struct)

ROOT = "/api/v1"
DESCRIPTION = f"{ROOT}/openapi.json"

_EVIDENCE = ("leaks.watch.enabled", "leaks.dnstap.socket")


@dataclass(frozen=True, slots=True)
class Resource(Generic[P, D]):
    """One of them."""

    path: str
    what: str  # it shows, in a sentence
    parameters: type[P]
    document: type[D]
    make: Callable[[View, P], Awaitable[D]]
    needs: tuple[str, ...] = ()  # settings; without any of them there is none


async def _list_resources(view: View, _: NoParameters) -> Index:
    entries = [Entry(resource.path, resource.what) for resource in RESOURCES]
    return Index(view.version, (*entries, Entry(DESCRIPTION, "The description of all this (OpenAPI 3.1).")))


RESOURCES: tuple[Resource[Any, Any], ...] = (
    Resource(ROOT, "What there is.", NoParameters, Index, _list_resources),
    Resource(
        f"{ROOT}/blocks", "The blocks of the registry, and what was counted of each.", NoParameters, Blocks, View.blocks
    ),
    Resource(f"{ROOT}/sinks", "Who would get, or gets, what leaks, and how much.", NoParameters, Sinks, View.sinks),
    Resource(
        f"{ROOT}/leaks/averted",
        "Leaks that were averted, by all they are counted by.",
        NoParameters,
        AvertedLeaks,
        View.averted,
    ),
    Resource(
        f"{ROOT}/leaks/observed",
        "Leaks that were observed, by all they are counted by.",
        NoParameters,
        ObservedLeaks,
        View.observed,
        _EVIDENCE,
    ),
    Resource(
        f"{ROOT}/leaks/observed/recent",
        "The most recent leaks that were observed, the latest first.",
        RecentParameters,
        RecentLeaks,
        View.recent,
        _EVIDENCE,
    ),
    Resource(
        f"{ROOT}/leaks/observed/tops",
        "Who causes most observed leaks, and for which addresses, by kind of evidence, with bounds for each count.",
        ObservedTopsParameters,
        ObservedTops,
        View.observed_tops,
        _EVIDENCE,
    ),
    Resource(
        f"{ROOT}/windows", "The windows of the tops.", NoParameters, Windows, View.windows, ("telemetry.tops.enabled",)
    ),
    Resource(
        f"{ROOT}/tops",
        "Who causes most averted leaks, and for which addresses, with bounds for each count.",
        TopsParameters,
        TopsReport,
        View.tops,
        ("telemetry.tops.enabled",),
    ),
    Resource(
        f"{ROOT}/doctor",
        "What the doctor's last round found at the resolvers.",
        NoParameters,
        Diagnosis,
        View.doctor,
        ("doctor.interval",),
    ),
    Resource(f"{ROOT}/zones", "The zones that are served.", ZonesParameters, Zones, View.zones),
    Resource(f"{ROOT}/workers", "The workers, and what each has done.", NoParameters, Workers, View.workers),
    Resource(
        f"{ROOT}/explain",
        "What a query for an address, a block or a name gets, and why. It reads all maps anew: one at a time.",
        ExplainParameters,
        Explanation,
        View.explain,
    ),
)
