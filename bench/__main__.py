"""The command `python -m bench`: says all that is missing, measures, prints tables, and keeps them with `--save`."""

from collections.abc import Callable, Sequence, Set
from pathlib import Path
from typing import Any

import click

from bench import (
    accounting,
    capacity,
    captures,
    dnstap,
    document,
    flat,
    floor,
    latency,
    memory,
    peers,
    pictures,
    profile,
    reloads,
    scan,
    starts,
    tables,
    tcp,
    throughput,
    tops,
    workers,
)
from bench.programs import ROOT, missing
from bench.queries import WORKLOADS
from bench.tables import Table

_FOR_ALL = {"taskset", "setpriv"}


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.option("--save", is_flag=True, help=f"Keep the tables in {tables.RESULTS.relative_to(ROOT)}.")
@click.pass_context
def main(context: click.Context, save: bool) -> None:
    """Measure blackhole_guard beside BIND, Knot DNS and NSD on this machine."""
    context.obj = save


def demand(programs: set[str], modules: Set[str] = frozenset(), *, root: bool = False) -> None:
    """End with a list of all that is missing, if anything is."""
    lines = missing(programs | _FOR_ALL, modules, root=root)
    if lines:
        raise SystemExit("Missing, and how to get it:\n" + "".join(f"  {line}\n" for line in lines))
    if peers.SERVER_CPU == peers.CLIENT_CPU:
        click.echo(
            "There is one CPU only: server and client share it, and little can be read from the figures.", err=True
        )


def show(table: Table, save: bool) -> None:
    """Print a table, and keep it if that is wanted."""
    click.echo(f"\n{table.title}\n\n{table.to_markdown()}")
    if save:
        tables.save([table])


def _split(known: Sequence[str]) -> Callable[[click.Context, click.Parameter, str], tuple[str, ...]]:
    """A callback that splits names at commas and looks each one up."""

    def split(context: click.Context, parameter: click.Parameter, value: str) -> tuple[str, ...]:
        names = tuple(value.split(","))
        for name in names:
            if name not in known:
                raise click.BadParameter(f"{name!r} is none of {', '.join(known)}", context, parameter)
        return names

    return split


_workloads = click.option(
    "--workloads",
    callback=_split([*WORKLOADS]),
    default=",".join(throughput.Plan.workloads),
    show_default=True,
    help="Which, with commas between them.",
)
_servers = click.option(
    "--servers",
    callback=_split([*throughput.SERVERS, peers.BEFORE]),
    default=",".join(throughput.SERVERS),
    show_default=True,
    help=f"Which, with commas between them; also {peers.BEFORE!r}.",
)
_rounds = click.option("--rounds", type=click.IntRange(1), default=5, show_default=True)
_seconds = click.option("--seconds", type=click.FloatRange(0.1), default=5.0, show_default=True, help="Of each run.")
_before = click.option(
    "--before", type=click.Path(exists=True, path_type=Path), help="Another checkout of ours, as the server `before`."
)


def programs_of(servers: Sequence[str]) -> set[str]:
    """The programs that servers need."""
    return {peers.PROGRAMS[server] for server in servers if server in peers.PROGRAMS}


_entries = click.option("--entries", type=int, help="PTR records in place of 10,000 (`scan`: 1,000,000).")


def _as_planned(command: Callable[..., None]) -> Callable[..., None]:
    """The options of `throughput.Plan`."""
    for option in (_entries, _before, _seconds, _rounds, _servers, _workloads):
        command = option(command)
    return command


@main.command("throughput")
@_as_planned
@click.pass_obj
def throughput_command(save: bool, **options: Any) -> None:
    """Queries a second and CPU time a query, one core, over UDP, as dnsperf sees them."""
    plan = throughput.Plan(**options)
    demand({"dnsperf", *programs_of(plan.servers)})
    show(throughput.measure(plan), save)


@main.command("capacity")
@_as_planned
@click.pass_obj
def capacity_command(save: bool, **options: Any) -> None:
    """The same with a client that is never the limit, as dnsperf is."""
    plan = throughput.Plan(**options)
    demand({"gcc", *programs_of(plan.servers)})
    show(capacity.measure(plan), save)


@main.command("latency")
@_servers
@click.option("--rates", default="1000,20000,50000", show_default=True, help="Queries a second, with commas between.")
@_rounds
@_seconds
@_before
@click.pass_obj
def latency_command(
    save: bool, servers: tuple[str, ...], rates: str, rounds: int, seconds: float, before: Path | None
) -> None:
    """Response times at steady rates, in percentiles."""
    demand({"gcc", *programs_of(servers)})
    wanted = [int(rate) for rate in rates.split(",")]
    show(latency.measure(latency.Plan(servers, wanted, rounds, seconds, before)), save)


