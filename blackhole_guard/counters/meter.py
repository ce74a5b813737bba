"""What a process writes its counters with, and the cells that times go into."""

from bisect import bisect_left
from collections.abc import Mapping

from blackhole_guard.counters.layout import Family, Layout, LayoutError

# Upper bounds of the buckets of response_seconds, in seconds. A plain answer takes tens of microseconds; a turn of the
# loop that serves all else first takes milliseconds; the last ones show a machine that is overloaded.
BOUNDS = (0.000025, 0.00005, 0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1.0)
_LONGEST = 60.0  # seconds; what comes out longer is a clock that was set, and would spoil the sum for ever

BUCKETS = "response_seconds_bucket"  # times that fell into one bucket: not cumulative, unlike what Prometheus is shown
NANOSECONDS = "response_seconds_sum_ns"
RESPONSE_FAMILIES = (
    Family(BUCKETS, ("le",), tuple((str(bound),) for bound in (*BOUNDS, "+Inf"))),
    Family(NANOSECONDS),
)


class PageMeter:
    """Writes one page. Fulfils what a worker asks of its meter (`server.roles`)."""

    def __init__(self, page: memoryview, layout: Layout) -> None:
        """Begin with what the page holds: its last writer's counts.

        Args:
            page: of format "Q"; nobody else may write to it.
            layout: the page's. For `observe` it has RESPONSE_FAMILIES.
        """
        self._page = page
        self._numbers = layout.numbers
        self._buckets = layout.cell(BUCKETS, str(BOUNDS[0]))  # the others follow in the order of BOUNDS
        self._nanoseconds = layout.cell(NANOSECONDS)

    def add(self, name: str, reason: str = "", n: int = 1) -> None:
        """Add `n` to a counter; `reason` is the value of its only label, if it has one.

        Raises:
            LayoutError: there is no such series.
        """
        self.add_counts({(name, reason) if reason else (name,): n})

    def set(self, name: str, value: int) -> None:
        """Set a gauge, or a counter that the kernel keeps.

        Raises:
            LayoutError: there is no such series.
        """
        self._page[self._find(name)] = max(0, value)

    def observe(self, seconds: float) -> None:
        """Enter one time. A clock that was set backwards meanwhile makes it 0."""
        seconds = min(max(seconds, 0.0), _LONGEST)
        self._page[self._buckets + bisect_left(BOUNDS, seconds)] += 1
        self._page[self._nanoseconds] += int(seconds * 1e9)

    def add_counts(self, counts: Mapping[tuple[str, ...], int]) -> None:
        """Add what was counted since the last time: (name, *label values) -> n. All that are known are added.

        Raises:
            LayoutError: there is no such series; says one of those that are unknown.
        """
        page, numbers, unknown = self._page, self._numbers, None
        for series, n in counts.items():
            if (number := numbers.get(series)) is None:
                unknown = series
            else:
                page[number] += n
        if unknown is not None:
            raise LayoutError(f"no such series: {unknown}")

    def _find(self, name: str) -> int:
        if (number := self._numbers.get((name,))) is None:
            raise LayoutError(f"no such series: {name}")
        return number
