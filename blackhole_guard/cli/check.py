"""`blackhole-guard check`: what is wrong with settings and maps, and what would be served."""

import json
import sys
from ipaddress import ip_address
from typing import Any

import click
from rich.console import Console

from blackhole_guard.cli.reading import Reading, config_options, read_all
from blackhole_guard.cli.settings_options import find_config, make_overrides
from blackhole_guard.cli.terminal import count, make_console, make_table, print_problems
from blackhole_guard.config.problems import Problem
from blackhole_guard.reserved.registry import LOCALHOST, UPDATED
from blackhole_guard.wire.names import escape_text, format_name
from blackhole_guard.zones.zone_set import Zone


@click.command(help="Validate settings and maps, and say what would be served. Changes nothing.")
@click.argument("rest", nargs=-1, metavar="")
@config_options
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def command(rest: tuple[str, ...], config: str | None, zones: tuple[str, ...], as_json: bool) -> None:
    """Read, print, and exit with 0 if all is well or only doubtful, 1 if there are errors."""
    if rest:
        _refuse_words(rest, zones)
    console, stderr = make_console(), make_console(errors=True)
    with stderr.status("reading settings and maps"):
        reading = read_all(find_config(config), make_overrides(include=zones))
    if as_json:
        click.echo(json.dumps(_as_json(reading), indent=2 if sys.stdout.isatty() else None))
    else:
        print_problems(stderr, reading.problems)
        if not reading.errors:
            _print_zones(console, reading)
        _print_summary(stderr if reading.errors else console, reading)
    raise SystemExit(1 if reading.errors else 0)


def _refuse_words(rest: tuple[str, ...], zones: tuple[str, ...]) -> None:
    """Tell who let the shell expand a pattern so."""
    shown = escape_text(rest[0], limit=80)
    hint = "; put patterns in quotes: --zones 'zones/*.yaml'" if zones else "; name map files with --zones"
    raise click.UsageError(f"`{shown}` has no place here{hint}")


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


def _print_summary(console: Console, reading: Reading) -> None:
    errors = len(reading.errors)
    doubts = len(reading.problems) - errors
    warnings = f", {count(doubts, 'warning')}" if doubts else ""
    if errors:
        console.print(f"{count(errors, 'error')}{warnings}: nothing of this would be loaded", style="bold red")
        return
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
    console.print(f"good{warnings}", style="bold green")


def _as_json(reading: Reading) -> dict[str, Any]:
    zones = reading.zones
    return {
        "ok": not reading.errors,
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
