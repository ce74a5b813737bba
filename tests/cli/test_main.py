"""The group of commands."""

import json
import os
import subprocess
import sys

import pytest

from blackhole_guard import __version__
from blackhole_guard.cli.main import COMMANDS


def test_each_command_is_listed_and_has_help(run):
    assert all(f"  {command} " in run("--help").out for command in COMMANDS)
    for command in COMMANDS:
        done = run(command, "--help")
        assert (done.code, "Usage:" in done.out) == (0, True)


def test_an_unknown_command_is_wrong_use(run):
    done = run("srve")
    assert done.code == 2 and "srve" in done.err


def test_version(run):
    assert run("--version").out == f"blackhole-guard {__version__}\n"
    assert run("version").out.startswith(f"blackhole-guard {__version__} (Python 3.")
    assert json.loads(run("version", "--json").out)["registry"] == "2025-06-16"


@pytest.mark.parametrize("module", ["aiohttp", "rich", "dnslib", "yaml", "lmdb", "prometheus_client", "structlog"])
def test_a_command_imports_no_other_commands_libraries(module):
    script = f"import sys, blackhole_guard.cli.version, blackhole_guard.cli.main; sys.exit({module!r} in sys.modules)"
    subprocess.run([sys.executable, "-c", script], check=True, timeout=60, env=os.environ)


def test_the_module_is_the_command():
    done = subprocess.run(
        [sys.executable, "-m", "blackhole_guard", "version"], capture_output=True, text=True, timeout=60, check=True
    )
    assert done.stdout.startswith("blackhole-guard ")
