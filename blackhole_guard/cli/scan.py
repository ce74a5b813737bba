"""`blackhole-guard scan`: what captures and query logs say of the queries that went to the blackhole servers."""

import gc
import json
import os
import sys
from collections.abc import Iterator
from contextlib import AbstractContextManager, closing, contextmanager, nullcontext, suppress
from dataclasses import dataclass, field, fields
from typing import Any

import click

from blackhole_guard.cli.leak_report import print_report, report_as_json
from blackhole_guard.cli.scan_logs import print_summary, tell
from blackhole_guard.cli.terminal import make_console
from blackhole_guard.leaks.captures import Evidence
from blackhole_guard.leaks.evidence import EvidenceError, Leak, Via
from blackhole_guard.leaks.leak_tops import WholeTops
from blackhole_guard.leaks.libpcap import Libpcap, find_libpcap
from blackhole_guard.leaks.log_files import NOT_UNDERSTOOD, FollowedLog, LogCounts, read_blocks, read_log
from blackhole_guard.leaks.observed import Observed
from blackhole_guard.leaks.traffic import Counts, Traffic
from blackhole_guard.wire.names import escape_text

_STDIN = "-"
_STDIN_DESCRIPTOR = 0
_NO_EVIDENCE = "neither pcap nor pcapng, nor text"


class _OutputError(Exception):
    """A leak could not be told: its cause is no fault of the file that is read."""


@dataclass(slots=True)
class _Found:
    """What all files together have shown."""

    observed: Observed[WholeTops] = field(default_factory=lambda: Observed(WholeTops))
    counts: Counts = field(default_factory=Counts)
    log_counts: LogCounts = field(default_factory=LogCounts)
    problems: dict[str, str | None] = field(default_factory=dict)  # file -> what is wrong with it
    unread: int = 0  # files of which nothing could be read
    is_complete: bool = True  # nobody has interrupted us
    captures: int = 0  # among the files

    @property
    def begun(self) -> int:
        """Files of which something could be read, and understood."""
        return self.captures + self.log_counts.understood

    @property
    def leaks(self) -> int:
        """Those that are proven, or likely."""
        return sum(tally.leaks - tally.possible for tally in self.observed.tallies())

    @property
    def exit_code(self) -> int:
        """What `scan` ends with."""
        if self.problems and self.unread == len(self.problems):
            return 2
        is_good = self.is_complete and not self.leaks and not any(self.problems.values())
        return 0 if is_good else 1


@click.command(
    help="Find leaks in captures: queries and updates that went to the blackhole servers, and who waited how long; "
    "or in query logs of BIND, Unbound, dnsmasq or systemd-resolved: what leaked, or may have. "
    "FILE is pcap or pcapng, or text, plain or compressed by gzip, bzip2 or xz; - is standard input. "
    "Exit code 0: no leaks, but perhaps queries that may leak; 1: leaks, or a file that could not be read to its end; "
    "2: nothing could be read, or understood."
)
@click.argument("files", nargs=-1, required=True, metavar="FILE...")
@click.option(
    "--json", "as_json", is_flag=True, help="Print JSON; with --follow a line for each leak, and one at the end."
)
@click.option(
    "--follow", is_flag=True, help="Tell leaks as they are logged, and wait for more at the end of the only FILE."
)
@click.option("--without-libpcap", is_flag=True, help="Read in Python alone: slower, with the same result.")
def command(files: tuple[str, ...], as_json: bool, follow: bool, without_libpcap: bool) -> None:
    """Read, print, and exit as the help says."""
    files = tuple(dict.fromkeys(files))  # what is named twice has not leaked twice
    if follow and len(files) > 1:
        raise click.UsageError("--follow follows one file")
    found = _Found()
    libpcap = None if without_libpcap else find_libpcap()
    # What is kept is bounded and has no cycles: looking for some takes a tenth of the time.
    gc.disable()
    try:
        for file in files:
            if follow:
                _follow(file, found, as_json=as_json)
            else:
                _scan(file, found, libpcap)
    except KeyboardInterrupt:
        found.is_complete = False
    except _OutputError as error:
        assert error.__cause__ is not None
        raise error.__cause__ from None
    finally:
        gc.enable()
    for file, problem in found.problems.items():
        if problem is not None:
            _complain(f"{escape_text(file)}: {escape_text(problem)}")
    if not found.is_complete:
        _complain("interrupted: this is what was found before")
    if found.exit_code != 2 or (follow and as_json):
        _print(found, as_json=as_json, is_last=follow)
    sys.exit(found.exit_code)


