"""What ours does worse than each peer, of all figures that are compared."""

from collections.abc import Iterable, Iterator

from bench.peers import PEERS
from bench.tables import OURS, Column, Table

_NOTHING = 0.02  # a difference within this share is none
_NAMES = {"knot": "Knot DNS", "nsd": "NSD", "bind": "BIND"}


def list_worse(tables: Iterable[Table]) -> str:
    """A list in Markdown: an item a peer, and in it one for each figure of a table."""
    known = list(tables)
    lines = []
    for peer in PEERS:
        found = [line for table in known for line in _find(table, peer)]
        lines.append(f"- {_NAMES[peer]}{':' if found else ': nothing that is measured here'}\n")
        lines += [f"  - {line}\n" for line in found]
    return "".join(lines)


def _find(table: Table, peer: str) -> Iterator[str]:
    for column in table.columns:
        if column.is_compared:
            shown = list(_groups(table, peer, column))
            if shown:
                yield f"{table.title}, {column.label}: {'; '.join(shown)}"


def _groups(table: Table, peer: str, column: Column) -> Iterator[str]:
    for group in table.groups():
        own, other = table.figure(group, OURS, column.key), table.figure(group, peer, column.key)
        if own is not None and other is not None and _is_worse(column, own, other):
            yield f"{group} {column.format(own)} against {column.format(other)}"


def _is_worse(column: Column, own: float, other: float) -> bool:
    return own < other * (1 - _NOTHING) if column.more_is_better else own > other * (1 + _NOTHING)
