"""What `scan` and `watch` say of the leaks that they found: tables for people, JSON for machines."""

import math
from collections import Counter
from dataclasses import asdict
from datetime import UTC, datetime
from ipaddress import ip_address
from typing import TYPE_CHECKING, Any

from blackhole_guard.cli.terminal import count, make_table
from blackhole_guard.leaks.evidence import Certainty, Leak, Via
from blackhole_guard.leaks.leak_tops import TopLists, WholeTops
from blackhole_guard.leaks.observed import Observed
from blackhole_guard.leaks.tallies import Tally
from blackhole_guard.leaks.tops import Top
from blackhole_guard.leaks.traffic import Counts
from blackhole_guard.reserved.shapes import Shape
from blackhole_guard.wire.codes import format_type
from blackhole_guard.wire.names import format_name

if TYPE_CHECKING:  # JSON is printed without it
    from rich.console import Console

TOP = 10

_OTHERS = {  # a field of `Counts` -> what it is
    "other_names": "to the sinks for names that are not reserved",
    "malformed": "malformed",
    "cut_short": "cut off by the capture before their question's end",
    "probes": "probes of our own",
    "copies": "queries and responses seen a second time, on another interface",
    "unmatched": "responses whose query was not seen",
}


def print_report(console: "Console", observed: Observed[WholeTops], via: Via, counts: Counts) -> None:
    """Print what a kind of evidence has shown: a line for each sink and block, its shapes, then who asked for what."""
    rows = [tally for tally in observed.tallies() if tally.via is via]
    if not rows:
        console.print("no leaks")
    else:
        table = make_table(
            *("sink", "block", "leaks", "updates", "first", "last", "answered", "median", "99 %", "waited"),
            right=("leaks", "updates", "answered", "median", "99 %", "waited"),
        )
        for tally in rows:
            table.add_row(*_row(tally, has_responses=counts.responses > 0))
        console.print(table)
        for tally in rows:
            _print_details(console, tally)
        print_tops(console, "caused by", find_tops(observed, via))
    for line in _remarks(rows, counts):
        console.print(line)


def _row(tally: Tally, *, has_responses: bool) -> list[str]:
    settled = tally.answered + tally.unanswered
    waits = ["", "", "", ""]
    if has_responses and settled:
        median, slow = tally.delays.quantile(0.5), tally.delays.quantile(0.99)
        waits = [f"{tally.answered / settled:.1%}", _delay(median), _delay(slow), f"{tally.waited:,.1f} s"]
    updates = tally.shapes[Shape.UPDATE]
    return [
        tally.sink.value,
        tally.block,
        f"{tally.leaks:,}",
        f"{updates:,}",
        _moment(tally.first),
        _moment(tally.last),
        *waits,
    ]


def _print_details(console: "Console", tally: Tally) -> None:
    console.print(f"\n{tally.sink.value} {tally.block}")
    shapes = [f"{shape.value} {number:,}" for shape, number in tally.shapes.most_common() if shape != Shape.PARTIAL]
    for title, text in (("shapes", ", ".join(shapes)), ("minimised", f"{tally.partial:,}" if tally.partial else "")):
        if text:
            console.print(f"  {title:<10} {text}", soft_wrap=True)


def find_tops(observed: Observed[WholeTops], via: Via, *, proven: bool = True) -> TopLists:
    """Find who causes leaks, as `Observed.tops` has it."""
    tops = observed.tops(via, proven=proven)
    return TopLists((), (), ()) if tops is None else tops.show(TOP)


def print_tops(console: "Console", title: str, tops: TopLists) -> None:
    """Print who asked for what; nothing, if there is none."""
    if not tops.clients:
        return
    console.print(f"\n{title}")
    for name, lines in zip(TopLists._fields, tops, strict=True):
        if lines:
            console.print(f"  {name:<10} {', '.join(map(_format_top, lines))}", soft_wrap=True)


def _format_top(top: Top) -> str:
    names = [name for name in (top.client, top.address) if name is not None]
    error = f" (at most {top.error:,} too many)" if top.error else ""
    return f"{' > '.join(names) or 'not known'} {top.count:,}{error}"


def tops_as_json(tops: TopLists) -> dict[str, list[dict[str, Any]]]:
    """Give who asked for what as JSON: a client that is null is not known."""
    return {
        name: [
            {field: getattr(top, field) for field in fields} | {"count": top.count, "error": top.error} for top in lines
        ]
        for (name, lines), fields in zip(
            tops._asdict().items(), (("client",), ("address",), ("client", "address")), strict=True
        )
    }


