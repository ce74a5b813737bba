"""Which cell of a page holds which series: closed sets, laid out before there is a worker."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import NamedTuple


class LayoutError(Exception):
    """Families that do not fit together, or a series that no family has: a bug, never a matter of input."""


@dataclass(frozen=True, slots=True)
class Family:
    """All series of one name: a closed set, so that memory and metrics are bounded whatever the traffic."""

    name: str  # without prefix and `_total`
    labels: tuple[str, ...] = ()
    series: tuple[tuple[str, ...], ...] = ((),)  # the values of the labels, in their order
    gauge: bool = False  # holds only as long as the process that set it; all else counts on across its death


class Cell(NamedTuple):
    """One series and where it stands."""

    family: str
    labels: tuple[str, ...]
    values: tuple[str, ...]
    number: int  # of the 64-bit cell, from 0


class Layout:
    """Gives each series of some families a cell, in the order in which they come. Iterating yields them."""

    def __init__(self, families: Iterable[Family]) -> None:
        """Lay out the cells.

        Raises:
            LayoutError: two families of one name, two equal series, or values that do not match the labels.
        """
        self.families: dict[str, Family] = {}
        self._cells: list[Cell] = []
        for family in families:
            self._add(family)
        self.numbers: Mapping[tuple[str, ...], int] = {
            (cell.family, *cell.values): cell.number for cell in self._cells
        }  # (name, *label values) -> cell, for those who write
        if len(self.numbers) != len(self._cells):
            raise LayoutError("a series stands twice in one family")
        self.gauges = tuple(cell.number for cell in self._cells if self.families[cell.family].gauge)

    def _add(self, family: Family) -> None:
        if family.name in self.families:
            raise LayoutError(f"two families are called {family.name}")
        self.families[family.name] = family
        for values in family.series:
            if len(values) != len(family.labels):
                raise LayoutError(f"{family.name}: {values} does not match the labels {family.labels}")
            self._cells.append(Cell(family.name, family.labels, values, len(self._cells)))

    @property
    def cells(self) -> int:
        """How many cells a page has."""
        return len(self._cells)

    def cell(self, name: str, *values: str) -> int:
        """Find the cell of one series.

        Raises:
            LayoutError: there is no such series.
        """
        try:
            return self.numbers[(name, *values)]
        except KeyError as error:
            raise LayoutError(f"no such series: {name} {values}") from error

    def __iter__(self) -> Iterator[Cell]:
        return iter(self._cells)
