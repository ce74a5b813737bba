"""What is wrong with a file, where, and how to mend it. A run reports all problems, not the first."""

from collections.abc import Iterable

import msgspec


class Place(msgspec.Struct, frozen=True, order=True):
    """A line of a file, as the operator wrote it."""

    file: str  # the path as it was given or matched, relative ones relative to the working directory
    line: int = 0  # counted from 1; 0: the file as a whole

    def __str__(self) -> str:
        return f"{self.file}:{self.line}" if self.line else self.file


class Problem(msgspec.Struct, frozen=True, order=True):
    """One error or warning: `file:line: what; hint`. Texts are printable: hostile file content is escaped when it is made."""

    place: Place
    what: str
    hint: str = ""
    severity: str = "error"  # "error" or "warning"

    def __str__(self) -> str:
        return f"{self.place}: {self.what}" + (f"; {self.hint}" if self.hint else "")


class SettingsError(Exception):
    """The settings or the maps do not load; holds every problem found in the run, sorted by place, at least one."""

    def __init__(self, problems: Iterable[Problem]) -> None:
        self.problems = tuple(sorted(problems))
        super().__init__("\n".join(str(problem) for problem in self.problems))