@main.command("tcp")
@_servers
@_rounds
@_seconds
@_before
@click.pass_obj
def tcp_command(save: bool, servers: tuple[str, ...], rounds: int, seconds: float, before: Path | None) -> None:
    """CPU time a query over TCP: connections that stay open, and one for each query."""
    asked = [server for server in servers if server != "floor"]  # the floor is of UDP
    demand({"dnsperf", "gcc", *programs_of(asked)})
    show(tcp.measure(tcp.Plan(asked, rounds, seconds, before)), save)


@main.command("workers")
@click.option("--rates", default="10000,30000", show_default=True, help="Queries a second for each worker.")
@_rounds
@_seconds
@click.pass_obj
def workers_command(save: bool, rates: str, rounds: int, seconds: float) -> None:
    """CPU time a query with one worker and with two."""
    demand({"dnsperf"})
    wanted = [int(rate) for rate in rates.split(",")]
    show(workers.measure(workers.Plan(wanted, rounds, seconds)), save)


@main.command("starts")
@_servers
@click.option("--sizes", default="10000,1000000", show_default=True, help="PTR records, with commas between.")
@_rounds
@_before
@click.pass_obj
def starts_command(save: bool, servers: tuple[str, ...], sizes: str, rounds: int, before: Path | None) -> None:
    """Seconds from the start to the first right answer."""
    asked = [server for server in servers if server != "floor"]  # it has no records
    demand(programs_of(asked))
    show(starts.measure(starts.Plan(asked, [int(size) for size in sizes.split(",")], rounds, before)), save)


@main.command("memory")
@_servers
@click.option("--rounds", type=click.IntRange(1), default=1, show_default=True)
@click.pass_obj
def memory_command(save: bool, servers: tuple[str, ...], rounds: int) -> None:
    """Memory of all processes: by the number of records and of workers, and after reloads."""
    asked = [server for server in servers if server != "floor"]
    demand({"dnsperf", *programs_of(asked)})
    show(memory.measure(memory.Plan(asked, rounds)), save)


@main.command("reloads")
@click.option("--rounds", type=click.IntRange(1), default=20, show_default=True, help="Reloads.")
@click.option("--rate", type=click.IntRange(1), default=10_000, show_default=True, help="Queries a second.")
@click.option("--entries", type=click.IntRange(1000), default=1_000_000, show_default=True)
@click.pass_obj
def reloads_command(save: bool, rounds: int, rate: int, entries: int) -> None:
    """Reloads under a steady load: when new answers are seen, what is lost, how late answers are meanwhile."""
    demand({"gcc"})
    show(reloads.measure(reloads.Plan(entries, rate, rounds)), save)


@main.command("tops")
@click.option("--rounds", type=click.IntRange(1), default=3, show_default=True)
@click.option("--keys", type=click.IntRange(1000), default=10_000_000, show_default=True)
@click.option("--clients", type=click.IntRange(100), default=1_000_000, show_default=True)
@click.pass_obj
def tops_command(save: bool, rounds: int, keys: int, clients: int) -> None:
    """The sketches behind the tops: what they find, memory, time a key."""
    show(tops.measure(tops.Plan(keys, clients, rounds=rounds)), save)


@main.command("accounting")
@click.option("--workloads", callback=_split([*WORKLOADS]), default="mixed,scan", show_default=True)
@click.option("--rounds", type=click.IntRange(1), default=15, show_default=True, help="Pairs of runs.")
@_seconds
@click.pass_obj
def accounting_command(save: bool, workloads: tuple[str, ...], rounds: int, seconds: float) -> None:
    """Throughput with the tops and without them, in pairs."""
    demand({"gcc"})
    show(accounting.measure(accounting.Plan(workloads, rounds, seconds)), save)


@main.command("flat")
@click.option("--queries", type=click.IntRange(1000), default=20_000_000, show_default=True)
@click.option("--parts", type=click.IntRange(2), default=20, show_default=True)
@click.pass_obj
def flat_command(save: bool, queries: int, parts: int) -> None:
    """Memory under queries that never repeat."""
    demand({"dnsperf"})
    show(flat.measure(flat.Plan(queries, parts)), save)


