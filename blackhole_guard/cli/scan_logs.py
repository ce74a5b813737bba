"""What `blackhole-guard scan` prints of query logs, at the end and as it happens."""

import json
from collections import Counter
from ipaddress import ip_address
from typing import TYPE_CHECKING

import click

from blackhole_guard.cli.leak_report import find_tops, leak_as_json, print_tops
from blackhole_guard.cli.terminal import count, make_table
from blackhole_guard.leaks.evidence import Certainty, Leak, Via
from blackhole_guard.leaks.leak_tops import WholeTops
from blackhole_guard.leaks.log_files import LogCounts
from blackhole_guard.leaks.observed import Observed
from blackhole_guard.reserved.shapes import Shape
from blackhole_guard.wire.codes import format_type
from blackhole_guard.wire.names import format_name

if TYPE_CHECKING:
    from rich.console import Console

WORDS = {  # what a certainty means, for people
    Certainty.OBSERVED: "leaked",
    Certainty.LIKELY: "likely leaked",
    Certainty.POSSIBLE: "may leak",
}


def tell(leak: Leak, *, as_json: bool) -> None:
    """Print one leak as it happens."""
    if as_json:
        click.echo(json.dumps(leak_as_json(leak)))
        return
    client = "" if leak.client is None else f" for {ip_address(leak.client)}"
    server = "" if leak.server is None else f" to {ip_address(leak.server)}"
    what = f"{format_name(leak.name)} {format_type(leak.qtype)}"
    click.echo(f"{WORDS[leak.certainty]}: {what}{client}{server}")


def print_summary(console: "Console", observed: Observed[WholeTops], counts: LogCounts) -> None:
    """Print a table of what logs have shown."""
    found: Counter[tuple[Certainty, str, str, Shape]] = Counter()
    for tally in observed.tallies():
        if tally.via is Via.LOG:
            for (shape, certainty), number in tally.kinds.items():
                found[certainty, tally.block, tally.sink, shape] += number
    partial = sum(number for (*_, shape), number in found.items() if shape is Shape.PARTIAL)
    table = make_table("leak", "block", "sink", "shape", "queries", right=("queries",))
    order = list(Certainty)
    rows = sorted(found.items(), key=lambda item: (order.index(item[0][0]), -item[1]))
    for (certainty, block, sink, shape), number in rows:
        if shape is not Shape.PARTIAL:
            table.add_row(WORDS[certainty], block, sink, shape, f"{number:,}")
    if table.row_count:
        console.print(table)
    print_tops(console, "leaks are caused by", find_tops(observed, Via.LOG))
    print_tops(console, "what may leak is asked by", find_tops(observed, Via.LOG, proven=False))
    if table.row_count:
        console.print()
    if partial:
        console.print(f"besides {count(partial, 'query', 'queries')} for a part of an address")
    console.print(f"{count(counts.lines, 'line')}, {count(found.total() - partial, 'finding')}")
