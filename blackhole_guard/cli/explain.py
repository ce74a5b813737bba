"""`blackhole-guard explain`: which zone, record or rule answers, and where it is written."""

from collections.abc import Iterator
from ipaddress import ip_address

import click

from blackhole_guard.api.explanation import ExplainedPlace, ExplainedRecord
from blackhole_guard.api.explanation import Explanation as Document
from blackhole_guard.cli.reading import Reading, config_options, read_all
from blackhole_guard.cli.settings_options import find_config, make_overrides, refuse_words
from blackhole_guard.cli.terminal import count, make_console, print_document, print_problems
from blackhole_guard.config.values import format_duration
from blackhole_guard.explaining import Explanation, explain, parse_target
from blackhole_guard.wire.codes import RRType
from blackhole_guard.wire.errors import WireError
from blackhole_guard.wire.names import escape_text, format_name
from blackhole_guard.wire.records import RRset

_SHOWN = 5  # errors; `check` shows all
_AUTOMATIC = "automatic"  # a serial that the server keeps


@click.command(
    help="Say which zone, record or rule answers for an address, a block or a name, and where it is written. "
    "Exit code 0: something of ours answers; 1: nothing does, or the maps have errors."
)
@click.argument("target", metavar="ADDRESS|NAME")
@click.argument("rest", nargs=-1, metavar="")
@config_options
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def command(target: str, rest: tuple[str, ...], config: str | None, zones: tuple[str, ...], as_json: bool) -> None:
    """Read, explain, print."""
    if rest:
        refuse_words(rest, zones)
    name = _read_target(target)
    reading = read_all(find_config(config), make_overrides(include=zones))
    explanation = explain(name, reading.zones, reading.sources, reading.settings)
    if as_json:
        print_document(_make_document(target, explanation, reading))
    else:
        _print(target, explanation)
        _print_errors(reading)
    raise SystemExit(0 if explanation.answered and not reading.errors else 1)


def _read_target(target: str) -> bytes:
    shown = escape_text(target, limit=80)
    try:
        name = parse_target(target)
    except WireError as error:
        raise click.UsageError(f"`{shown}` is neither an address nor a name: {error}") from error
    if name is None:
        raise click.UsageError(
            f"`{shown}` is no single name; explain one address of it, or a block such as 10.1.0.0/16"
        )
    return name


def _print(target: str, explanation: Explanation) -> None:
    console = make_console()
    console.print(f"{escape_text(target, limit=255)} is asked for as {format_name(explanation.name)}", soft_wrap=True)
    console.print()
    for label, text in _lines(explanation):
        console.print(f"{label:<8} {text}", soft_wrap=True)


def _lines(explanation: Explanation) -> Iterator[tuple[str, str]]:
    """What to print: label and text of each line."""
    place = f"  ({explanation.place})" if explanation.place else ""
    for rrset in explanation.records:
        for text in _texts(rrset, explanation):
            yield "answer", text
    yield "from" if explanation.records else "result", explanation.what + place
    if explanation.zone is not None:
        zone = explanation.zone
        origin = "built in" if zone.place is None else str(zone.place)
        yield "zone", f"{format_name(zone.apex)} ({zone.label}, {origin})"
    for sentence in explanation.why:
        yield "why", sentence
    if explanation.hint:
        yield "hint", explanation.hint


def _texts(rrset: RRset, explanation: Explanation) -> list[str]:
    """Write records: type, data, TTL."""
    serial = explanation.zone.serial if explanation.zone is not None else None
    ttl = format_duration(rrset.ttl)
    return [
        f"{RRType(rrset.rtype).name} {format_rdata(rrset.rtype, rdata, serial)} (TTL {ttl})" for rdata in rrset.rdatas
    ]


def format_rdata(rtype: int, rdata: bytes, serial: int | None) -> str:
    """Write the data of the types that our zones have; `serial` None: the server keeps the SOA's."""
    if rtype in (RRType.A, RRType.AAAA):
        return str(ip_address(rdata))
    if rtype != RRType.SOA:
        return format_name(rdata)
    mname, rest = _take_name(rdata)
    rname, numbers = _take_name(rest)
    values = [str(int.from_bytes(numbers[start : start + 4], "big")) for start in range(0, 20, 4)]
    values[0] = _AUTOMATIC if serial is None else values[0]
    return f"{format_name(mname)} {format_name(rname)} {' '.join(values)}"


def _take_name(octets: bytes) -> tuple[bytes, bytes]:
    """Split octets behind the uncompressed name that they begin with."""
    end = 0
    while octets[end]:
        end += 1 + octets[end]
    return octets[: end + 1], octets[end + 1 :]


def _print_errors(reading: Reading) -> None:
    if not reading.errors:
        return
    stderr = make_console(errors=True)
    stderr.print()
    print_problems(stderr, reading.errors[:_SHOWN])
    text = f"{count(len(reading.errors), 'error')}: the server would not load this, and goes on with what it serves"
    stderr.print(text, style="bold red", soft_wrap=True)


def _make_document(target: str, explanation: Explanation, reading: Reading) -> Document:
    zone, place, cut = explanation.zone, explanation.place, explanation.cut
    serial = zone.serial if zone else None
    return Document(
        target=escape_text(target),
        name=format_name(explanation.name),
        type=RRType(explanation.qtype).name,
        outcome=explanation.outcome.value,
        recursive_outcome=explanation.recursive.value,
        records=tuple(
            ExplainedRecord(RRType(rrset.rtype).name, rrset.ttl, format_rdata(rrset.rtype, rdata, serial))
            for rrset in explanation.records
            for rdata in rrset.rdatas
        ),
        place=None if place is None else ExplainedPlace(place.file, place.line),
        zone=None if zone is None else format_name(zone.apex),
        block=None if zone is None else zone.label,
        zone_place=None if zone is None or zone.place is None else str(zone.place),
        delegation=None if cut is None else str(cut.block),
        what=explanation.what,
        why=explanation.why,
        hint=explanation.hint,
        errors=len(reading.errors),
    )
