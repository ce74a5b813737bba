"""Capacity: as throughput, asked by a client that is never the limit (eager.c) in place of dnsperf."""

from functools import partial

from bench import eager, throughput
from bench.tables import Table


def measure(plan: throughput.Plan) -> Table:
    """Measure and return the table."""
    table = Table("capacity", "Capacity, one core", "workload", "server", throughput.COLUMNS, [throughput.NOTE])
    with eager.client() as made:
        return throughput.fill(table, plan, partial(eager.run, made))
