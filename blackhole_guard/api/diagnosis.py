"""What the doctor found out, as JSON: printed by `blackhole-guard doctor --json`, shown by the API of its rounds."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Annotated, Protocol

import msgspec
from msgspec import Meta

from blackhole_guard.leaks.blocks import BlockFinding, group_by_block
from blackhole_guard.leaks.doctor import DsAnswer, Examined, Finding, MappedFinding
from blackhole_guard.leaks.signatures import Kind
from blackhole_guard.leaks.verdicts import Verdict
from blackhole_guard.reserved.registry import Sink
from blackhole_guard.wire.names import escape_text, format_name

FORMAT = 1  # a key may be added under the same number, none goes or changes its meaning

EXIT_GOOD, EXIT_LEAKS, EXIT_UNKNOWN = 0, 1, 3  # of the command; 2 is for what was written wrongly

Types = Annotated[tuple[str, ...], Meta(description="of queries that leak, or are made up: PTR, SOA")]


class DiagnosedBlock(msgspec.Struct, frozen=True):
    """What becomes of queries for a block of the registry."""

    block: str
    verdict: Annotated[Verdict, Meta(description="of its worst zone")]
    zones: Annotated[Mapping[str, int], Meta(description="how many have which verdict")]
    sinks: Annotated[tuple[Sink, ...], Meta(description="that it was seen to leak to")]
    types: Types


class DiagnosedZone(msgspec.Struct, frozen=True):
    """What becomes of queries for a zone of the registry."""

    zone: str
    block: str
    verdict: Verdict
    sink: Annotated[Sink | None, Meta(description="as the answer shows it; null: not seen")]
    expected_sink: Annotated[Sink, Meta(description="as the registry's table has it")]
    types: Types
    what: Annotated[str, Meta(description="how it is told, in words")]
    seconds: Annotated[float | None, Meta(description="to the first answer; null: none came")]


class DiagnosedName(msgspec.Struct, frozen=True):
    """Whether a name that we map comes out."""

    name: str
    right: bool
    found: tuple[str, ...]
    what: str


class Patient(msgspec.Struct, frozen=True):
    """All that was found out about a resolver."""

    resolver: Annotated[str, Meta(description="address:port, [v6]:port")]
    answers: Annotated[bool, Meta(description="whether anything at all came from it")]
    silence: Annotated[str | None, Meta(description="why nothing did")]
    leaks: Annotated[bool, Meta(description="whether a zone leaks, or is made up")]
    known: Annotated[
        bool, Meta(description="whether it is known where all queries end, and whether mapped names come out")
    ]
    program: Kind
    version: Annotated[str | None, Meta(description="its version.bind")]
    identity: Annotated[str | None, Meta(description="its id.server")]
    validates: Annotated[bool | None, Meta(description="null: there was no answer")]
    ds_home_arpa: Annotated[DsAnswer, Meta(description="who answers for the DS of home.arpa")]
    questions: Annotated[int, Meta(ge=0, description="how many were asked")]
    seconds: Annotated[float, Meta(ge=0, description="how long it took")]
    blocks: tuple[DiagnosedBlock, ...]
    zones: tuple[DiagnosedZone, ...]
    mapped: tuple[DiagnosedName, ...]
    cure: Annotated[
        str | None, Meta(description="what to change in its configuration, or how to learn it; null: nothing")
    ]


class Diagnosis(msgspec.Struct, frozen=True):
    """What became of queries for the reserved zones at resolvers."""

    format: int
    at: Annotated[float, Meta(description="unix seconds: when it was found out")]
    exit_code: Annotated[
        int, Meta(description="of the command: 0: all is well; 1: something is to cure; 3: not all was seen")
    ]
    leaks: Annotated[bool, Meta(description="whether any resolver leaks, or makes up data")]
    resolvers: tuple[Patient, ...]


class Cure(Protocol):
    """Writes the lines to change in a resolver's own configuration."""

    def __call__(self, kind: Kind, blocks: tuple[str, ...], resolver: str) -> list[str]:
        """Say what to change in a program so that all is well with some blocks.

        Args:
            kind: of the program.
            blocks: keys of `registry.BLOCKS`; one at least.
            resolver: where the program answers, as it was named.
        """


def point_to_integrate(kind: Kind, blocks: tuple[str, ...], resolver: str) -> list[str]:
    """Say how to learn what to change: the `Cure` of who does not know our maps."""
    if kind is Kind.OURS:
        what = "a map has `serve: false`, or `reserved.serve` is false, or the maps that it runs with are older"
        return [f"{what}: see `blackhole-guard check`, `blackhole-guard reload`"]
    if kind is Kind.UNKNOWN:
        programs = "|".join(each for each in Kind if each not in (Kind.OURS, Kind.UNKNOWN))
        return [f"blackhole-guard integrate {programs} prints the lines to change; it is for you to say which"]
    return [f"blackhole-guard integrate {kind} prints the lines to change"]


def make_diagnosis(results: Sequence[tuple[str, Examined]], cure: Cure, at: float) -> Diagnosis:
    """Make the document of what was found out.

    Args:
        results: a resolver as it was named, and what was found out about it.
        at: unix seconds.
    """
    found = [examined for _, examined in results]
    return Diagnosis(
        format=FORMAT,
        at=round(at, 3),
        exit_code=find_exit_code(found),
        leaks=any(examined.leaks for examined in found),
        resolvers=tuple(_show_resolver(resolver, examined, cure) for resolver, examined in results),
    )


def find_exit_code(found: Iterable[Examined]) -> int:
    """Say how it went, as monitoring wants to know it: what is to cure comes first, then what could not be seen."""
    found = list(found)
    if any(examined.sick_blocks for examined in found):
        return EXIT_LEAKS
    return EXIT_GOOD if all(examined.is_known for examined in found) else EXIT_UNKNOWN


def _show_resolver(resolver: str, examined: Examined, cure: Cure) -> Patient:
    sick = examined.sick_blocks
    return Patient(
        resolver=escape_text(resolver),
        answers=examined.silence is None,
        silence=examined.silence,
        leaks=examined.leaks,
        known=examined.is_known,
        program=examined.program,
        version=examined.version,
        identity=examined.identity,
        validates=examined.validates,
        ds_home_arpa=examined.ds,
        questions=examined.questions,
        seconds=round(examined.seconds, 6),
        blocks=tuple(map(_show_block, group_by_block(examined.findings))),
        zones=tuple(map(_show_zone, examined.findings)),
        mapped=tuple(map(_show_name, examined.mapped)),
        cure="\n".join(cure(examined.program, sick, resolver)) if sick else None,
    )


def _show_block(each: BlockFinding) -> DiagnosedBlock:
    numbers = {verdict.value: number for verdict, number in each.verdicts.items()}
    return DiagnosedBlock(each.block, each.verdict, numbers, each.sinks, each.leaking)


def _show_zone(each: Finding) -> DiagnosedZone:
    return DiagnosedZone(
        zone=format_name(each.zone.apex),
        block=each.zone.block,
        verdict=each.verdict,
        sink=each.sink,
        expected_sink=each.zone.sink,
        types=each.leaking,
        what=each.what,
        seconds=None if each.seconds is None else round(each.seconds, 6),
    )


def _show_name(each: MappedFinding) -> DiagnosedName:
    found = tuple(format_name(name) for name in each.found)
    return DiagnosedName(format_name(each.owner), each.is_right, found, each.what)
