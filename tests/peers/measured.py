"""docs/measured.md: figures that tests see and nobody can promise. `pytest --write-measured` writes them."""

import os
import platform
from datetime import UTC, datetime

import pytest
from peer_programs import ROOT

PAGE = ROOT / "docs" / "measured.md"


def write_measured(config: pytest.Config, what: str, seen: str) -> None:
    """Put what was seen into the row whose first cell is `what`; without --write-measured only look for the row."""
    lines = PAGE.read_text().splitlines(keepends=True)
    rows = [number for number, line in enumerate(lines) if line.startswith(f"| {what} |")]
    assert len(rows) == 1, f"{PAGE} has no row, or several, for {what}"
    if config.getoption("write_measured"):
        where = f"{datetime.now(UTC):%Y-%m-%d}, {os.cpu_count()} cores, Linux {platform.release().split('-')[0]}"
        lines[rows[0]] = f"| {what} | {seen} | {where} |\n"
        PAGE.write_text("".join(lines))