def _remarks(rows: list[Tally], counts: Counts) -> list[str]:
    lines = [""]
    if rows and not counts.responses:
        lines.append("No response was seen: it may be that only one direction was captured, so no delays are given.")
    open_ = counts.unfinished + counts.forgotten
    if open_ and counts.responses:
        lines.append(f"{count(open_, 'query', 'queries')} neither answered nor unanswered: the end came first.")
    others = [f"{getattr(counts, name):,} {what}" for name, what in _OTHERS.items() if getattr(counts, name)]
    if others:
        lines.append(f"Not counted: {'; '.join(others)}.")
    return lines if len(lines) > 1 else []


def _delay(seconds: float | None) -> str:
    return "" if seconds is None else f"{seconds * 1000:,.1f} ms"


def _moment(at: float) -> str:
    """Write unix seconds as a time of UTC; what no calendar has, as a number; nothing, where it is not known."""
    if math.isinf(at):
        return ""
    try:
        return f"{datetime.fromtimestamp(at, UTC):%Y-%m-%d %H:%M:%S}"
    except (OverflowError, ValueError, OSError):
        return f"{at:.0f}"


def report_as_json(observed: Observed[WholeTops], counts: Counts) -> dict[str, Any]:
    """Give the same as JSON. Times are unix seconds; `waited_seconds` is an estimate from below (docs/leaks.md)."""
    rows = [_tally_as_json(tally, has_responses=counts.responses > 0) for tally in observed.tallies()]
    return {
        "leaks": sum(row["leaks"] for row in rows),
        "may_leak": sum(row["may_leak"] for row in rows),
        "blocks": rows,
        "tops": [
            {"via": via.value, "proven": proven, **tops_as_json(find_tops(observed, via, proven=proven))}
            for via in Via
            for proven in (True, False)
            if observed.tops(via, proven=proven) is not None
        ],
        "counts": asdict(counts),
    }


def _tally_as_json(tally: Tally, *, has_responses: bool) -> dict[str, Any]:
    sure: Counter[Certainty] = Counter()
    for (shape, certainty), number in tally.kinds.items():
        if shape is not Shape.PARTIAL:
            sure[certainty] += number
    return {
        "via": tally.via.value,
        "sink": tally.sink.value,
        "block": tally.block,
        "leaks": sure[Certainty.OBSERVED] + sure[Certainty.LIKELY],
        "likely": sure[Certainty.LIKELY],
        "may_leak": sure[Certainty.POSSIBLE],
        "updates": tally.shapes[Shape.UPDATE],
        "minimised": tally.partial,
        "shapes": {shape.value: number for shape, number in tally.shapes.items() if shape != Shape.PARTIAL},
        "first": _time_as_json(tally.first),
        "last": _time_as_json(tally.last),
        "answered": tally.answered,
        "unanswered": tally.unanswered if has_responses else None,
        "median_seconds": tally.delays.quantile(0.5),
        "p99_seconds": tally.delays.quantile(0.99),
        "waited_seconds": tally.waited if has_responses else None,
    }


def _time_as_json(at: float) -> float | None:
    """Give a time; None: it is not known."""
    return at if math.isfinite(at) else None


def format_leak(leak: Leak) -> str:
    """Write a leak as one line: when, who to whom, which sink and block, what."""
    return (
        f"{datetime.fromtimestamp(leak.at, UTC):%H:%M:%S.%f} {_address(leak.sender)} > {_address(leak.server)} "
        f"{leak.sink.value} {leak.block} {leak.shape.value} {format_type(leak.qtype)} {format_name(leak.name)}"
    )


def leak_as_json(leak: Leak) -> dict[str, Any]:
    """Give a leak as JSON. Names are absolute, with escapes as in master files; a line of a log may have no time."""
    return {
        "event": "leak",
        "at": leak.at or None,
        "via": leak.via.value,
        "certainty": leak.certainty.value,
        "sink": leak.sink.value,
        "block": leak.block,
        "shape": leak.shape.value,
        "name": format_name(leak.name),
        "qtype": format_type(leak.qtype),
        "address": _address(leak.address),
        "client": _address(leak.client),
        "sender": _address(leak.sender),
        "server": _address(leak.server),
    }


def _address(octets: bytes | None) -> str | None:
    return None if octets is None else str(ip_address(octets))
