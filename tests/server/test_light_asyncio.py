"""OpenSSL stays out of what serves, and whoever wants TLS after that has it."""

import os
import subprocess
import sys

PLAIN = {name: value for name, value in os.environ.items() if not name.startswith("COV")}  # coverage uses hashlib


def run(script):
    return subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, env=PLAIN)


def test_a_server_has_no_openssl():
    script = "import blackhole_guard.cli.main, blackhole_guard.cli.serve; print(open('/proc/self/maps').read())"
    done = run(script)
    assert (done.returncode, done.stderr) == (0, "")
    assert "libcrypto" not in done.stdout and "libssl" not in done.stdout
    assert "_asyncio" in done.stdout


def test_the_observers_libraries_find_what_they_import():
    done = run(
        "import blackhole_guard.app.serve, asyncio.sslproto; assert asyncio.sslproto.ssl is None\n"
        "import ssl, blackhole_guard.telemetry.observer; ssl.create_default_context()"
    )
    assert (done.returncode, done.stderr) == (0, "")