def _complain(text: str) -> None:
    """Print to standard error; what was found must be printed, too, if that is full."""
    with suppress(OSError):
        click.echo(text, err=True)


def _print(found: _Found, *, as_json: bool, is_last: bool) -> None:
    """Print what was found; `is_last`: as the last of the lines that told of each leak."""
    if as_json:
        report: dict[str, Any] = {"event": "summary"} if is_last else {}
        report |= report_as_json(found.observed, found.counts)
        report["counts"]["lines"] = found.log_counts.lines
        report |= {"files": found.problems, "complete": found.is_complete}
        click.echo(json.dumps(report, indent=2 if sys.stdout.isatty() and not is_last else None))
        return
    console = make_console()
    if found.captures:
        print_report(console, found.observed, Via.CAPTURE, found.counts)
    if found.log_counts.understood or not found.captures:
        print_summary(console, found.observed, found.log_counts)


def _scan(file: str, found: _Found, libpcap: Libpcap | None) -> None:
    """Read one file."""
    with _noting_problems(file, found), _opened(file) as descriptor:
        evidence = Evidence(descriptor)
        with _progress(file, evidence):
            _read(evidence, found, libpcap)


def _follow(file: str, found: _Found, *, as_json: bool) -> None:
    """Read a log until there is an end, that of a pipe, or SIGINT; tell each leak as it is logged."""

    def report(leak: Leak) -> None:
        found.observed.add(leak)
        try:
            tell(leak, as_json=as_json)
        except OSError as error:
            raise _OutputError from error

    with _noting_problems(file, found), _opened(file) as descriptor:
        evidence = Evidence(descriptor)
        if evidence.format is not None:
            raise click.UsageError("--follow is for a query log")
        if evidence.is_compressed and evidence.size is not None:
            raise EvidenceError("a compressed file is not followed", is_started=False)
        if evidence.start and not evidence.is_text:
            raise EvidenceError(_NO_EVIDENCE, is_started=False)
        with suppress(KeyboardInterrupt):
            if evidence.size is None:
                read_log(read_blocks(evidence.read), evidence.newest, report, found.log_counts)
            else:
                with FollowedLog(file, descriptor) as log:
                    read_log(log.blocks(), log.newest, report, found.log_counts)
        if found.log_counts.lines and not found.log_counts.understood:
            raise EvidenceError(NOT_UNDERSTOOD, is_started=False)


@contextmanager
def _noting_problems(file: str, found: _Found) -> Iterator[None]:
    """Note what is wrong with a file; what was found before stands."""
    found.problems[file] = None
    before = found.begun
    try:
        yield
    except EvidenceError as error:
        found.problems[file] = str(error)
        found.unread += not error.is_started
    except OSError as error:
        found.problems[file] = error.strerror or str(error)
        found.unread += found.begun == before  # else a disk, a network or a terminal failed on the way


def _read(evidence: Evidence, found: _Found, libpcap: Libpcap | None) -> None:
    """Read evidence by its kind, which its first octets tell."""
    if evidence.format is not None:
        found.captures += 1
        _read_capture(evidence, found, libpcap)
    elif evidence.is_text:
        read_log(read_blocks(evidence.read), evidence.newest, found.observed.add, found.log_counts)
    else:
        raise EvidenceError(_NO_EVIDENCE if evidence.start else "it is empty", is_started=False)


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


def _progress(file: str, evidence: Evidence) -> AbstractContextManager[object]:
    if evidence.size is None or not sys.stderr.isatty():
        return nullcontext()
    from blackhole_guard.cli.scan_progress import Reading  # what draws takes longer to import than small files to read

    return Reading(file, evidence, evidence.size)
