"""The measurement of a million records works, with few of them: what it says stands in docs/conformance.md."""

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parent.parent.parent


def test_the_measurement_goes_through_all_its_steps():
    command = [sys.executable, "-m", "bench.million", "--entries", "3000"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False, cwd=ROOT)
    assert done.returncode == 0, done.stdout + done.stderr
    seen = [line[:34].strip() for line in done.stdout.splitlines()]
    assert [step for step in seen if step.startswith(("check", "serve", "reload"))] == [
        "check",
        "serve, cold, to the first answer",
        "reload, nothing has changed",
        "reload, 1 in 1000 has changed",
        "serve again, nothing has changed",
    ]
    for name in ("loader", "worker-0", "worker-1", "main", "PSS"):
        assert name in done.stdout
