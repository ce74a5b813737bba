"""`blackhole-guard watch`: the leaks that pass this machine's interfaces, as they happen."""

import json
import math
import signal
import sys
import time
from collections.abc import Callable
from contextlib import ExitStack, redirect_stdout
from dataclasses import dataclass, field
from io import StringIO

import click

from blackhole_guard.cli.leak_report import format_leak, leak_as_json, print_report, report_as_json
from blackhole_guard.cli.running_server import find_watch_sockets
from blackhole_guard.cli.settings_options import DEFAULT_CONFIG
from blackhole_guard.cli.terminal import count as format_count
from blackhole_guard.cli.terminal import make_console
from blackhole_guard.cli.watch_user import choose_user, give_up_privileges
from blackhole_guard.leaks.evidence import Certainty, Leak, Sighting, Via, judge
from blackhole_guard.leaks.interfaces import ALL, Interface, wait
from blackhole_guard.leaks.leak_tops import WholeTops
from blackhole_guard.leaks.observed import Observed
from blackhole_guard.leaks.traffic import Counts, Traffic, Wait
from blackhole_guard.leaks.watch_link import State, WatchLink
from blackhole_guard.wire.codes import RRClass, RRType
from blackhole_guard.wire.names import escape_text

LINES = 10  # a second; a flood must not fill a journal
_TURN = 0.5  # seconds between two looks at the clock
_NOT_ALLOWED = """watching interfaces takes CAP_NET_RAW. Run this as root, which it gives up, or give it that alone:
  systemctl start blackhole-guard-watch        (the unit has it)
  setpriv --reuid=nobody --regid=nogroup --clear-groups --inh-caps=-all,+net_raw --ambient-caps=-all,+net_raw \\
    --bounding-set=-all,+net_raw blackhole-guard watch        (as root)"""


@click.command(
    help="Show queries and updates on their way to the blackhole servers, a line for each, and a summary at the end; "
    "and report them to the observer of a server of ours on this machine, for its metrics, tops and recent leaks. "
    "INTERFACE is one by name; none: all. Needs CAP_NET_RAW; of root's privileges nothing is left once it listens. "
    "Exit code, with --seconds or --count: 0: no leaks, 1: leaks; else 0. 1 also when an interface has gone down: the "
    "others are watched on, and without any it ends."
)
@click.argument("interfaces", nargs=-1, metavar="[INTERFACE...]")
@click.option("--seconds", type=click.FloatRange(min=0, min_open=True), help="End after so long.")
@click.option("--count", type=click.IntRange(1), help="End after so many leaks.")
@click.option(
    "--json", "as_json", is_flag=True, help=f"Print JSON, a line for each leak, however many; else {LINES} a second."
)
@click.option(
    "--config", metavar="FILE", help=f"The server's settings file.  [default: {DEFAULT_CONFIG} if it is there]"
)
@click.option("--state-dir", metavar="DIR", help="The server's state directory.")
@click.option("--no-report", is_flag=True, help="Report to no observer.")
@click.option(
    "--user",
    metavar="USER[:GROUP]",
    help="Whom root becomes once it listens.  [default: the server's user if there is a server, else nobody]",
)
def command(
    interfaces: tuple[str, ...],
    seconds: float | None,
    count: int | None,
    as_json: bool,
    config: str | None,
    state_dir: str | None,
    no_report: bool,
    user: str | None,
) -> None:
    """Watch until told to end, and print what was seen."""
    if seconds is not None and math.isnan(seconds):  # which is below no bound, and above none
        raise click.UsageError("--seconds: nan is no time")
    find_sockets = None if no_report else find_watch_sockets(config, state_dir)
    whom = choose_user(user, config, state_dir, None if find_sockets is None else find_sockets())
    sinks = _Sinks(_Printer(as_json))
    observed = sinks.observed
    traffic = Traffic(Via.PACKETS, sinks.leak, sinks.wait)
    with ExitStack() as stack:
        sinks.interfaces = [stack.enter_context(_open(name)) for name in dict.fromkeys(interfaces or (ALL,))]
        watch = _Watch(list(sinks.interfaces), traffic, is_done=lambda: count is not None and observed.total >= count)
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, watch.stop)
        click.echo(f"watching {', '.join(map(_name, sinks.interfaces))}", err=True)
        if find_sockets is not None:
            sinks.link = WatchLink(find_sockets, _tell, time.monotonic())
            stack.callback(sinks.link.close)
        _load_what_ends_it(as_json=as_json)
        give_up_privileges(whom)
        watch.run(math.inf if seconds is None else time.monotonic() + seconds, sinks.turn)
        sinks.turn()
    traffic.finish()
    sinks.printer.turn(end=True)
    _summarise(sinks, traffic.counts, as_json=as_json)
    has_limit = seconds is not None or count is not None
    sys.exit(1 if watch.has_lost or (has_limit and observed.total) else 0)


