"""Programs that measurements need: where they are, and all that is missing, with the command that gets it."""

import importlib.util
import os
import shutil
import sys
from collections.abc import Set
from pathlib import Path

ROOT = Path(__file__).parent.parent
_UNPACKED = ROOT / ".cache" / "peers" / "bin"
_SYSTEM = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
_FROM_THE_MACHINE = {"taskset": "util-linux", "setpriv": "util-linux", "unshare": "util-linux"}


def find_program(name: str) -> str | None:
    """The absolute path of a program: from script/peers, in .venv, or the machine's; None where it cannot be had."""
    for directory in (_UNPACKED, Path(sys.executable).parent):
        if (directory / name).is_file():
            return str(directory / name)
    return shutil.which(name, path=_SYSTEM)


def program(name: str) -> str:
    """The absolute path of a program that `missing` has been asked about."""
    path = find_program(name)
    if path is None:
        raise SystemExit(f"{name} is missing: {_remedy(name)}")
    return path


def missing(programs: Set[str], modules: Set[str] = frozenset(), *, root: bool = False) -> list[str]:
    """What this machine lacks, a line each with its remedy.

    Args:
        programs: names of commands.
        modules: names of Python modules of the extra `bench`.
        root: whether root is needed.
    """
    lines = [f"{name}: {_remedy(name)}" for name in sorted(programs) if find_program(name) is None]
    lines += [
        f"Python's {name}: script/setup dev bench" for name in sorted(modules) if importlib.util.find_spec(name) is None
    ]
    if root and os.geteuid() != 0:
        lines.append(
            "root: run it with sudo, for a network namespace of its own (ports and addresses as in production)"
        )
    return lines


def _remedy(name: str) -> str:
    if name in _FROM_THE_MACHINE:
        return f"apt install {_FROM_THE_MACHINE[name]}"
    return "script/setup dev bench" if name == "py-spy" else "script/peers"
