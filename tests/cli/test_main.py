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


def start(redirection: str, *words: str) -> subprocess.CompletedProcess[str]:
    """Run the command from a shell that redirects its standard files."""
    script = f'"$@" {redirection}'
    command = ["sh", "-c", script, "sh", sys.executable, "-m", "blackhole_guard", *words]
    return subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)


@pytest.mark.parametrize("words", [["version"], ["explain", "10.0.0.3"], ["explain", "10.0.0.3", "--json"], ["--help"]])
def test_what_cannot_be_written_is_told_in_one_line(words):
    done = start(">/dev/full", *words)
    assert (done.returncode, done.stderr) == (2, "Error: cannot write: No space left on device\n")
    assert start(">/dev/full 2>/dev/full", *words).returncode == 2


@pytest.mark.parametrize("closed", [">&-", "2>&-", "<&- >&- 2>&-"])
def test_standard_files_may_be_closed(closed):
    done = start(closed, "explain", "10.0.0.3")
    assert (done.returncode, done.stderr) == (0, "")


def test_no_file_takes_the_place_of_a_closed_standard_file():
    script = (
        "import os; from blackhole_guard.cli.standard_files import open_missing; os.close(1); os.close(2);"
        "open_missing(); os.write(0, ' '.join(os.readlink(f'/proc/self/fd/{fd}') for fd in (1, 2)).encode())"
    )
    with open(os.devnull) as null:
        read, write = os.pipe()
        subprocess.run([sys.executable, "-c", script], stdin=write, stdout=null, check=True, timeout=60)
        os.close(write)
        assert os.read(read, 100) == b"/dev/null /dev/null"
        os.close(read)