def _load_what_ends_it(*, as_json: bool) -> None:
    """Print a summary to nobody, which imports all that it takes: whom root becomes need not be able to read that."""
    observed, screen = Observed(WholeTops), _Screen(sys.stdout.isatty())
    sighting = Sighting(0.0, Via.PACKETS, b"\x0210\x07in-addr\x04arpa\0", RRType.PTR, RRClass.IN, sender=bytes(4))
    leak = judge(sighting, Certainty.OBSERVED)
    assert leak is not None
    observed.add(leak)
    with redirect_stdout(screen):
        _Printer(as_json).leak(leak)
        _summarise(_Sinks(_Printer(as_json), observed), Counts(), as_json=as_json)


class _Screen(StringIO):
    """Standard output that is a terminal if the true one is."""

    def __init__(self, is_terminal: bool) -> None:
        super().__init__()
        self._is_terminal = is_terminal

    def isatty(self) -> bool:
        return self._is_terminal


def _summarise(sinks: "_Sinks", counts: Counts, *, as_json: bool) -> None:
    """Print what was seen."""
    unreported = sinks.link.unsent if sinks.link is not None and sinks.link.has_connected else None
    if as_json:
        summary = report_as_json(sinks.observed, counts)
        click.echo(json.dumps({"event": "summary", **summary, "drops": sinks.drops, "unreported": unreported}))
        return
    print_report(make_console(), sinks.observed, Via.PACKETS, counts)
    if sinks.drops:
        click.echo(f"{sinks.drops:,} frames were lost here: this machine was too busy")
    if unreported:
        click.echo(f"{format_count(unreported, 'leak')} not reported: the observer did not take them in time")


def _open(name: str) -> Interface:
    try:
        return Interface(name)
    except PermissionError as error:
        raise click.ClickException(_NOT_ALLOWED) from error
    except OSError as error:
        raise click.ClickException(f"cannot watch {escape_text(name) or 'interfaces'}: {error.strerror}") from error


def _name(interface: Interface) -> str:
    return escape_text(interface.name) if interface.name != ALL else "all interfaces"


def _tell(state: State, path: str) -> None:
    """Say how it stands with the observer."""
    match state:
        case State.CONNECTED:
            click.echo(f"reporting to the observer at {escape_text(path)}", err=True)
        case State.SENT_AWAY:
            hint = "is our user in leaks.watch.users?"
            click.echo(f"the observer at {escape_text(path)} hangs up; {hint}", err=True)
        case State.BARRED:
            hint = "start as the server's user, or see leaks.watch.users and leaks.watch.group"
            click.echo(f"our user may not connect to {escape_text(path)}: leaks are shown here only; {hint}", err=True)
        case State.ABSENT:
            click.echo("no server is found to report to, so leaks are shown here only, until there is one", err=True)


@dataclass(slots=True)
class _Sinks:
    """All that is told of what is seen."""

    printer: "_Printer"
    observed: Observed[WholeTops] = field(default_factory=lambda: Observed(WholeTops))
    link: WatchLink | None = None  # None: nobody else is to know
    interfaces: list[Interface] = field(default_factory=list)
    drops: int = 0  # frames that the kernel had no room for

    def leak(self, leak: Leak) -> None:
        self.observed.add(leak)
        if self.link is not None:
            self.link.add(leak)
        self.printer.leak(leak)

    def wait(self, wait: Wait) -> None:
        self.observed.add_wait(wait)
        if self.link is not None:
            self.link.add_wait(wait)

    def turn(self) -> None:
        """Do what is due now and then."""
        self.printer.turn()
        before, self.drops = self.drops, sum(interface.drops() for interface in self.interfaces)
        if self.link is not None:
            self.link.turn(time.monotonic(), self.drops - before)


@dataclass(slots=True)
class _Watch:
    """The loop. `stop` is a signal's handler."""

    interfaces: list[Interface]  # those that are still there
    traffic: Traffic
    is_done: Callable[[], bool]
    is_stopped: bool = False
    has_lost: bool = False  # one of them, or more

    def stop(self, *_: object) -> None:
        self.is_stopped = True

    def run(self, deadline: float, turn: Callable[[], None]) -> None:
        """Hand frames over until told to stop. `deadline`: monotonic seconds."""
        while self.interfaces and not self.is_stopped and not self.is_done():
            left = deadline - time.monotonic()
            if left <= 0:
                return
            try:
                ready = wait(self.interfaces, min(left, _TURN))
            except OSError as error:
                ready = self._lose(error)
            for interface in ready:
                for frame in interface.frames():
                    self.traffic.receive(frame)
                    if self.is_done():
                        return
            self.traffic.expire(time.time())
            turn()

    def _lose(self, error: OSError) -> list[Interface]:
        """Go on without an interface; gives it, for what it had seen before."""
        lost = [interface for interface in self.interfaces if interface.name == error.filename]
        if not lost:  # it is none that has gone down
            raise error
        self.interfaces = [interface for interface in self.interfaces if interface not in lost]
        self.has_lost = True
        then = f"watching {', '.join(map(_name, self.interfaces))}" if self.interfaces else "no interface is left"
        click.echo(f"{', '.join(map(_name, lost))}: {error.strerror}; {then}", err=True)
        return lost


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
