"""What ours does worse than each peer, of all figures that are compared."""

from collections.abc import Iterable, Iterator

from bench.peers import PEERS
from bench.tables import OURS, Column, Table

_NOTHING = 0.02  # a difference within this share is none
_NAMES = {"knot": "Knot DNS", "nsd": "NSD", "bind": "BIND"}


def list_worse(tables: Iterable[Table]) -> str:
    """A list in Markdown, an item a peer."""
    known = list(tables)
    items = []
    for peer in PEERS:
        found = [each for table in known for each in _find(table, peer)]
        items.append(f"- **{_NAMES[peer]}**: {'; '.join(found) if found else 'nothing that is measured here'}.\n")
    return "".join(items)


def _find(table: Table, peer: str) -> Iterator[str]:
    for column in table.columns:
        if not column.is_compared:
            continue
        for group in table.groups():
            own, other = table.median(group, OURS, column.key), table.median(group, peer, column.key)
            if own is not None and other is not None and _is_worse(column, own, other):
                shown = f"{column.format(own)} against {column.format(other)}"
                yield f"{table.title}, {group}, {column.label}: {shown}"


def _is_worse(column: Column, own: float, other: float) -> bool:
    return own < other * (1 - _NOTHING) if column.more_is_better else own > other * (1 + _NOTHING)
