"""The pages of counters: one for each process that counts, in one anonymous mapping that a fork shares.

A cell has one writer, the process whose page it is in, so plain loads and stores do: an aligned 64-bit store of the
machine is never seen half done. Pages are the supervisor's and outlive the processes; a successor counts on from where
the dead one stopped, so no counter runs backwards.
"""

import mmap

from blackhole_guard.counters.layout import Layout

_CELL = 8  # octets


class Pages:
    """Pages of one layout. Make it before the fork."""

    def __init__(self, layout: Layout, count: int) -> None:
        """Map the pages, all cells 0.

        Args:
            count: of pages, one for each process that counts.
        """
        self.layout = layout
        self.count = count
        # Each at the begin of a page of memory, so that two processes never write to one line of the cache.
        stride = -(-max(1, layout.cells) * _CELL // mmap.PAGESIZE) * mmap.PAGESIZE
        memory = memoryview(mmap.mmap(-1, stride * count, mmap.MAP_SHARED | mmap.MAP_ANONYMOUS)).cast("Q")
        starts = range(0, len(memory), stride // _CELL)
        self._pages = tuple(memory[start : start + layout.cells] for start in starts)

    def page(self, index: int) -> memoryview:
        """One page: `layout.cells` items of format "Q"; for its one process to write."""
        return self._pages[index]

    def sum(self, cell: int) -> int:
        """Add up one cell over all pages. For a gauge that is the sum over the processes that live."""
        total: int = sum(page[cell] for page in self._pages)
        return total

    def totals(self) -> list[int]:
        """Add up every cell over all pages, in the order of the layout."""
        return [sum(cells) for cells in zip(*[page.tolist() for page in self._pages], strict=True)]

    def clear_gauges(self, index: int) -> None:
        """Set the gauges of a page to 0. For the parent of a dead process: while it lives, it writes."""
        page = self._pages[index]
        for cell in self.layout.gauges:
            page[cell] = 0
