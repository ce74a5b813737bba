"""docs/performance.md: its tables, between markers, are written from the results file; the words around them stay."""

import re
from collections.abc import Mapping
from pathlib import Path

from bench import floor, tables
from bench.programs import ROOT
from bench.tables import Table

DOCUMENT = ROOT / "docs" / "performance.md"
_MARKED = re.compile(r"(<!-- table (?P<name>\w+) -->\n).*?(<!-- end of \w+ -->)", re.DOTALL)


def refresh(document: Path = DOCUMENT, results: Path = tables.RESULTS) -> None:
    """Write all tables that the document has markers for and the results file knows."""
    known = tables.load(results)
    taken = tables.taken(results)
    if "throughput" in known:
        known["floor"], taken["floor"] = floor.relate(known["throughput"]), taken["throughput"]
    document.write_text(fill(document.read_text(), known, taken))


def fill(text: str, known: Mapping[str, Table], taken: Mapping[str, str]) -> str:
    """Replace what stands between `<!-- table NAME -->` and `<!-- end of NAME -->`; a table that is not known stays."""

    def replace(found: re.Match[str]) -> str:
        name = found["name"]
        if name not in known:
            return found[0]
        return f"{found[1]}\n{known[name].to_markdown()}\n{taken[name]}.\n\n{found[3]}"

    return _MARKED.sub(replace, text)
