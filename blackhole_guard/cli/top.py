"""`blackhole-guard top`."""

import os
import sys
from collections.abc import Iterable
from datetime import UTC, datetime
from time import time

import click
from rich.console import Console

from blackhole_guard.app.leak_keeper import STATE_FILE as OBSERVED_FILE
from blackhole_guard.app.tops import STATE_FILE
from blackhole_guard.cli.running_server import find_state_dir
from blackhole_guard.cli.settings_options import DEFAULT_CONFIG
from blackhole_guard.cli.terminal import count, make_console, make_table, print_document
from blackhole_guard.leaks.observed_state import read_tops
from blackhole_guard.leaks.tops import MAX_STATE, MAX_TOP, Top, Tops, TopsError, TopsReport
from blackhole_guard.leaks.windows import WINDOWS, Window
from blackhole_guard.wire.names import escape_text

_SHOWN = 10  # lines of each kind
_AVERTED = "averted"
_WHY = {  # why there may be none
    False: "no averted leak was counted yet, or telemetry.tops is off",
    True: "no leak was observed yet, or nobody tells the server of any (docs/leaks.md)",
}


@click.command(
    help="Show who causes averted leaks, which addresses without a name are asked for, and who asks for which; or the "
    "same of observed leaks, by each kind of evidence: as the running server last kept it, mostly seconds ago. "
    "It is found as by `reload`. docs/tops.md says what counts mean."
)
@click.option("--observed", "is_observed", is_flag=True, help="Show who causes leaks that still happen.")
@click.option("--config", metavar="FILE", help=f"The settings file.  [default: {DEFAULT_CONFIG} if it is there]")
@click.option("--state-dir", metavar="DIR", help="The server's state directory.")
@click.option(
    "--window",
    type=click.Choice([window.value for window in WINDOWS]),
    default=Window.HOUR.value,
    show_default=True,
    help="How far back.",
)
@click.option("-n", "most", type=click.IntRange(1, MAX_TOP), default=_SHOWN, show_default=True, help="Lines of each.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def command(
    is_observed: bool, config: str | None, state_dir: str | None, window: str, most: int, as_json: bool
) -> None:
    """Show the tops; exit code 1: there are none that can be read."""
    path = os.path.join(state_dir or find_state_dir(config), OBSERVED_FILE if is_observed else STATE_FILE)
    now = time()
    try:
        with open(path, "rb") as file:
            octets = file.read(MAX_STATE + 1)
            saved = os.fstat(file.fileno()).st_mtime
        kept = read_tops(octets, now) if is_observed else {_AVERTED: Tops.restore(octets, now)}
    except (OSError, TopsError) as error:
        reason = error.strerror if isinstance(error, OSError) else error
        why = f"; {_WHY[is_observed]}" if isinstance(error, FileNotFoundError) else ""
        click.echo(escape_text(f"{path}: {reason}{why}"), err=True)
        sys.exit(1)
    reports = {str(kind): tops.report(Window(window), now, most) for kind, tops in kept.items()}
    if as_json:
        print_document(reports if is_observed else reports[_AVERTED])
        return
    console = make_console()
    for kind, report in reports.items():
        if is_observed:
            _show(console, report, saved, ("leak", f" seen by {kind}"), "address")
            console.print()
        else:
            _show(console, report, saved, ("averted leak", ""), "address without a name")
    if len(reports) > 1:
        console.print("Several kinds of evidence may have seen the same leak, so these numbers must not be added.")


def _show(console: Console, report: TopsReport, saved: float, what: tuple[str, str], address: str) -> None:
    """Show one report. `what` is counted: a noun, and what stands behind it."""
    since, until = (datetime.fromtimestamp(when, UTC).strftime("%Y-%m-%d %H:%M:%S") for when in (report.since, saved))
    console.print(f"{count(report.total, what[0])}{what[1]} from {since} to {until} UTC")
    if report.passed:
        console.print(f"estimates: of up to {report.one_in:,} messages one was looked at, {report.passed:,} were not")
    _show_tops(console, "client", report.clients)
    _show_tops(console, address, report.addresses)
    _show_tops(console, "client and address", report.pairs)


def _show_tops(console: Console, what: str, tops: Iterable[Top]) -> None:
    table = make_table(what, "count", "off by", right=("count", "off by"))
    for top in tops:
        names = " ".join(name for name in (top.client, top.address) if name is not None)
        table.add_row(names or "not known", f"{top.count:,}", _format_error(top))
    console.print()
    console.print(table)


def _format_error(top: Top) -> str:
    """Say how far a count may be off: `-error`, the sketch's, and `+-`, the sample's."""
    parts = [f"-{top.error:,}"] if top.error else []
    parts += [f"+-{top.sampling_error:,}"] if top.sampling_error else []
    return " ".join(parts)
