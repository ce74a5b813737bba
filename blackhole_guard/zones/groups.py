"""Maps of one block -> what they say together: switched off or not, name servers, SOA, TTL.

Several files may add to one zone, so each may say a part; what two of them say differently is an error at both places.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from operator import attrgetter
from typing import TypeVar

import msgspec

from blackhole_guard.config.maps import ZoneMap
from blackhole_guard.config.problems import Place, quote
from blackhole_guard.config.settings import Soa
from blackhole_guard.config.values import Block
from blackhole_guard.wire.names import format_name
from blackhole_guard.zones.findings import Findings

_T = TypeVar("_T")
Said = Iterable[tuple[Place, _T]]


@dataclass(frozen=True, slots=True)
class MapGroup:
    """All maps of one block or named zone; None: nothing was said."""

    block: Block | None
    name: str
    maps: tuple[ZoneMap, ...]
    place: Place  # of the first one's `zone:`
    off: bool  # `serve: false`
    ttl: int | None
    ns: tuple[bytes, ...] | None
    soa: Soa


def group_maps(maps: Sequence[ZoneMap], findings: Findings) -> tuple[MapGroup, ...]:
    """Put the maps of each block together, in the order in which the blocks are first named."""
    groups: dict[str, list[ZoneMap]] = {}
    for each in maps:
        groups.setdefault(each.name if each.block is None else str(each.block), []).append(each)
    return tuple(_make_group(name, each, findings) for name, each in groups.items())


def _make_group(name: str, maps: list[ZoneMap], findings: Findings) -> MapGroup:
    served = _agree("serve", name, _said(maps, "serve", lambda each: each.serve), findings)
    off = served is not None and not served
    group = MapGroup(
        block=maps[0].block,
        name=name,
        maps=tuple(maps),
        place=maps[0].place,
        off=off,
        ttl=_agree("ttl", name, _said(maps, "ttl", lambda each: each.ttl), findings),
        ns=_agree("ns", name, _said(maps, "ns", lambda each: each.ns or None), findings, fold=_fold_names),
        soa=_agree_on_soa(name, maps, findings),
    )
    if off:
        _note_unserved(group, findings)
    return group


def _said(maps: Iterable[ZoneMap], key: str, get: Callable[[ZoneMap], _T | None]) -> list[tuple[Place, _T]]:
    """List what each map says of a key, with the place."""
    found = []
    for each in maps:
        value = get(each)
        if key in each.places and value is not None:
            found.append((each.places[key], value))
    return found


def _agree(
    key: str, name: str, said: Said[_T], findings: Findings, *, fold: Callable[[_T], object] = lambda value: value
) -> _T | None:
    """Take what the first says, and note who says something else."""
    first: tuple[Place, _T] | None = None
    for place, value in said:
        if first is None:
            first = place, value
        elif fold(value) != fold(first[1]):
            what = f"`{key}` of {name} is {_show(value)} here and {_show(first[1])} at {first[0]}"
            findings.error(place, what, "say it in one of the two maps only")
    return None if first is None else first[1]


def _fold_names(names: tuple[bytes, ...]) -> object:
    return {name.lower() for name in names}


def _show(value: object) -> str:
    if isinstance(value, tuple):
        return ", ".join(format_name(name).removesuffix(".") for name in value)
    return str(value).lower() if isinstance(value, bool) else quote(str(value))


def _agree_on_soa(name: str, maps: list[ZoneMap], findings: Findings) -> Soa:
    fields = {}
    for field in Soa.__struct_fields__:
        said = _said(maps, "soa", attrgetter(f"soa.{field}"))
        fields[field] = _agree(f"soa.{field}", name, said, findings, fold=_fold_text)
    return msgspec.convert(fields, Soa)


def _fold_text(value: object) -> object:
    return value.lower() if isinstance(value, str) else value


def _note_unserved(group: MapGroup, findings: Findings) -> None:
    """Say where entries stand that another map switches off; who writes both into one map means it."""
    switch = next(each.places["serve"] for each in group.maps if "serve" in each.places)
    for each in group.maps:
        count = len(each.ptr.addresses) + len(each.delegations)
        if count and "serve" not in each.places:
            what = f"{count} entries of {group.name} are not served: {switch} switches it off"
            findings.warning(each.place, what, "delete `serve: false` there, or this map")
