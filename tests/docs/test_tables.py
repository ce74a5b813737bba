"""The tables in docs/ against the code: a setting, a map key or a room that is in one and not in the other fails."""

import re
from pathlib import Path

import msgspec
import pytest

import blackhole_guard
from blackhole_guard.answering.tally import FAMILIES
from blackhole_guard.config.settings import Settings
from blackhole_guard.server.roles import COUNTERS, GAUGES
from blackhole_guard.telemetry.catalogue import CATALOGUE, PREFIX, make_layout

ROOT = Path(blackhole_guard.__file__).parent.parent
DOCS = ROOT / "docs"


def first_column(page: str, header: str) -> list[str]:
    """The first cells, without backticks, of the table on `page` whose first header cell is `header`."""
    lines = (DOCS / page).read_text().splitlines()
    start = next(number for number, line in enumerate(lines) if line.startswith(f"| {header} |"))
    cells = []
    for line in lines[start + 2 :]:
        if not line.startswith("|"):
            break
        cells.append(line.split("|")[1].strip().strip("`"))
    return cells


def rows(page: str, header: str) -> dict[str, list[str]]:
    lines = (DOCS / page).read_text().splitlines()
    start = next(number for number, line in enumerate(lines) if line.startswith(f"| {header} |"))
    table = {}
    for line in lines[start + 2 :]:
        if not line.startswith("|"):
            break
        cells = [cell.strip().strip("`") for cell in line.strip("|").split("|")]
        table[cells[0]] = cells[1:]
    return table


def settings_of(struct: type[msgspec.Struct], prefix: str = "") -> dict[str, object]:
    """Dotted names of all settings below `struct`, with their defaults."""
    names: dict[str, object] = {}
    for field in msgspec.structs.fields(struct):
        name = f"{prefix}{field.name}"
        if isinstance(field.default, msgspec.Struct):
            names |= settings_of(type(field.default), f"{name}.")
        else:
            names[name] = field.default
    return names


def seconds(text: str) -> str:
    match = re.fullmatch(r"(\d+)([smhd])", text)
    return str(int(match[1]) * {"s": 1, "m": 60, "h": 3600, "d": 86400}[match[2]]) if match else text


def test_the_table_of_settings_lists_each_setting_once_in_the_order_of_the_schema():
    assert first_column("configuration.md", "setting") == list(settings_of(Settings))


@pytest.mark.parametrize(("name", "default"), settings_of(Settings).items())
def test_the_table_of_settings_shows_the_default(name, default):
    shown = rows("configuration.md", "setting")[name][0]
    if name == "server.listen":
        assert shown == "127.0.0.1 and ::1"
    elif default is None or default == ():
        assert shown == "none"
    elif isinstance(default, tuple):
        assert shown == ", ".join(default)
    elif isinstance(default, bool):
        assert shown == str(default).lower()
    else:
        assert seconds(shown) == str(default)


def test_the_table_of_metrics_lists_each_metric_once_in_the_order_of_the_catalogue():
    assert first_column("metrics.md", "metric") == [PREFIX + metric.name for metric in CATALOGUE]


@pytest.mark.parametrize("metric", CATALOGUE, ids=lambda metric: metric.name)
def test_the_table_of_metrics_shows_type_and_labels(metric):
    kind, labels, meaning = rows("metrics.md", "metric")[PREFIX + metric.name]
    assert (kind, labels) == (metric.kind, ", ".join(metric.labels) or "none")
    assert meaning


@pytest.mark.parametrize(
    ("header", "family", "label"),
    [
        ("refused: reason", "refused", "reason"),
        ("datagrams dropped: reason", "datagrams_dropped", "reason"),
        ("responses unsent: reason", "responses_unsent", "reason"),
        ("connections closed: reason", "tcp_closed", "reason"),
        ("sink", "leaks_averted", "sink"),
        ("shape", "leaks_averted", "shape"),
        ("outcome", "leaks_averted", "outcome"),
    ],
)
def test_the_tables_of_label_values_list_each_value_once(header, family, label):
    cells = [cell for cell in make_layout(FAMILIES, COUNTERS, GAUGES) if cell.family == family]
    position = cells[0].labels.index(label)
    assert sorted(first_column("metrics.md", header)) == sorted({cell.values[position] for cell in cells})


def test_the_table_of_rooms_lists_each_room_once():
    package = ROOT / "blackhole_guard"
    folders = {f"blackhole_guard/{path.parent.name}/" for path in package.glob("*/__init__.py")}
    modules = {f"blackhole_guard/{path.name}" for path in package.glob("*.py") if not path.name.startswith("__")}
    listed = first_column("architecture.md", "room")
    assert sorted(listed) == sorted(folders | modules)


def test_each_room_says_in_its_init_what_belongs_there():
    for path in (ROOT / "blackhole_guard").glob("*/__init__.py"):
        text = path.read_text()
        assert "Belongs here:" in text and "Does not:" in text, path


def test_links_between_the_documents_lead_somewhere():
    for page in [ROOT / "README.md", *DOCS.glob("*.md")]:
        for target in re.findall(r"\]\(([^)#:]+)(?:#[^)]*)?\)", page.read_text()):
            assert (page.parent / target).exists(), f"{page.name}: {target}"
