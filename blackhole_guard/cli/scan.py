"""`blackhole-guard scan`: what captures and query logs say of the queries that went to the blackhole servers."""

import gc
import json
import os
import sys
from collections.abc import Iterable, Iterator
from contextlib import closing, contextmanager, nullcontext
from dataclasses import dataclass, field, fields

import click
from rich.console import RenderableType
from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TimeRemainingColumn

from blackhole_guard.cli.leak_report import print_report, report_as_json
from blackhole_guard.cli.scan_logs import scan_logs
from blackhole_guard.cli.terminal import make_console
from blackhole_guard.leaks.captures import Evidence
from blackhole_guard.leaks.evidence import EvidenceError, Via
from blackhole_guard.leaks.leak_tops import WholeTops
from blackhole_guard.leaks.libpcap import Libpcap, find_libpcap
from blackhole_guard.leaks.observed import Observed
from blackhole_guard.leaks.traffic import Counts, Traffic
from blackhole_guard.wire.names import escape_text

_STDIN = "-"
_STDIN_DESCRIPTOR = 0


@dataclass(slots=True)
class _Found:
    """What all files together have shown."""

    observed: Observed[WholeTops] = field(default_factory=lambda: Observed(WholeTops))
    counts: Counts = field(default_factory=Counts)
    problems: dict[str, str | None] = field(default_factory=dict)  # file -> what is wrong with it
    unread: int = 0  # files of which nothing could be read


@click.command(
    help="Find leaks in captures: queries and updates that went to the blackhole servers, and who waited how long; "
    "or in query logs of BIND, Unbound, dnsmasq or systemd-resolved: what leaked, or may have. "
    "FILE is pcap or pcapng, plain or compressed by gzip, bzip2 or xz, - is standard input; or text, plain or gzip. "
    "Exit code 0: no leaks; 1: leaks, or a file that could not be read to its end; 2: nothing could be read."
)
@click.argument("files", nargs=-1, required=True, metavar="FILE...")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@click.option("--follow", is_flag=True, help="Wait for more at the end of the only FILE, a query log.")
@click.option("--without-libpcap", is_flag=True, help="Read in Python alone: slower, with the same result.")
def command(files: tuple[str, ...], as_json: bool, follow: bool, without_libpcap: bool) -> None:
    """Read, print, and exit as the help says."""
    logs = [file for file in files if _is_log(file, or_empty=follow)]
    if logs and len(logs) < len(files):
        what = f"{escape_text(logs[0])} is text, others are not"
        raise click.UsageError(f"{what}: scan logs and captures one after the other")
    if follow and not logs:
        raise click.UsageError("--follow is for a query log")
    if logs:
        sys.exit(scan_logs(logs, follow=follow, as_json=as_json))
    _scan_captures(files, as_json=as_json, without_libpcap=without_libpcap)


def _is_log(file: str, *, or_empty: bool) -> bool:
    """Say whether a file, unpacked, begins with text: what cannot be read is for the readers of captures to say."""
    if file == _STDIN:
        return False
    try:
        with _opened(file) as descriptor:
            evidence = Evidence(descriptor)
            start = evidence.start
    except (EvidenceError, OSError):
        return False
    return evidence.format is None and b"\0" not in start and (bool(start) or or_empty)


def _scan_captures(files: tuple[str, ...], *, as_json: bool, without_libpcap: bool) -> None:
    """Read captures, print what they show, and exit."""
    found = _Found()
    libpcap = None if without_libpcap else find_libpcap()
    is_complete = True
    # What is kept is bounded and has no cycles: looking for some takes a tenth of the time.
    gc.disable()
    try:
        for file in files:
            _scan(file, found, libpcap)
    except KeyboardInterrupt:
        is_complete = False
    finally:
        gc.enable()
    for file, problem in found.problems.items():
        if problem is not None:
            click.echo(f"{escape_text(file)}: {escape_text(problem)}", err=True)
    if not is_complete:
        click.echo("interrupted: this is what was found before", err=True)
    if found.unread == len(files):
        sys.exit(2)
    if as_json:
        report = report_as_json(found.observed, Via.CAPTURE, found.counts) | {
            "files": found.problems,
            "complete": is_complete,
        }
        click.echo(json.dumps(report, indent=2 if sys.stdout.isatty() else None))
    else:
        print_report(make_console(), found.observed, Via.CAPTURE, found.counts)
    is_good = is_complete and not found.observed.total and not any(found.problems.values())
    sys.exit(0 if is_good else 1)


def _scan(file: str, found: _Found, libpcap: Libpcap | None) -> None:
    """Read one file; what is wrong with it is noted, and what was found before stands."""
    found.problems[file] = None
    try:
        with _opened(file) as descriptor:
            evidence = Evidence(descriptor)
            with _progress(file, evidence):
                _read(evidence, found, libpcap)
    except EvidenceError as error:
        found.problems[file] = str(error)
        found.unread += not error.is_started
    except OSError as error:
        found.problems[file] = error.strerror or str(error)
        found.unread += 1


def _read(evidence: Evidence, found: _Found, libpcap: Libpcap | None) -> None:
    """Read evidence by its kind, which its first octets tell."""
    if evidence.format is None:
        raise EvidenceError("neither pcap nor pcapng", is_started=False)
    _read_capture(evidence, found, libpcap)


def _read_capture(evidence: Evidence, found: _Found, libpcap: Libpcap | None) -> None:
    traffic = Traffic(Via.CAPTURE, found.observed.add, found.observed.add_wait)
    try:
        with closing(evidence.frames(libpcap)) as frames:  # an interruption ends its threads, too
            for frame in frames:
                traffic.receive(frame)
    finally:
        traffic.finish()
        for each in fields(Counts):
            before = getattr(found.counts, each.name)
            setattr(found.counts, each.name, before + getattr(traffic.counts, each.name))


@contextmanager
def _opened(file: str) -> Iterator[int]:
    if file == _STDIN:
        yield _STDIN_DESCRIPTOR
        return
    descriptor = os.open(file, os.O_RDONLY)
    try:
        yield descriptor
    finally:
        os.close(descriptor)


class _Reading(Progress):
    """A bar that looks for itself how far a file was read: frames that matter may be hours apart."""

    def __init__(self, file: str, evidence: Evidence, size: int) -> None:
        self._evidence = evidence
        columns = (TextColumn("{task.description}"), BarColumn(), DownloadColumn(), TimeRemainingColumn())
        super().__init__(*columns, console=make_console(errors=True), transient=True)
        self._task = self.add_task(escape_text(os.path.basename(file), limit=40), total=size)

    def get_renderables(self) -> Iterable[RenderableType]:
        """Draw, after a look."""
        if self.tasks:
            self.update(self._task, completed=self._evidence.position())
        yield from super().get_renderables()


def _progress(file: str, evidence: Evidence) -> _Reading | nullcontext[None]:
    if evidence.size is None or not sys.stderr.isatty():
        return nullcontext()
    return _Reading(file, evidence, evidence.size)
