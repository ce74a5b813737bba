"""docs/performance.md: tables and pictures, between markers, come from the results file; the words around them stay."""

import re
from collections.abc import Mapping, Set
from pathlib import Path

from bench import floor, pictures, tables, throughput, worse
from bench.programs import ROOT
from bench.tables import Table

DOCUMENT = ROOT / "docs" / "performance.md"
_MARKED = re.compile(r"(<!-- table (?P<name>\w+) -->\n).*?(<!-- end of \w+ -->)", re.DOTALL)
_WORSE = re.compile(r"(<!-- worse -->\n).*?(<!-- end of worse -->)", re.DOTALL)


def refresh(document: Path = DOCUMENT, results: Path = tables.RESULTS) -> None:
    """Write all tables that the document has markers for and the results file knows."""
    known = tables.load(results)
    taken = tables.taken(results)
    if "capacity" in known:
        for derived in (floor.relate(known["capacity"]), throughput.compare_variants(known["capacity"])):
            known[derived.name], taken[derived.name] = derived, taken["capacity"]
    text = _WORSE.sub(lambda found: f"{found[1]}\n{worse.list_worse(known.values())}\n{found[2]}", document.read_text())
    drawn = {path.name for path in results.parent.glob("*.svg")}
    document.write_text(fill(text, known, taken, drawn))


def fill(text: str, known: Mapping[str, Table], taken: Mapping[str, str], drawn: Set[str] = frozenset()) -> str:
    """Replace what stands between `<!-- table NAME -->` and `<!-- end of NAME -->`; a table that is not known stays.

    Args:
        drawn: the pictures that there are, in docs/performance.
    """

    def replace(found: re.Match[str]) -> str:
        name = found["name"]
        if name not in known:
            return found[0]
        table = known[name]
        shown = [f"![{table.title}](performance/{file})\n" for file in pictures.names(table) if file in drawn]
        return "\n".join([found[1], *shown, table.to_markdown(), f"{taken[name]}.\n", found[3]])

    return _MARKED.sub(replace, text)
