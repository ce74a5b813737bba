"""`blackhole-guard doctor`: what becomes of look-ups for reserved addresses at the resolvers that are used here."""

import asyncio
import json
import sys
from typing import Any, Protocol

import click
from rich.console import Console

from blackhole_guard.cli.reading import Reading, config_options, read_all
from blackhole_guard.cli.settings_options import find_config, make_overrides
from blackhole_guard.cli.stanzas import make_stanzas
from blackhole_guard.cli.terminal import count, make_console, make_table
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

FORMAT = 1  # of the JSON; a key may be added under the same number, none goes or changes its meaning

EXIT_GOOD, EXIT_LEAKS, EXIT_UNKNOWN = 0, 1, 3  # 2 is click's, for what was written wrongly

_STYLES = {
    Verdict.OURS: "green",
    Verdict.LOCAL: "green",
    Verdict.LEAKS: "bold red",
    Verdict.HIJACKED: "bold red",
    Verdict.REFUSED: "",
}


_ALL_BUT_HOSTS = ("SOA",)  # the types of a finding that leak where look-ups of hosts stay in


class Cure(Protocol):
    """Writes the lines to change in a resolver's own configuration."""

    def __call__(self, kind: Kind, blocks: tuple[str, ...], resolver: str) -> list[str]:
        """Say what to change in a program so that all is well with some blocks.

        Args:
            kind: of the program.
            blocks: keys of `registry.BLOCKS`; one at least.
            resolver: where the program answers, as a `Resolver` is written.
        """


def make_cure(reading: Reading) -> Cure:
    """Make what writes the lines: those of `integrate`, for what is served here."""

    def cure(kind: Kind, blocks: tuple[str, ...], resolver: str) -> list[str]:
        if kind is Kind.OURS:
            what = "a map has `serve: false`, or `reserved.serve` is false, or the maps that it runs with are older"
            return [f"{what}: see `blackhole-guard check`, `blackhole-guard reload`"]
        if kind is Kind.UNKNOWN:
            programs = "|".join(PROGRAMS)
            return [f"blackhole-guard integrate {programs} prints the lines to change; it is for you to say which"]
        command = f"blackhole-guard integrate {kind}"
        if reading.errors:
            return [f"{command} prints the lines to change, once settings and maps have no errors"]
        try:
            towards = find_way_to(read_resolver(resolver))
            return list(make_stanzas(kind, reading, towards=towards, sick=blocks).lines())
        except IntegrationError as error:
            return [f"{command} prints the lines to change, but: {escape_text(error.what)}; {escape_text(error.hint)}"]

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
        click.echo(json.dumps(as_document(results, cure), indent=2 if sys.stdout.isatty() else None))
    else:
        console = make_console()
        for resolver, examined in results:
            print_examined(console, resolver, examined, all_zones=all_zones, cure=cure)
    raise SystemExit(code)


def find_exit_code(found: list[Examined]) -> int:
    """Say how it went, as monitoring wants to know it: what is to cure comes first, then what could not be seen."""
    if any(examined.sick_blocks for examined in found):
        return EXIT_LEAKS
    return EXIT_GOOD if all(examined.is_known for examined in found) else EXIT_UNKNOWN


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


def as_document(results: list[tuple[Resolver, Examined]], cure: Cure) -> dict[str, Any]:
    """Make the JSON document of docs/doctor.md."""
    found = [examined for _, examined in results]
    return {
        "format": FORMAT,
        "exit_code": find_exit_code(found),
        "leaks": any(examined.leaks for examined in found),
        "resolvers": [_resolver_as_json(resolver, examined, cure) for resolver, examined in results],
    }


def _resolver_as_json(resolver: Resolver, examined: Examined, cure: Cure) -> dict[str, Any]:
    sick = examined.sick_blocks
    return {
        "resolver": escape_text(str(resolver)),
        "answers": examined.silence is None,
        "silence": examined.silence,
        "leaks": examined.leaks,
        "known": examined.is_known,
        "program": examined.program.value,
        "version": examined.version,
        "identity": examined.identity,
        "validates": examined.validates,
        "ds_home_arpa": examined.ds.value,
        "questions": examined.questions,
        "seconds": round(examined.seconds, 6),
        "blocks": [_block_as_json(each) for each in group_by_block(examined.findings)],
        "zones": [_zone_as_json(each) for each in examined.findings],
        "mapped": [_mapped_as_json(each) for each in examined.mapped],
        "cure": "\n".join(cure(examined.program, sick, str(resolver))) if sick else None,
    }


def _block_as_json(each: BlockFinding) -> dict[str, Any]:
    return {
        "block": each.block,
        "verdict": each.verdict.value,
        "zones": {verdict.value: number for verdict, number in each.verdicts.items()},
        "sinks": [sink.value for sink in each.sinks],
        "types": list(each.leaking),
    }


def _mapped_as_json(each: MappedFinding) -> dict[str, Any]:
    return {
        "name": format_name(each.owner),
        "right": each.is_right,
        "found": [format_name(name) for name in each.found],
        "what": each.what,
    }


def _zone_as_json(each: Finding) -> dict[str, Any]:
    return {
        "zone": format_name(each.zone.apex),
        "block": each.zone.block,
        "verdict": each.verdict.value,
        "sink": None if each.sink is None else each.sink.value,
        "expected_sink": each.zone.sink.value,
        "types": list(each.leaking),
        "what": each.what,
        "seconds": None if each.seconds is None else round(each.seconds, 6),
    }
