"""What people see: colours and widths on a terminal, plain lines in a pipe."""

import sys
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:  # `rich` takes 30 ms to import, and who prints JSON has no use for it
    import msgspec
    from rich.console import Console
    from rich.table import Table

    from blackhole_guard.config.problems import Problem

_PIPE_WIDTH = 1000  # columns; in a file or a pipe nothing is folded


def make_console(*, errors: bool = False) -> "Console":
    """Make a console on standard output or standard error. What it prints must be printable already.

    Colours are for terminals (and not under NO_COLOR, which rich looks at).
    """
    from rich.console import Console

    stream = sys.stderr if errors else sys.stdout
    width = None if stream.isatty() else _PIPE_WIDTH
    return Console(file=stream, width=width, markup=False, highlight=False, emoji=False)


def make_table(*columns: str, right: Iterable[str] = ()) -> "Table":
    """Make a table without lines around it; `right` names the columns of numbers."""
    from rich.table import Table

    table = Table(box=None, pad_edge=False, header_style="bold", padding=(0, 2, 0, 0))
    for column in columns:
        table.add_column(column, justify="right" if column in right else "left", overflow="fold")
    return table


def print_problems(console: "Console", problems: "Iterable[Problem]") -> None:
    """Print `file:line: what; hint`, one problem a line, never folded: editors and scripts read it."""
    from rich.text import Text

    for problem in problems:
        text = Text(f"{problem.place}: ", style="bold")
        if problem.severity == "warning":
            text.append("warning: ", style="yellow")
        text.append(problem.what, style="not bold red" if problem.severity == "error" else "not bold")
        if problem.hint:
            text.append(f"; {problem.hint}", style="not bold")
        console.print(text, soft_wrap=True)


def print_document(document: "msgspec.Struct | Mapping[str, msgspec.Struct]") -> None:
    """Print JSON: on a terminal to be read, in a pipe on one line. What is in it must be printable already."""
    import msgspec

    octets = msgspec.json.encode(document)
    click.echo(msgspec.json.format(octets) if sys.stdout.isatty() else octets)


def count(number: int, noun: str, plural: str | None = None) -> str:
    """Write a number with its noun: `1 zone`, `2 zones`, `1,000,000 records`."""
    return f"{number:,} {noun if number == 1 else plural or noun + 's'}"
