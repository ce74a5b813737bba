"""Pictures of the tables, as SVG for docs/performance.md: bars of medians, and curves of latency.

Text stays text and nothing in a file is random or dated, so that a picture is small and changes when its figures do.
"""

from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bench.latency import PERCENTILES
from bench.tables import OURS, RESULTS, Table

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_COLOURS = {OURS: "#d1495b", "knot": "#2e6f95", "nsd": "#66a182", "bind": "#edae49", "floor": "#9aa0a6"}
_OTHERS = ("#7a5195", "#3f4756", "#bc5090", "#58508d")
# Which figures of a table are drawn, if there is the table: (column, file). Any other table: its first column.
_BARS = {
    "throughput": [("qps", "throughput")],
    "capacity": [("qps", "capacity"), ("cpu", "cpu")],
    "tcp": [("cpu", "tcp")],
    "workers": [("cpu", "workers")],
}
_LEGEND: dict[str, Any] = {"loc": "lower center", "ncols": 6, "fontsize": 8, "frameon": False}
_CURVES = "latency"


def names(table: Table) -> list[str]:
    """The files that `draw` makes of a table."""
    if table.name == _CURVES:
        return [f"{_CURVES}.svg"]
    return [f"{name}.svg" for _, name in _figures(table)]


def _figures(table: Table) -> list[tuple[str, str]]:
    return _BARS.get(table.name, [(table.columns[0].key, table.name)])


def draw(tables: Iterable[Table], directory: Path = RESULTS.parent) -> list[Path]:
    """Draw all pictures of some tables and return the files."""
    import matplotlib

    matplotlib.use("svg")
    matplotlib.rcParams.update({"svg.fonttype": "none", "svg.hashsalt": "bench", "font.size": 9})
    directory.mkdir(parents=True, exist_ok=True)
    drawn = []
    for table in tables:
        if table.name == _CURVES:
            drawn.append(_draw_curves(table, directory / f"{_CURVES}.svg"))
            continue
        for key, name in _figures(table):
            drawn.append(_draw_bars(table, key, directory / f"{name}.svg"))
    return drawn


def _colour(table: Table, subject: str) -> str:
    others = [each for each in table.subjects() if each not in _COLOURS]
    return _COLOURS[subject] if subject in _COLOURS else _OTHERS[others.index(subject) % len(_OTHERS)]


def _draw_bars(table: Table, key: str, path: Path) -> Path:
    import matplotlib.pyplot as plt

    groups, subjects = table.groups(), table.subjects()
    column = next(column for column in table.columns if column.key == key)
    figure, axes = plt.subplots(figsize=(max(5.0, 1.3 * len(groups) + 1.5), 3.2))
    width = 0.8 / len(subjects)
    for place, subject in enumerate(subjects):
        heights = [(table.figure(group, subject, key) or 0) * column.scale for group in groups]
        left = [number + (place - (len(subjects) - 1) / 2) * width for number in range(len(groups))]
        axes.bar(left, heights, width * 0.92, label=subject, color=_colour(table, subject))
    axes.set_xticks(range(len(groups)), [group.replace(", ", ",\n") for group in groups])
    axes.yaxis.set_major_formatter("{x:,.0f}")
    axes.set_ylabel(column.label)
    _finish(axes, table.title)
    figure.legend(*axes.get_legend_handles_labels(), **_LEGEND)
    return _save(figure, path)


def _draw_curves(table: Table, path: Path) -> Path:
    import matplotlib.pyplot as plt

    groups = table.groups()
    figure, panels = plt.subplots(1, len(groups), figsize=(3.2 * len(groups), 3.2), sharey=True, squeeze=False)
    labels = {column.key: column.label.split(",")[0] for column in table.columns}
    for axes, group in zip(panels[0], groups, strict=True):
        for subject in table.subjects():
            times = [(table.figure(group, subject, key) or float("nan")) * 1e6 for key in PERCENTILES]
            axes.plot(range(len(times)), times, marker="o", markersize=3, label=subject, color=_colour(table, subject))
        axes.set_yscale("log")
        axes.minorticks_off()
        axes.set_xticks(range(len(PERCENTILES)), [labels[key] for key in PERCENTILES], fontsize=7)
        _finish(axes, f"{group} queries/s")
    panels[0][0].set_ylabel("us")
    figure.legend(*panels[0][0].get_legend_handles_labels(), **_LEGEND)
    return _save(figure, path)


def _finish(axes: "Axes", title: str) -> None:
    axes.set_title(title, fontsize=10)
    axes.grid(axis="y", linewidth=0.4, alpha=0.6)
    axes.set_axisbelow(True)
    axes.spines[["top", "right"]].set_visible(False)


def _save(figure: "Figure", path: Path) -> Path:
    import matplotlib.pyplot as plt

    figure.tight_layout(rect=(0, 0.09, 1, 1))
    figure.savefig(path, format="svg", metadata={"Date": None})
    plt.close(figure)
    return path
