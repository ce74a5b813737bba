"""OpenSSL stays out of what serves, and whoever wants TLS after that has it."""

import os
import subprocess
import sys

PLAIN = {name: value for name, value in os.environ.items() if not name.startswith("COV")}  # coverage uses hashlib


def run(script):
    return subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, env=PLAIN)


def test_a_server_has_no_openssl():
    done = run("import sys, blackhole_guard.cli.main, blackhole_guard.cli.serve; print(*sys.modules)")
    assert (done.returncode, done.stderr) == (0, "")
    modules = set(done.stdout.split())
    assert "asyncio" in modules
    assert modules.isdisjoint({"ssl", "_ssl", "hashlib", "_hashlib"})


def test_the_observers_libraries_find_what_they_import():
    done = run(
        "import blackhole_guard.app.serve, asyncio.sslproto; assert asyncio.sslproto.ssl is None\n"
        "import ssl, blackhole_guard.telemetry.observer; ssl.create_default_context()"
    )
    assert (done.returncode, done.stderr) == (0, "")
