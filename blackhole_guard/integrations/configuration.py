"""What a program's module makes of a plan: pieces of its configuration, where each goes, and what it cannot do."""

from collections.abc import Iterable
from dataclasses import dataclass

from blackhole_guard.integrations.plan import Plan, Route


@dataclass(frozen=True, slots=True)
class Piece:
    """Lines for one file."""

    file: str  # where Debian's package, or the program's own documentation, has it
    how: str  # what to do with the lines, and why they are there; a sentence a line
    text: str  # ends with a line feed
    comment: str = "#"  # what a comment begins with there


@dataclass(frozen=True, slots=True)
class Note:
    """Something that does not work as the operator may expect."""

    what: str
    hint: str


@dataclass(frozen=True, slots=True)
class Configuration:
    """All that one program must be told."""

    program: str  # as its makers write it
    pieces: tuple[Piece, ...]
    notes: tuple[Note, ...] = ()
    left_out: tuple[Route, ...] = ()  # of the plan's: what the program answers by itself, and is not told


def note_lost(plan: Plan) -> Iterable[Note]:
    """Note the delegated blocks of whose servers no address is known, for a program that needs addresses."""
    for route in plan.lost:
        example = f"`{route.label}: {{{route.hosts[0]}: ADDRESS}}`"
        yield Note(
            f"{route.label} is delegated to {', '.join(route.hosts)} without an address: look-ups there fail",
            f"write the address into the map, {example}, and run this again",
        )


def note_looked_up(plan: Plan, program: str) -> Iterable[Note]:
    """Note the delegated blocks of whose servers no address is known, for a program that finds addresses itself."""
    for route in plan.lost:
        yield Note(
            f"{route.label} is delegated to {', '.join(route.hosts)} without an address: {program} must look it up",
            "if it cannot find it, write the address into the map, and run this again",
        )


def note_classless(routes: Iterable[Route], why: str, hint: str) -> Iterable[Note]:
    """Note the delegations below /24, where the program does not follow the CNAMEs to them (RFC 2317)."""
    found = [route.label for route in routes if route.is_classless]
    if found:
        yield Note(f"{', '.join(found)}: {why}", hint)
