"""How commands read what a server beside them may be serving."""

import os
import subprocess
import sys

import pytest

_PROGRAM = """
import os, sys
from blackhole_guard.cli.main import main
try:
    main(sys.argv[1:])
except SystemExit as ended:
    print(ended.code, os.getpriority(os.PRIO_PROCESS, 0))
"""


@pytest.mark.parametrize("words", [("check",), ("check", "--json"), ("explain", "10.0.0.3")])
def test_a_server_beside_it_goes_before_the_command(words, tmp_path):
    (tmp_path / "map.yaml").write_text("zone: 10.0.0.0/8\nptr: {10.0.0.3: web.example.com}\n")
    command = [sys.executable, "-c", _PROGRAM, *words, "--zones", "map.yaml"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=True)
    modest = min(os.getpriority(os.PRIO_PROCESS, 0) + 10, 19)
    assert done.stdout.splitlines()[-1] == f"0 {modest}"
