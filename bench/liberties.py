"""Ways to do one thing, timed against each other: medians of interleaved rounds, in ns a message."""

import statistics
from collections.abc import Callable, Mapping
from time import perf_counter_ns

Way = Callable[[], int]  # does it for some messages; returns their number


def time_ways(ways: Mapping[str, Way], rounds: int, prepare: Callable[[], None] = lambda: None) -> dict[str, float]:
    """Time each way once a round, `prepare` before each; the first round warms up and does not count."""
    costs: dict[str, list[float]] = {name: [] for name in ways}
    for number in range(rounds + 1):
        for name, way in ways.items():
            prepare()
            start = perf_counter_ns()
            messages = way()
            cost = (perf_counter_ns() - start) / messages
            if number:
                costs[name].append(cost)
    return {name: statistics.median(values) for name, values in costs.items()}


def print_ways(title: str, costs: Mapping[str, float]) -> None:
    """Print what each way costs, and in relation to the first, which is ours."""
    first = next(iter(costs.values()))
    print(title)
    for name, cost in costs.items():
        print(f"    {name:50} {cost:7.0f} ns {cost / first:6.2f}")
