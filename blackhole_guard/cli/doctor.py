"""`blackhole-guard doctor`: what becomes of look-ups for reserved addresses at the resolvers that are used here."""

import asyncio
from time import time

import click
from rich.console import Console

from blackhole_guard.api.diagnosis import Cure, find_exit_code, make_diagnosis, point_to_integrate
from blackhole_guard.cli.reading import Reading, config_options, read_all
from blackhole_guard.cli.settings_options import find_config, make_overrides
from blackhole_guard.cli.stanzas import make_stanzas
from blackhole_guard.cli.terminal import count, make_console, make_table, print_document
from blackhole_guard.config.problems import ValueProblem
from blackhole_guard.doctoring.configuration import make_known
from blackhole_guard.doctoring.network import examine_all
from blackhole_guard.doctoring.resolvers import Resolver, find_resolvers, find_way_to, read_resolver
from blackhole_guard.integrations.plan import IntegrationError
from blackhole_guard.integrations.programs import PROGRAMS
from blackhole_guard.leaks.blocks import BlockFinding, group_by_block
from blackhole_guard.leaks.doctor import DsAnswer, Examined, Finding, MappedFinding
from blackhole_guard.leaks.exchanges import Limits
from blackhole_guard.leaks.signatures import Kind
from blackhole_guard.leaks.verdicts import Verdict
from blackhole_guard.wire.names import escape_text, format_name

_STYLES = {
    Verdict.OURS: "green",
    Verdict.LOCAL: "green",
    Verdict.LEAKS: "bold red",
    Verdict.HIJACKED: "bold red",
    Verdict.REFUSED: "",
}


_ALL_BUT_HOSTS = ("SOA",)  # the types of a finding that leak where look-ups of hosts stay in


def make_cure(reading: Reading) -> Cure:
    """Make what writes the lines: those of `integrate`, for what is served here."""

    def cure(kind: Kind, blocks: tuple[str, ...], resolver: str) -> list[str]:
        pointer = point_to_integrate(kind, blocks, resolver)
        if kind not in PROGRAMS:
            return pointer
        if reading.errors:
            return [f"{pointer[0]}, once settings and maps have no errors"]
        try:
            towards = find_way_to(read_resolver(resolver))
            return list(make_stanzas(kind, reading, towards=towards, sick=blocks).lines())
        except IntegrationError as error:
            return [f"{pointer[0]}, but: {escape_text(error.what)}; {escape_text(error.hint)}"]

    return cure


@click.command(
    help="Ask resolvers about every reserved zone, and say for each what becomes of the queries: answered by us or by "
    "the resolver's own zone, leaked and to whom, made up, refused, or nothing. RESOLVER is an address, address:port "
    "or [v6]:port; the default is what this machine uses (/etc/resolv.conf, resolvectl). "
    "Exit code 0: nothing leaks, and mapped names come out; 1: something leaks or is made up, or a mapped name does "
    "not come out; 3: neither as far as seen, but not all was seen."
)
@click.argument("resolvers", nargs=-1, metavar="[RESOLVER...]")
@config_options
@click.option("--all-zones", is_flag=True, help="Print a row for each zone instead of each block.")
@click.option(
    "--timeout",
    type=click.FloatRange(1, 60),
    default=Limits().total,
    show_default=True,
    help="Seconds for all questions to one resolver.",
)
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def command(
    resolvers: tuple[str, ...],
    config: str | None,
    zones: tuple[str, ...],
    all_zones: bool,
    timeout: float,
    as_json: bool,
) -> None:
    """Read, ask, print."""
    asked = _choose(resolvers, zones)
    stderr = make_console(errors=True)
    with stderr.status("reading settings and maps"):
        reading = read_all(find_config(config), make_overrides(include=zones))
    _print_doubts(stderr, reading)
    with stderr.status(f"asking {count(len(asked), 'resolver')}"):
        found = asyncio.run(examine_all(asked, make_known(reading.zones), limits=Limits(total=timeout)))
    results = list(zip(asked, found, strict=True))
    code, cure = find_exit_code(found), make_cure(reading)
    if as_json:
        named = [(str(resolver), examined) for resolver, examined in results]
        print_document(make_diagnosis(named, cure, time()))
    else:
        console = make_console()
        for resolver, examined in results:
            print_examined(console, resolver, examined, all_zones=all_zones, cure=cure)
    raise SystemExit(code)


def _choose(resolvers: tuple[str, ...], zones: tuple[str, ...]) -> tuple[Resolver, ...]:
    if not resolvers:
        found = find_resolvers()
        if not found:
            raise click.UsageError("/etc/resolv.conf names no resolver: name one, such as 192.0.2.53")
        return found
    chosen, wrong = [], []
    for text in resolvers:
        try:
            chosen.append(read_resolver(text))
        except ValueProblem as problem:
            wrong.append(f"{problem.what}; {problem.hint}")
    if wrong:
        if zones:  # the shell may have made several words of a pattern
            wrong.append("put patterns in quotes: --zones 'zones/*.yaml'")
        raise click.UsageError("\n".join(wrong))
    return tuple(dict.fromkeys(chosen))


