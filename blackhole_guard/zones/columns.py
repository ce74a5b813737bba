"""PTR tables of all maps -> one sorted column set for each address family, each address once.

The same address in two maps is one entry where both say the same, with a warning, and else an error that names both.
Within one map `sources` has looked. A million rows are moved by sorting indices: no row is an object.
"""

from array import array
from collections.abc import Sequence
from ipaddress import ip_address

from blackhole_guard.config.maps import PtrTable
from blackhole_guard.wire.names import format_name
from blackhole_guard.wire.records import RRset
from blackhole_guard.zones.findings import Findings
from blackhole_guard.zones.zone_set import Origins, PtrColumns

_SHOWN = 3  # names of an address that a message repeats


def merge_tables(tables: Sequence[tuple[str, PtrTable]], findings: Findings) -> PtrColumns:
    """Put the tables of one address family together.

    Args:
        tables: the file of each, and its rows in any order; where there are several, their rows are moved.
        findings: takes the contradictions.
    """
    # Most maps are in order, and so are blocks that do not overlap: then nothing needs to be sorted.
    tables = sorted((each for each in tables if len(each[1].addresses)), key=lambda each: each[1].addresses[0])
    columns = _concatenate(tables)
    if not columns.addresses.is_ascending():
        _pick(columns, columns.addresses.order())  # stable: of equal ones the first stays first
        if not columns.addresses.is_ascending():
            _merge_equal(columns, findings)
    return columns


def _concatenate(tables: Sequence[tuple[str, PtrTable]]) -> PtrColumns:
    origins = Origins()
    columns = PtrColumns(origins=origins)
    if len(tables) == 1:  # the usual case; no need to copy
        columns.addresses, columns.values = tables[0][1].addresses, tables[0][1].values
    start = 0
    for file, table in tables:
        origins.files.append(file)
        origins.lines.append(table.lines)
        origins.starts.append(start)
        start += len(table.addresses)
        if len(tables) > 1:
            columns.addresses.take(table.addresses)
            columns.values.take(table.values)
    return columns


def _pick(columns: PtrColumns, rows: Sequence[int]) -> None:
    """Keep these rows, in this order."""
    columns.addresses, columns.values = columns.addresses.pick(rows), columns.values.pick(rows)
    before = columns.origins.order
    columns.origins.order = array("I", rows if before is None else map(before.__getitem__, rows))


def drop_rows(columns: PtrColumns, gone: set[int]) -> None:
    """Take rows out."""
    if gone:
        _pick(columns, [row for row in range(len(columns.addresses)) if row not in gone])


def _merge_equal(columns: PtrColumns, findings: Findings) -> None:
    gone: set[int] = set()
    first = 0
    for row in range(1, len(columns.addresses)):
        if columns.addresses[row] != columns.addresses[first]:
            first = row
            continue
        gone.add(row)
        if columns.origins.table(row) != columns.origins.table(first):  # else `sources` has said so
            _compare(columns, first, row, findings)
    drop_rows(columns, gone)


def _compare(columns: PtrColumns, first: int, second: int, findings: Findings) -> None:
    place, other = columns.origins.place(second), columns.origins.place(first)
    assert place is not None and other is not None
    address = ip_address(columns.addresses[first])
    mine, others = columns.read(second), columns.read(first)
    if _fold(mine) != _fold(others):
        here, there = format_names(mine.rdatas), format_names(others.rdatas)
        what = f"{address} is {here} here and {there} at {other}"
        hint = "keep one of the two, or write one entry with a list of names"
        findings.error(place, what, hint)
    elif mine.ttl != others.ttl:
        seconds = f"{mine.ttl} seconds here and {others.ttl} at {other}"
        findings.error(place, f"{address} has a TTL of {seconds}", "keep one of the two entries")
    else:
        findings.warning(place, f"{address} is given twice, first at {other}", "delete one of the two")


def _fold(ptrs: RRset) -> set[bytes]:
    return {name.lower() for name in ptrs.rdatas}


def format_names(names: Sequence[bytes]) -> str:
    """Write the PTR targets of an address for a message; the first few of many."""
    shown = ", ".join(format_name(name).removesuffix(".") for name in names[:_SHOWN])
    return f"{shown} and {len(names) - _SHOWN} more" if len(names) > _SHOWN else shown
