"""The kernel's floor: a C loop (floor.c) that sends each datagram back. What a server uses beyond it is its own."""

import subprocess
from pathlib import Path

from bench.programs import program

_HERE = Path(__file__).parent


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