def _print_doubts(console: Console, reading: Reading) -> None:
    if reading.errors:
        text = (
            f"{count(len(reading.errors), 'error')} in settings and maps, see `blackhole-guard check`: the answers of "
        )
        console.print(
            f"{text}a server that runs with older ones may not be told as ours", style="yellow", soft_wrap=True
        )


def print_examined(console: Console, resolver: Resolver, examined: Examined, *, all_zones: bool, cure: Cure) -> None:
    """Print what was found out about one resolver."""
    console.print(f"{resolver}", style="bold", end="")
    if examined.silence is not None:
        console.print(f"  {examined.silence}", style="bold red", soft_wrap=True)
        console.print()
        return
    asked = f"{count(examined.questions, 'question')} in {examined.seconds:.2f} s"
    console.print(f"  {_describe_program(examined)}; {asked}", soft_wrap=True)
    if all_zones:
        _print_zones(console, examined.findings)
    else:
        _print_blocks(console, group_by_block(examined.findings))
    if examined.mapped:
        _print_mapped(console, examined.mapped)
    for line in _remarks(examined):
        console.print(line, soft_wrap=True)
    if blocks := examined.sick_blocks:
        console.print(f"{count(len(blocks), 'block')} to cure:", style="bold")
        for line in cure(examined.program, blocks, str(resolver)):
            console.print(line, markup=False, highlight=False, soft_wrap=True)
    console.print()


def _describe_program(examined: Examined) -> str:
    program = "a program that does not say what it is" if examined.program is Kind.UNKNOWN else examined.program.value
    version = f" (`{examined.version}`)" if examined.version else ""
    return f"{program}{version}" + (f", id.server `{examined.identity}`" if examined.identity else "")


def _print_blocks(console: Console, blocks: list[BlockFinding]) -> None:
    table = make_table("block", "verdict", "zones", "ms", "how it is told", right=("zones", "ms"))
    for each in blocks:
        zones, worst = sum(each.verdicts.values()), each.verdicts[each.verdict]
        shown = f"{zones}" if zones == worst else f"{worst} of {zones}"
        table.add_row(
            each.block,
            _verdict(each.verdict, each.sinks, each.leaking),
            shown,
            _ms(each.seconds),
            each.what,
            style=_STYLES.get(each.verdict, "yellow"),
        )
    console.print(table)


def _print_zones(console: Console, findings: list[Finding]) -> None:
    table = make_table("zone", "verdict", "ms", "how it is told", right=("ms",))
    for each in findings:
        sinks = () if each.sink is None else (each.sink,)
        verdict = _verdict(each.verdict, sinks, each.leaking)
        row = (format_name(each.zone.apex), verdict, _ms(each.seconds), each.what)
        table.add_row(*row, style=_STYLES.get(each.verdict, "yellow"))
    console.print(table)


def _print_mapped(console: Console, mapped: list[MappedFinding]) -> None:
    right = sum(each.is_right for each in mapped)
    hidden = any(each.is_hidden for each in mapped)
    style = "bold red" if hidden else None if right == len(mapped) else "yellow"
    console.print(f"mapped names: {right} of {len(mapped)} come out right", style=style, soft_wrap=True)
    for each in mapped:
        if not each.is_right:
            console.print(f"  {format_name(each.owner)} {each.what}", style=style, soft_wrap=True)


def _verdict(verdict: Verdict, sinks: tuple[str, ...], types: tuple[str, ...]) -> str:
    text = f"{verdict} to {', '.join(sinks)}" if sinks and verdict is Verdict.LEAKS else str(verdict)
    return f"{text}, PTR not" if types == _ALL_BUT_HOSTS else text


def _ms(seconds: float | None) -> str:
    return "-" if seconds is None else f"{seconds * 1000:.1f}"


def _remarks(examined: Examined) -> list[str]:
    """What else there is to say, a line each."""
    lines = []
    in_part = [each.block for each in group_by_block(examined.findings) if each.leaking == _ALL_BUT_HOSTS]
    if in_part:
        others = "look-ups of hosts (PTR) are kept, those of other types, such as SOA and TXT, leave or are made up"
        lines.append(f"{', '.join(in_part)}: {others}")
    if examined.ds is DsAnswer.CHILD:
        lines.append(
            "DS of home.arpa: answered by the zone itself; who validates behind this resolver takes it for forged"
        )
    elif examined.ds in (DsAnswer.FAILED, DsAnswer.TIMEOUT):
        got = "an error" if examined.ds is DsAnswer.FAILED else "no answer"
        lines.append(f"DS of home.arpa: {got}; it is for the zone above, in the public DNS, to say")
    validates = {True: "validates", False: "does not validate", None: "unknown: no answer for the root's SOA"}
    lines.append(f"DNSSEC: {validates[examined.validates]}")
    return lines
