"""`blackhole-guard check`: what is wrong with settings and maps, and what would be served."""

import json
import sys
from ipaddress import ip_address
from typing import Any

import click
import msgspec
from rich.console import Console

from blackhole_guard.cli.reading import Reading, config_options, read_all
from blackhole_guard.cli.settings_options import find_config, make_overrides, refuse_words
from blackhole_guard.cli.terminal import count, make_console, make_table, print_problems
from blackhole_guard.config.problems import Problem
from blackhole_guard.loading import Comparison, ZoneComparison, compare
from blackhole_guard.reserved.registry import LOCALHOST, UPDATED
from blackhole_guard.server.statedir import find_running
from blackhole_guard.store.errors import StoreError
from blackhole_guard.wire.names import escape_text, format_name
from blackhole_guard.zones.zone_set import Zone

EXAMPLES = 10  # of the records that differ, for each zone


@click.command(
    help="Validate settings and maps, and say what would be served. Changes nothing. "
    "Exit code 0: the server would load this; 1: it would not."
)
@click.argument("rest", nargs=-1, metavar="")
@config_options
@click.option("--diff", is_flag=True, help="Say what a load would change in what is served.")
@click.option("--state-dir", metavar="DIR", help="With --diff: the server's state directory, if no setting names it.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def command(
    rest: tuple[str, ...], config: str | None, zones: tuple[str, ...], diff: bool, state_dir: str | None, as_json: bool
) -> None:
    """Read and print; exit with 0 if all is well or only doubtful, 1 for errors, or with nothing to compare with."""
    if rest:
        refuse_words(rest, zones)
    if state_dir is not None and not diff:
        raise click.UsageError("--state-dir is for --diff: what is in it is compared with what would be served")
    stderr = make_console(errors=True)
    with stderr.status("reading settings and maps"):
        reading = read_all(find_config(config), make_overrides(include=zones))
        comparison = _compare(reading, state_dir) if diff and not reading.errors else None
    if as_json:
        click.echo(json.dumps(_as_json(reading, comparison), indent=2 if sys.stdout.isatty() else None))
    else:
        print_problems(stderr, reading.problems)
        _print_summary(stderr if reading.errors else make_console(), reading, comparison)
    if isinstance(comparison, str):
        raise click.ClickException(comparison)
    raise SystemExit(0 if _would_load(reading, comparison) else 1)


def _compare(reading: Reading, state_dir: str | None) -> Comparison | str:
    """Compare with what a server serves, whose state directory is found as `reload` finds it; or say why not."""
    found = state_dir or reading.settings.server.state_dir
    running = [] if found else find_running()
    if found is None and len(running) != 1:
        which = "several servers run" if running else "no server of this user runs without a state directory"
        return f"{which}: name the one to compare with by --state-dir"
    try:
        return compare(reading.zones, found or running[0], examples=EXAMPLES)
    except StoreError as error:
        return f"nothing to compare with: {escape_text(str(error))}"


def _would_load(reading: Reading, comparison: Comparison | str | None) -> bool:
    """Whether the server would load this, as far as can be told."""
    return not reading.errors and not (isinstance(comparison, Comparison) and _loses_too_much(reading, comparison))


def _loses_too_much(reading: Reading, comparison: Comparison) -> bool:
    return comparison.lost * 100 > comparison.served * reading.settings.server.max_drop


def _print_zones(console: Console, reading: Reading) -> None:
    """Print a table of the zones that maps make or fill, and of what they switch off."""
    rows: dict[tuple[str, str], list[Zone]] = {}
    for zone in reading.zones.zones.values():
        if zone.mapped:
            rows.setdefault((str(zone.place), ""), []).append(zone)
        elif _is_filled(zone):
            rows.setdefault(("built in", zone.label), []).append(zone)
    if rows:
        table = make_table("zone", "block", "records", "map", right=("records",))
        for (origin, _), zones in rows.items():
            table.add_row(_name(zones), _label(zones, reading), f"{sum(zone.records for zone in zones):,}", origin)
        console.print(table)
        console.print()
    for each in reading.sources.maps:
        if not each.serve and "serve" in each.places:
            console.print(f"switched off: {each.name} ({each.places['serve']})", soft_wrap=True)


def _is_filled(zone: Zone) -> bool:
    """Whether maps have entries in a built-in zone, besides the PTR of localhost that is there without any."""
    block = zone.block
    own = sum(
        block is not None and len(block.network_address.packed) == len(each) and ip_address(each) in block
        for each in LOCALHOST
    )
    return zone.records > own


