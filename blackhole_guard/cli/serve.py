"""`blackhole-guard serve`."""

import sys

import click

from blackhole_guard.app.serve import ServeError, Started, serve
from blackhole_guard.cli.settings_options import DEFAULT_CONFIG, find_config, make_overrides, refuse_words


@click.command(
    help="Serve the reserved reverse zones, filled in by maps, over UDP and TCP, until SIGTERM or Ctrl-C. "
    "Without any option: every reserved zone, empty, on 127.0.0.1 and ::1, port 53. "
    "Options replace what the settings file says."
)
@click.argument("rest", nargs=-1, metavar="")
@click.option("--config", metavar="FILE", help=f"The settings file.  [default: {DEFAULT_CONFIG} if it is there]")
@click.option("--zones", multiple=True, metavar="PATTERN", help="Map files, as 'zones/*.yaml'. Repeatable.")
@click.option("--listen", multiple=True, metavar="ADDRESS", help="An address, address:port or interface. Repeatable.")
@click.option("--port", type=int, metavar="PORT", help="The port where an address names none.")
@click.option("--workers", metavar="N", help="Processes that answer, or `auto`.")
@click.option("--user", metavar="USER[:GROUP]", help="Whom to become once the sockets are open.")
@click.option("--state-dir", metavar="DIR", help="Where snapshots and serials are kept.")
@click.option("--metrics", multiple=True, metavar="ADDRESS", help="Where metrics and health are served. Repeatable.")
@click.option("--no-metrics", is_flag=True, help="Serve no metrics.")
@click.option("--watch/--no-watch", default=None, help="Reload when a file changes.")
def command(
    rest: tuple[str, ...],
    config: str | None,
    zones: tuple[str, ...],
    listen: tuple[str, ...],
    port: int | None,
    workers: str | None,
    user: str | None,
    state_dir: str | None,
    metrics: tuple[str, ...],
    no_metrics: bool,
    watch: bool | None,
) -> None:
    """Be the server; exit code 0: stopped, 1: could not start, 2: used wrongly."""
    if rest:
        refuse_words(rest, zones)
    if metrics and no_metrics:
        raise click.UsageError("--metrics and --no-metrics exclude each other")
    overrides = make_overrides(
        include=zones,
        server__listen=listen,
        server__port=port,
        server__workers=workers,
        server__user=user,
        server__state_dir=state_dir,
        server__watch=watch,
        telemetry__listen=metrics,
        telemetry__enabled=False if no_metrics else True if metrics else None,
    )
    try:
        code = serve(find_config(config), overrides, _greet)
    except ServeError as error:
        for line in error.lines:
            click.echo(line, err=True)
        code = 1
    sys.exit(code)


def _greet(started: Started) -> None:
    """Tell who started it on a terminal what to do next; a log collector needs none of this."""
    if not sys.stderr.isatty():
        return
    first = next((each for each in started.addresses if each.startswith("127.")), started.addresses[0])
    host, _, port = first.rpartition(":")
    host = {"0.0.0.0": "127.0.0.1", "[::]": "::1"}.get(host, host.strip("[]"))
    result = started.result
    workers = f"{started.workers} worker{'s' if started.workers > 1 else ''}"
    lines = [
        f"\n  Serving {result.zones} zones with {result.records} PTR records, by {workers}",
        *(f"    on {address} over UDP and TCP" for address in started.addresses),
        *(f"    metrics on http://{address}/metrics" for address in started.metrics),
        f"  Try   dig -p {port} @{host} -x 127.0.0.1 +short",
        "  Stop  Ctrl-C\n",
    ]
    click.echo("\n".join(lines), err=True)
