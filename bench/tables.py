"""Tables of samples: what was seen in each round, its medians, how ours stands to the peers, as JSON and as Markdown.

A table holds every sample, so that a median can be checked and drawn again; only printing rounds.
"""

import json
import platform
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median
from typing import Any

OURS = "ours"
_SHOWN: Mapping[str, Callable[[list[float]], float]] = {"median": median, "sum": sum, "max": max}
RESULTS = Path(__file__).parent.parent / "docs" / "performance" / "results.json"


@dataclass(frozen=True)
class Column:
    """A figure that is taken in each round."""

    key: str  # in JSON, and as the argument of `Table.add`
    label: str  # the heading, with the unit
    digits: int = 0  # after the point
    is_compared: bool = False  # followed by a column "ours to it"
    scale: float = 1.0  # what a sample is multiplied with before it is printed
    more_is_better: bool = False
    of: str = "median"  # what a table shows of the rounds: "median", "sum" or "max"

    def format(self, figure: float) -> str:
        """A figure as it is printed; what never ended, since a response was lost, is no number."""
        if figure == float("inf"):
            return "lost"
        return f"{figure * self.scale:,.{self.digits}f}"


@dataclass
class Table:
    """Samples of several subjects (servers, mostly) in several groups (workloads, sizes, rates)."""

    name: str  # in the results file and in the markers of docs/performance.md
    title: str
    group: str  # the heading of the first column: "workload"
    subject: str  # the heading of the second column: "server"
    columns: tuple[Column, ...]
    notes: list[str] = field(default_factory=list)  # sentences below the table
    samples: dict[tuple[str, str], dict[str, list[float]]] = field(default_factory=dict)

    def add(self, group: str, subject: str, **figures: float) -> None:
        """Add what one round has seen. Rows keep the order in which they were first seen."""
        unknown = set(figures) - {column.key for column in self.columns}
        assert not unknown, f"{self.name} has no column {unknown}"
        row = self.samples.setdefault((group, subject), {})
        for key, figure in figures.items():
            row.setdefault(key, []).append(figure)

    def figure(self, group: str, subject: str, key: str) -> float | None:
        """What the table shows of a figure's rounds: their median, sum or maximum; None: it was not taken."""
        seen = self.samples.get((group, subject), {}).get(key)
        of = next(column.of for column in self.columns if column.key == key)
        return _SHOWN[of](seen) if seen else None

    def ratio(self, group: str, peer: str, key: str) -> float | None:
        """Our median by a peer's; None where one of them is missing or infinite, or the peer's is 0."""
        own, other = self.figure(group, OURS, key), self.figure(group, peer, key)
        if own is None or not other or float("inf") in (own, other):
            return None
        return own / other

    def groups(self) -> list[str]:
        """The groups, in order."""
        return list(dict.fromkeys(group for group, _ in self.samples))

    def subjects(self) -> list[str]:
        """The subjects, in order."""
        return list(dict.fromkeys(subject for _, subject in self.samples))

    def rounds(self) -> int:
        """The most samples that a figure has."""
        return max((len(seen) for row in self.samples.values() for seen in row.values()), default=0)

    def to_markdown(self) -> str:
        """The table as Markdown: medians unless a heading says otherwise, and in bold what is ours; no title."""
        headings = [self.group, self.subject]
        for column in self.columns:
            headings += [column.label, "ours to it"] if column.is_compared else [column.label]
        lines = ["| " + " | ".join(headings) + " |", "|---|---" + "|---:" * (len(headings) - 2) + "|"]
        seen = None
        for group, subject in self.samples:
            shown = f"**{subject}**" if subject == OURS else subject
            cells = ["" if group == seen else group, shown, *self._cells(group, subject)]
            lines.append("| " + " | ".join(cells) + " |")
            seen = group
        lines += ["", f"Medians of {self.rounds()} rounds. " + " ".join(self.notes)]
        return "\n".join(lines).strip() + "\n"

    def _cells(self, group: str, subject: str) -> Iterator[str]:
        for column in self.columns:
            figure = self.figure(group, subject, column.key)
            yield "" if figure is None else column.format(figure)
            if column.is_compared:
                ratio = None if subject == OURS else self.ratio(group, subject, column.key)
                yield "" if ratio is None else f"{ratio:.2f}"

    def to_json(self) -> dict[str, Any]:
        """The table with all its samples."""
        return {
            "title": self.title,
            "group": self.group,
            "subject": self.subject,
            "columns": [vars(column) for column in self.columns],
            "notes": self.notes,
            "rows": [{"group": g, "subject": s, "samples": _rounded(row)} for (g, s), row in self.samples.items()],
        }

    @classmethod
    def from_json(cls, name: str, data: Mapping[str, Any]) -> "Table":
        """The inverse of `to_json`."""
        table = cls(name, data["title"], data["group"], data["subject"], tuple(Column(**c) for c in data["columns"]))
        table.notes = list(data["notes"])
        table.samples = {(row["group"], row["subject"]): dict(row["samples"]) for row in data["rows"]}
        return table


def _rounded(row: Mapping[str, list[float]]) -> dict[str, list[float]]:
    """Six significant digits: more is noise, and the file is read by people, too."""
    return {key: [float(f"{sample:.6g}") for sample in seen] for key, seen in row.items()}


def save(tables: list[Table], path: Path = RESULTS) -> None:
    """Put tables into the results file in place of those of the same name; the others stay."""
    data = _read(path)
    stamp = {"taken": time.strftime("%Y-%m-%d"), "machine": describe_machine()}
    for table in tables:
        data[table.name] = {**stamp, **table.to_json()}
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(_compact(json.dumps(data, indent=1, ensure_ascii=False)) + "\n")


def load(path: Path = RESULTS) -> dict[str, Table]:
    """The tables of the results file, by name; none when there is no such file."""
    return {name: Table.from_json(name, data) for name, data in _read(path).items()}


def taken(path: Path = RESULTS) -> dict[str, str]:
    """When and where each table of the results file was taken, by name."""
    return {name: f"{data['taken']}, {data['machine']}" for name, data in _read(path).items()}


def _read(path: Path) -> dict[str, Any]:
    return dict(json.loads(path.read_text())) if path.exists() else {}


def _compact(text: str) -> str:
    """JSON with each list of numbers in one line, so that a change of a figure is a change of a line."""
    lines: list[str] = []
    inside = False
    for line in text.splitlines():
        stripped = line.strip()
        is_number = stripped.rstrip(",").replace(".", "").replace("-", "").replace("e", "").replace("+", "").isdigit()
        if inside and (is_number or stripped in ("]", "],")):
            lines[-1] += stripped + (" " if stripped.endswith(",") and is_number else "")
            inside = is_number
        else:
            lines.append(line)
            inside = stripped.endswith("[")
    return "\n".join(lines)


def describe_machine() -> str:
    """The processor, its cores, the kernel and Python, in one line."""
    model = ""
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            model = line.split(":", 1)[1].strip()
            break
    cores = Path("/proc/cpuinfo").read_text().count("processor\t")
    return (
        f"{model or platform.machine()}, {cores} cores, Linux {platform.release()}, Python {platform.python_version()}"
    )
