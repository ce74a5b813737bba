"""The kernel's floor: a C loop (floor.c) that sends each datagram back. What a server uses beyond it is its own."""

import subprocess
from pathlib import Path

from bench.programs import program
from bench.tables import Column, Table

_HERE = Path(__file__).parent
FLOOR = "floor"
COLUMNS = (
    Column("ratio", "CPU time, floor = 1", 2),
    Column("own", "beyond the floor, us/query", 2),
)


def relate(capacity: Table) -> Table:
    """The CPU time a query of each server to the floor's, round by round, from the table of capacity."""
    table = Table("floor", "CPU time beyond the kernel's floor", "workload", "server", COLUMNS)
    for (workload, server), row in capacity.samples.items():
        floor = capacity.samples.get((workload, FLOOR))
        if floor is not None and server != FLOOR:
            for own, least in zip(row["cpu"], floor["cpu"], strict=True):
                table.add(workload, server, ratio=own / least, own=own - least)
    return table


def build_floor(directory: Path) -> Path:
    """Compile floor.c into `directory` and return the program's path."""
    return build(_HERE / "floor.c", directory)


def build(source: Path, directory: Path) -> Path:
    """Compile a C program of this directory."""
    made = directory / source.stem
    done = subprocess.run(
        [program("gcc"), "-O2", "-Wall", "-Wextra", "-o", str(made), str(source)],
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        raise SystemExit(f"{source.name} cannot be compiled:\n{done.stderr}")
    return made