@main.command("dnstap")
@click.option("--rate", type=click.IntRange(1), default=dnstap.Plan.rate, show_default=True, help="Queries a second.")
@click.option("--seconds", type=click.FloatRange(0.1), default=dnstap.Plan.seconds, show_default=True)
@click.option(
    "--trouble", is_flag=True, help="BIND and Unbound, while the receiver is in trouble; each --seconds long."
)
@click.pass_obj
def dnstap_command(save: bool, rate: int, seconds: float, trouble: bool) -> None:
    """dnstap: what is counted of BIND's queries, and at what cost."""
    demand({"dnsperf", "named", *({"unbound"} if trouble else ())})
    measure = dnstap.measure_trouble if trouble else dnstap.measure
    show(measure(dnstap.Plan(rate, seconds)), save)


@main.command("scan")
@click.option("--packets", type=click.IntRange(1000), default=scan.Plan.packets, show_default=True)
@click.option(
    "--kinds",
    callback=_split([*captures.KINDS]),
    default=",".join(captures.KINDS),
    show_default=True,
    help="Of captures, with commas between.",
)
@_rounds
@click.pass_obj
def scan_command(save: bool, packets: int, kinds: tuple[str, ...], rounds: int) -> None:
    """Packets a second that `scan` goes through, beside tcpdump."""
    demand({"tcpdump", "gzip"})
    show(scan.measure(scan.Plan(packets, rounds, kinds)), save)


@main.command("floor")
@_workloads
@_servers
@_rounds
@_seconds
@click.pass_obj
def floor_command(
    save: bool, workloads: tuple[str, ...], servers: tuple[str, ...], rounds: int, seconds: float
) -> None:
    """CPU time a query beyond what the kernel takes (an echo loop in C)."""
    asked = tuple(dict.fromkeys([*servers, floor.FLOOR]))
    demand({"gcc", *programs_of(asked)})
    seen = capacity.measure(throughput.Plan(workloads, asked, rounds, seconds))
    show(seen, save)
    show(floor.relate(seen), save=False)  # docs/performance.md derives it from the table of capacity


@main.command("profile")
@click.option("--workload", type=click.Choice([*WORKLOADS]), default="mixed", show_default=True)
@click.option("--tcp", is_flag=True, help="Over TCP: 8 connections, 200 queries outstanding.")
@click.option("--seconds", type=click.IntRange(1), default=10, show_default=True)
@click.option("--output", type=click.Path(path_type=Path), default=ROOT / ".cache" / "profile.svg", help="Flame graph.")
def profile_command(workload: str, tcp: bool, seconds: int, output: Path) -> None:
    """Where the time of a worker of ours goes (py-spy)."""
    demand({"dnsperf", "py-spy"})
    seen = profile.profile(workload, seconds, output, tcp=tcp)
    for title, shares in (("lines", seen.lines), ("functions", seen.functions)):
        click.echo(f"\n{seen.samples} samples; {title} that were running, in per cent:")
        for name, share in shares:
            click.echo(f"{share * 100:6.1f}  {name.replace(f'{ROOT}/', '')}")
    click.echo(f"\nFlame graph: {seen.flame_graph}")


@main.command("pictures")
def pictures_command() -> None:
    """Draw the pictures of docs/performance from the tables that were kept."""
    demand(set(), {"matplotlib"})
    for path in pictures.draw(tables.load().values()):
        click.echo(path.relative_to(ROOT))


@main.command("document")
def document_command() -> None:
    """Write the tables that were kept into docs/performance.md."""
    document.refresh()


@main.command("all")
@_rounds
@_seconds
@click.pass_obj
def all_command(save: bool, rounds: int, seconds: float) -> None:
    """Measure everything; with --save also keep it, write it into docs/performance.md and draw the pictures."""
    demand({"dnsperf", "gcc", *peers.PROGRAMS.values()}, {"matplotlib"} if save else set())
    show(throughput.measure(throughput.Plan(rounds=rounds, seconds=seconds)), save)
    show(capacity.measure(throughput.Plan(rounds=rounds, seconds=seconds)), save)
    show(latency.measure(latency.Plan(rounds=rounds, seconds=seconds)), save)
    show(tcp.measure(tcp.Plan(rounds=rounds, seconds=seconds)), save)
    show(workers.measure(workers.Plan(rounds=rounds, seconds=seconds)), save)
    show(starts.measure(starts.Plan(rounds=rounds)), save)
    show(memory.measure(memory.Plan()), save)
    show(reloads.measure(reloads.Plan()), save)
    show(flat.measure(flat.Plan()), save)
    if save:
        pictures.draw(tables.load().values())
        document.refresh()


if __name__ == "__main__":
    main()
