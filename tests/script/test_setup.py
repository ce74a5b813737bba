"""script/setup on machines that are not ready: it says what is missing and how to get it, and makes nothing."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent.parent
TOO_OLD = '#!/bin/sh\n[ "$1" = --version ] && { echo Python 3.9.2; exit 0; }\nexit 1\n'
WITHOUT_VENV = f'#!/bin/sh\ncase "$2" in *ensurepip*) exit 1 ;; esac\nexec {sys.executable} "$@"\n'
NAMES = ("python3", *(f"python3.{minor}" for minor in range(11, 15)))


def set_up(tmp_path: Path, python: str) -> subprocess.CompletedProcess[str]:
    """Run a copy of script/setup with `python` in place of each Python that it could find."""
    (tmp_path / "bin").mkdir()
    for name in NAMES:
        (tmp_path / "bin" / name).write_text(python)
        (tmp_path / "bin" / name).chmod(0o755)
    (tmp_path / "script").mkdir()
    shutil.copy(ROOT / "script" / "setup", tmp_path / "script")
    shutil.copy(ROOT / "pyproject.toml", tmp_path)
    path = f"{tmp_path}/bin:{os.environ['PATH']}"
    command = [str(tmp_path / "script" / "setup")]
    return subprocess.run(command, env={"PATH": path}, capture_output=True, text=True, timeout=60, check=False)


@pytest.mark.parametrize(
    ("python", "said"),
    [
        (
            TOO_OLD,
            ["Python 3.11 or later is needed; python3 here is: Python 3.9.2", "apt install python3 python3-venv"],
        ),
        (WITHOUT_VENV, ["lacks the modules that make virtual environments", "apt install python3-venv"]),
    ],
    ids=["too old", "no python3-venv"],
)
def test_a_python_that_will_not_do_is_named_with_its_remedy(tmp_path, python, said):
    done = set_up(tmp_path, python)
    assert done.returncode == 1
    assert all(text in done.stderr for text in said)
    assert not (tmp_path / ".venv").exists()
