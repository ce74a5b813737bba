"""What is wrong with a file, where, and how to mend it. A run reports all problems, not the first."""

from collections.abc import Iterable

import msgspec

from blackhole_guard.wire.names import escape_text

# A file of a million wrong lines must not become a million problems: nobody reads them, and they cost memory.
MAX_ERRORS = 1000  # of one file
MAX_WARNINGS = 100  # of one file
_QUOTED = 80  # characters of a file's content that a message repeats


class Place(msgspec.Struct, frozen=True, order=True):
    """A line of a file, as the operator wrote it."""

    file: str  # the path as it was given or matched, relative ones relative to the working directory; printable
    line: int = 0  # counted from 1; 0: the file as a whole

    def __str__(self) -> str:
        return f"{self.file}:{self.line}" if self.line else self.file


class Problem(msgspec.Struct, frozen=True, order=True):
    """One error or warning: `file:line: what; hint`. Texts are printable: what they repeat of a file is escaped."""

    place: Place
    what: str
    hint: str = ""
    severity: str = "error"  # "error" or "warning"

    def __str__(self) -> str:
        return f"{self.place}: {self.what}" + (f"; {self.hint}" if self.hint else "")


def format_problem(problem: Problem) -> str:
    """Write a problem as `check` shows it: a warning says that it is one."""
    warning = "warning: " if problem.severity == "warning" else ""
    hint = f"; {problem.hint}" if problem.hint else ""
    return f"{problem.place}: {warning}{problem.what}{hint}"


class SettingsError(Exception):
    """The settings or the maps do not load; holds every problem found in the run, sorted by place, at least one."""

    def __init__(self, problems: Iterable[Problem]) -> None:
        self.problems = tuple(sorted(problems))
        super().__init__("\n".join(str(problem) for problem in self.problems))


class ValueProblem(ValueError):
    """A value that is not what its place asks for; the caller knows the place."""

    def __init__(self, what: str, hint: str = "") -> None:
        super().__init__(what)
        self.what = what
        self.hint = hint


def quote(text: str) -> str:
    """Repeat what a file says in a message: printable, on one line, cut when it is long."""
    return escape_text(text, limit=_QUOTED)


class FileProblems:
    """Collects what is wrong with one file."""

    def __init__(self, file: str) -> None:
        """Begin with none.

        Args:
            file: its path; need not be printable.
        """
        self.file = escape_text(file)
        self.errors: list[Problem] = []
        self.warnings: list[Problem] = []
        self._unsaid = {"error": 0, "warning": 0}
        self._spoilt: set[int] = set()

    @property
    def is_full(self) -> bool:
        """Whether further errors are only counted, so that they need no explanation."""
        return len(self.errors) >= MAX_ERRORS

    def place(self, line: int) -> Place:
        """Name a line of this file."""
        return Place(self.file, line)

    def error(self, line: int, what: str, hint: str, *, spoils: bool = False) -> None:
        """Note an error.

        Args:
            line: 0 is the file as a whole.
            what: and `hint` are printable: what they repeat of the file went through `quote`.
            spoils: what else is found wrong with this line follows from this, and is not said.
        """
        if line in self._spoilt:
            return
        if spoils:
            self._spoilt.add(line)
        if not self.is_full:
            self.errors.append(Problem(Place(self.file, line), what, hint))
        else:
            self._unsaid["error"] += 1

    def warning(self, line: int, what: str, hint: str) -> None:
        """Note what loads, but is likely not meant."""
        if line in self._spoilt:
            return
        if len(self.warnings) < MAX_WARNINGS:
            self.warnings.append(Problem(Place(self.file, line), what, hint, "warning"))
        else:
            self._unsaid["warning"] += 1

    def all(self) -> tuple[Problem, ...]:
        """Every problem, errors first, and a line for those that were too many to keep."""
        return (*self.errors, *self._rest("error"), *self.warnings, *self._rest("warning"))

    def _rest(self, severity: str) -> Iterable[Problem]:
        if count := self._unsaid[severity]:
            what = f"{count} more {severity}{'s' if count > 1 else ''} in this file"
            yield Problem(Place(self.file), what, "mend those above first, then look again", severity)
