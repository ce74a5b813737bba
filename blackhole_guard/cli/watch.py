"""`blackhole-guard watch`: the leaks that pass this machine's interfaces, as they happen."""

import json
import math
import signal
import sys
import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field

import click

from blackhole_guard.cli.leak_report import format_leak, leak_as_json, print_report, report_as_json
from blackhole_guard.cli.terminal import make_console
from blackhole_guard.leaks.evidence import Leak, Via
from blackhole_guard.leaks.interfaces import ALL, Interface, wait
from blackhole_guard.leaks.tallies import Tallies
from blackhole_guard.leaks.traffic import Traffic
from blackhole_guard.wire.names import escape_text

LINES = 10  # a second; a flood must not fill a journal
_TURN = 0.5  # seconds between two looks at the clock
_NOT_ALLOWED = """watching interfaces takes CAP_NET_RAW. Run this as root, or give it that alone:
  systemctl start blackhole-guard-watch        (the unit has it)
  setpriv --reuid=nobody --regid=nogroup --clear-groups --inh-caps=-all,+net_raw --ambient-caps=-all,+net_raw \\
    --bounding-set=-all,+net_raw blackhole-guard watch        (as root)"""


@click.command(
    help="Show queries and updates on their way to the blackhole servers, a line for each, and a summary at the end. "
    "INTERFACE is one by name; none: all. Needs CAP_NET_RAW. "
    "Exit code, with --seconds or --count: 0: no leaks, 1: leaks; else 0, or 1 when the interface is gone."
)
@click.argument("interfaces", nargs=-1, metavar="[INTERFACE...]")
@click.option("--seconds", type=click.FloatRange(min=0, min_open=True), help="End after so long.")
@click.option("--count", type=click.IntRange(1), help="End after so many leaks.")
@click.option(
    "--json", "as_json", is_flag=True, help=f"Print JSON, a line for each leak, however many; else {LINES} a second."
)
def command(interfaces: tuple[str, ...], seconds: float | None, count: int | None, as_json: bool) -> None:
    """Watch until told to end, and print what was seen."""
    printer = _Printer(as_json)
    tallies = Tallies()

    def report(leak: Leak) -> None:
        tallies.add(leak)
        printer.leak(leak)

    traffic = Traffic(Via.PACKETS, report, tallies.add_wait)
    with ExitStack() as stack:
        opened = [stack.enter_context(_open(name)) for name in dict.fromkeys(interfaces or (ALL,))]
        watch = _Watch(opened, traffic, is_done=lambda: count is not None and tallies.leaks >= count)
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, watch.stop)
        click.echo(f"watching {', '.join(map(_name, opened))}", err=True)
        watch.run(math.inf if seconds is None else time.monotonic() + seconds, printer.turn)
        drops = sum(interface.drops() for interface in opened)
    traffic.finish()
    printer.turn(end=True)
    if as_json:
        click.echo(json.dumps({"event": "summary", **report_as_json(tallies, traffic.counts), "drops": drops}))
    else:
        print_report(make_console(), tallies, traffic.counts)
        if drops:
            click.echo(f"{drops:,} frames were lost here: this machine was too busy")
    has_limit = seconds is not None or count is not None
    sys.exit(1 if watch.has_failed or (has_limit and tallies.leaks) else 0)


def _open(name: str) -> Interface:
    try:
        return Interface(name)
    except PermissionError as error:
        raise click.ClickException(_NOT_ALLOWED) from error
    except OSError as error:
        raise click.ClickException(f"cannot watch {escape_text(name) or 'interfaces'}: {error.strerror}") from error


def _name(interface: Interface) -> str:
    return escape_text(interface.name) if interface.name != ALL else "all interfaces"


@dataclass(slots=True)
class _Watch:
    """The loop. `stop` is a signal's handler."""

    interfaces: Sequence[Interface]
    traffic: Traffic
    is_done: Callable[[], bool]
    is_stopped: bool = False
    has_failed: bool = False  # the only interface is gone

    def stop(self, *_: object) -> None:
        self.is_stopped = True

    def run(self, deadline: float, turn: Callable[[], None]) -> None:
        """Hand frames over until told to stop. `deadline`: monotonic seconds."""
        while not self.is_stopped and not self.is_done():
            left = deadline - time.monotonic()
            if left <= 0:
                return
            try:
                ready = wait(list(self.interfaces), min(left, _TURN))
            except OSError as error:
                click.echo(f"{escape_text(str(error.filename)) or 'an interface'}: {error.strerror}", err=True)
                self.has_failed = len(self.interfaces) == 1
                if self.has_failed:
                    return
                continue
            for interface in ready:
                for frame in interface.frames():
                    self.traffic.receive(frame)
                    if self.is_done():
                        return
            self.traffic.expire(time.time())
            turn()


@dataclass(slots=True)
class _Printer:
    """Lines for leaks, not more than a reader or a journal can take."""

    as_json: bool
    _second: int = 0
    _printed: int = 0  # in that second
    _suppressed: int = field(default=0)

    def leak(self, leak: Leak) -> None:
        """Print one."""
        if self.as_json:
            click.echo(json.dumps(leak_as_json(leak)))
            return
        self.turn()
        if self._printed >= LINES:
            self._suppressed += 1
            return
        self._printed += 1
        click.echo(format_leak(leak))

    def turn(self, *, end: bool = False) -> None:
        """Begin a new second if it is time, and say what the one before has left out."""
        second = int(time.monotonic())
        if second == self._second and not end:
            return
        if self._suppressed:
            click.echo(f"({self._suppressed:,} more suppressed)")
        self._second, self._printed, self._suppressed = second, 0, 0