def _name(zones: list[Zone]) -> str:
    """Name the zones of one map: it may make up to 128."""
    first, last = format_name(zones[0].apex), format_name(zones[-1].apex)
    return first if len(zones) == 1 else f"{first} to {last} ({len(zones)})"


def _label(zones: list[Zone], reading: Reading) -> str:
    label = zones[0].label
    if len(zones) > 1:
        label = next(each.name for each in reading.sources.maps if each.place == zones[0].place)
    return label if zones[0].ledger is not None else f"{label} (public)"


def _print_summary(console: Console, reading: Reading, comparison: Comparison | str | None) -> None:
    errors = len(reading.errors)
    doubts = len(reading.problems) - errors
    warnings = f", {count(doubts, 'warning')}" if doubts else ""
    if errors:
        console.print(f"{count(errors, 'error')}{warnings}: nothing of this would be loaded", style="bold red")
        return
    _print_zones(console, reading)
    if isinstance(comparison, Comparison):
        _print_comparison(console, comparison)
    zones = reading.zones
    mapped = sum(zone.mapped for zone in zones.zones.values())
    parts = [
        f"{count(mapped, 'mapped zone')} and {count(len(zones.zones) - mapped, 'built-in one')} "
        f"(registry of {UPDATED})",
        count(zones.records, "record"),
    ]
    if zones.cuts:
        parts.append(count(len(zones.cuts), "delegated zone"))
    console.print(f"{', '.join(parts)}; {count(len(reading.sources.files), 'file')} read", soft_wrap=True)
    if isinstance(comparison, Comparison) and _loses_too_much(reading, comparison):
        share = f"more than server.max_drop allows ({reading.settings.server.max_drop} %)"
        text = f"{comparison.lost:,} of {count(comparison.served, 'record')} would go, {share}"
        console.print(f"{text}: `reload` needs --force{warnings}", style="bold red", soft_wrap=True)
    else:
        console.print(f"good{warnings}", style="bold green")


def _print_comparison(console: Console, comparison: Comparison) -> None:
    console.print(f"compared with what is served (generation {comparison.generation}):", style="bold")
    for zone in comparison.zones:
        console.print(f"  {zone.zone}: {_describe(zone)}", soft_wrap=True)
        for line in zone.examples:
            console.print(f"    {line}", style="green" if line.startswith("+") else "red", soft_wrap=True)
        if zone.examples and zone.added + zone.removed + 2 * zone.changed > len(zone.examples):
            console.print("    ...")
    if not comparison.zones:
        console.print("  nothing would change")
    console.print()


def _describe(zone: ZoneComparison) -> str:
    if zone.kind != "changed":
        return f"{'a new zone' if zone.kind == 'new' else 'gone'}, {count(zone.added + zone.removed, 'record')}"
    counts = ((zone.added, "new"), (zone.removed, "gone"), (zone.changed, "changed"))
    parts = [f"{number:,} {word}" for number, word in counts if number]
    return ", ".join([*parts, *(["SOA, NS or delegations changed"] if zone.apex else [])])


def _as_json(reading: Reading, comparison: Comparison | str | None) -> dict[str, Any]:
    zones = reading.zones
    diff: dict[str, Any] = {}
    if isinstance(comparison, str):
        diff = {"diff": None, "diff_error": comparison}
    elif comparison is not None:
        diff = {"diff": msgspec.to_builtins(comparison)}
    return {
        **diff,
        "ok": _would_load(reading, comparison),
        "config": None if reading.config is None else escape_text(reading.config),
        "files": [escape_text(path) for path in reading.sources.files],
        "problems": [_problem_as_json(problem) for problem in reading.problems],
        "records": zones.records,
        "delegations": len(zones.cuts),
        "zones": [_zone_as_json(zone) for zone in zones.zones.values()],
    }


def _problem_as_json(problem: Problem) -> dict[str, Any]:
    return {
        "severity": problem.severity,
        "file": problem.place.file,
        "line": problem.place.line,
        "what": problem.what,
        "hint": problem.hint,
    }


def _zone_as_json(zone: Zone) -> dict[str, Any]:
    return {
        "zone": format_name(zone.apex),
        "block": zone.label,
        "ledger": zone.ledger,
        "mapped": zone.mapped,
        "place": None if zone.place is None else str(zone.place),
        "records": zone.records,
    }
