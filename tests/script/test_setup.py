"""script/setup on machines that are not ready: it says what is missing and how to get it, and makes nothing."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent.parent
TOO_OLD = '#!/bin/sh\n[ "$1" = --version ] && { echo Python 3.9.2; exit 0; }\nexit 1\n'
# Makes an environment of copies of itself, and writes down what pip is asked to install.
ASKED = """#!/bin/sh
case "$*" in
  --version) echo Python 3.11.9 ;;
  "-m venv .venv") mkdir -p .venv/bin && cp "$0" .venv/bin/python && echo "$PWD/.venv" >.venv/bin/pip ;;
  "-m pip install "*) shift 4; echo "$*" >>asked ;;
esac
"""
WITHOUT_VENV = f'#!/bin/sh\ncase "$2" in *ensurepip*) exit 1 ;; esac\nexec {sys.executable} "$@"\n'
NAMES = ("python3", *(f"python3.{minor}" for minor in range(11, 15)))


def set_up(tmp_path: Path, python: str, *extras: str) -> subprocess.CompletedProcess[str]:
    """Run a copy of script/setup with `python` in place of each Python that it could find."""
    (tmp_path / "bin").mkdir(exist_ok=True)
    for name in NAMES:
        (tmp_path / "bin" / name).write_text(python)
        (tmp_path / "bin" / name).chmod(0o755)
    (tmp_path / "script").mkdir(exist_ok=True)
    shutil.copy(ROOT / "script" / "setup", tmp_path / "script")
    shutil.copy(ROOT / "pyproject.toml", tmp_path)
    path = f"{tmp_path}/bin:{os.environ['PATH']}"
    command = [str(tmp_path / "script" / "setup"), *extras]
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


def test_what_is_there_is_not_installed_again(tmp_path):
    for extras in [("dev",), ("dev",), (), ("dev", "bench"), ("dev", "bench"), ("bench",), ("dev",)]:
        done = set_up(tmp_path, ASKED, *extras)
        assert done.returncode == 0, done.stderr
    assert (tmp_path / "asked").read_text().splitlines() == ["--editable .[dev]", "--editable .[dev,bench]"]


def test_another_python_is_given_all_packages(tmp_path):
    for version in ("Python 3.11.9", "Python 3.12.1"):
        done = set_up(tmp_path, ASKED.replace("Python 3.11.9", version))
        assert done.returncode == 0, done.stderr
    assert (tmp_path / "asked").read_text().splitlines() == ["--editable .", "--editable ."]
