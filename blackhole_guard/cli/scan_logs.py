"""`blackhole-guard scan` for query logs: reads or follows one, and says what it shows of leaks."""

import json
import sys
from collections.abc import Sequence
from ipaddress import ip_address
from typing import Any

import click

from blackhole_guard.cli.leak_report import find_tops, print_tops, tops_as_json
from blackhole_guard.cli.terminal import count, make_console, make_table
from blackhole_guard.leaks.evidence import Certainty, EvidenceError, Leak, Report, Via
from blackhole_guard.leaks.leak_tops import WholeTops
from blackhole_guard.leaks.log_files import LogCounts, LogFile, read_log
from blackhole_guard.leaks.observed import Observed
from blackhole_guard.wire.codes import RRType
from blackhole_guard.wire.names import escape_text, format_name

WORDS = {  # what a certainty means, for people
    Certainty.OBSERVED: "leaked",
    Certainty.LIKELY: "likely leaked",
    Certainty.POSSIBLE: "may leak",
}


def scan_log(file: str, report: Report, counts: LogCounts, *, follow: bool = False) -> str | None:
    """Read a query log and report the leaks in it; with `follow` until SIGINT.

    Args:
        file: its path.
        report: is handed each leak.
        counts: is kept up to date.
        follow: whether to wait for more at its end, through rotations.
    Returns:
        What is wrong with the file, safe to print; None: nothing.
    """
    try:
        with LogFile(file) as log:
            read_log(log, report, counts, follow=follow)
    except OSError as error:
        return f"{escape_text(file)}: {error.strerror}"
    except EvidenceError as error:
        return f"{escape_text(file)}: {error}"
    except KeyboardInterrupt:
        if not follow:
            raise
    return None


def scan_logs(files: Sequence[str], *, follow: bool, as_json: bool) -> int:
    """Read query logs and print what they show; returns the exit code of `scan`.

    Raises:
        click.UsageError: several files are to be followed.
    """
    if follow and len(files) > 1:
        raise click.UsageError("--follow follows one file")
    observed, counts, problems = Observed(WholeTops), LogCounts(), list[str]()
    report = _tell if follow and not as_json else None
    for file in files:
        problem = scan_log(file, _both(observed.add, report), counts, follow=follow)
        if problem is not None:
            problems.append(problem)
            click.echo(problem, err=True)
    if as_json:
        click.echo(json.dumps(as_plain(observed, counts)))
    else:
        print_summary(observed, counts)
    if problems and not counts.lines:
        return 2
    return 1 if counts.leaks or problems else 0


def _both(first: Report, second: Report | None) -> Report:
    if second is None:
        return first

    def report(leak: Leak) -> None:
        first(leak)
        second(leak)

    return report


def _tell(leak: Leak) -> None:
    """Print one leak as it happens."""
    client = "" if leak.client is None else f" for {ip_address(leak.client)}"
    server = "" if leak.server is None else f" to {ip_address(leak.server)}"
    qtype = RRType(leak.qtype).name if leak.qtype in set(RRType) else f"TYPE{leak.qtype}"
    click.echo(f"{WORDS[leak.certainty]}: {format_name(leak.name)} {qtype}{client}{server}")
    sys.stdout.flush()


def print_summary(observed: Observed[WholeTops], counts: LogCounts) -> None:
    """Print a table of what was found."""
    console = make_console()
    table = make_table("leak", "block", "sink", "shape", "queries", right=("queries",))
    for series, number in sorted(observed.leaks.items(), key=lambda item: (item[0].certainty, -item[1])):
        table.add_row(WORDS[series.certainty], series.block, series.sink, series.shape, f"{number:,}")
    if observed.leaks:
        console.print(table)
    print_tops(console, "leaks are caused by", find_tops(observed, Via.LOG))
    print_tops(console, "what may leak is asked by", find_tops(observed, Via.LOG, proven=False))
    if observed.leaks:
        console.print()
    partial = sum(observed.partial.values())
    if partial:
        console.print(f"besides {count(partial, 'query', 'queries')} for a part of an address")
    console.print(f"{count(counts.lines, 'line')}, {count(sum(observed.leaks.values()), 'finding')}")


def as_plain(observed: Observed[WholeTops], counts: LogCounts) -> dict[str, Any]:
    """Give what was found as JSON has it."""
    return {
        "lines": counts.lines,
        "partial": sum(observed.partial.values()),
        "leaks": [
            {
                "certainty": series.certainty.value,
                "block": series.block,
                "sink": series.sink.value,
                "shape": series.shape,
                "queries": number,
            }
            for series, number in sorted(observed.leaks.items())
        ],
        "leaked": tops_as_json(find_tops(observed, Via.LOG)),
        "may_leak": tops_as_json(find_tops(observed, Via.LOG, proven=False)),
    }
