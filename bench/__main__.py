"""The command `python -m bench`: says all that is missing, measures, prints tables, and keeps them with `--save`."""

from collections.abc import Sequence
from pathlib import Path

import click

from bench import peers, tables, throughput
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


def demand(programs: set[str], modules: set[str] = frozenset(), *, root: bool = False) -> None:
    """End with a list of all that is missing, if anything is."""
    lines = missing(programs | _FOR_ALL, modules, root=root)
    if lines:
        raise SystemExit("Missing, and how to get it:\n" + "".join(f"  {line}\n" for line in lines))


def show(table: Table, save: bool) -> None:
    """Print a table, and keep it if that is wanted."""
    click.echo(f"\n{table.title}\n\n{table.to_markdown()}")
    if save:
        tables.save([table])


def _names(known: Sequence[str]) -> click.ParamType:
    return _Names(known)


class _Names(click.ParamType):
    """Names, with commas between them."""

    name = "names"

    def __init__(self, known: Sequence[str]) -> None:
        self._known = known

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> tuple[str, ...]:
        """Split and look each name up."""
        if not isinstance(value, str):
            return tuple(value)  # type: ignore[arg-type]  # a default
        names = tuple(value.split(","))
        for name in names:
            if name not in self._known:
                self.fail(f"{name!r} is none of {', '.join(self._known)}", param, ctx)
        return names


_workloads = click.option(
    "--workloads", type=_Names([*WORKLOADS]), default=throughput.Plan.workloads, help="Which, with commas between."
)
_servers = click.option(
    "--servers",
    type=_Names([*throughput.SERVERS, peers.BEFORE]),
    default=throughput.SERVERS,
    help="Which, with commas.",
)
_rounds = click.option("--rounds", type=click.IntRange(1), default=5, show_default=True)
_seconds = click.option("--seconds", type=click.FloatRange(0.1), default=5.0, show_default=True, help="Of each run.")
_before = click.option(
    "--before", type=click.Path(exists=True, path_type=Path), help="Another checkout of ours, as the server `before`."
)


def programs_of(servers: Sequence[str]) -> set[str]:
    """The programs that servers need."""
    return {peers.PROGRAMS[server] for server in servers if server in peers.PROGRAMS}


@main.command("throughput")
@_workloads
@_servers
@_rounds
@_seconds
@_before
@click.option("--entries", type=int, help="PTR records in place of 10,000 (`scan`: 1,000,000).")
@click.pass_obj
def throughput_command(
    save: bool,
    workloads: tuple[str, ...],
    servers: tuple[str, ...],
    rounds: int,
    seconds: float,
    before: Path | None,
    entries: int | None,
) -> None:
    """Queries a second and CPU time a query, one core, over UDP."""
    demand({"dnsperf", *programs_of(servers)})
    show(throughput.measure(throughput.Plan(workloads, servers, rounds, seconds, entries, before)), save)


if __name__ == "__main__":
    main()
