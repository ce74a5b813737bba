"""The observer's libraries come without OpenSSL, work so, and leave it to whoever wants it afterwards."""

import os
import subprocess
import sys

PLAIN = {name: value for name, value in os.environ.items() if not name.startswith("COV")}  # coverage uses hashlib
IMPORT = "from blackhole_guard.telemetry.light_libraries import import_lightly as go; "


def run(script):
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, env=PLAIN)
    assert (done.returncode, done.stderr) == (0, "")
    return set(done.stdout.split())


def test_they_bring_no_openssl():
    lines = "go(); import sys, blackhole_guard.app.api, blackhole_guard.app.rounds; print(*sys.modules)"
    modules = run(f"import blackhole_guard.server.light_asyncio; {IMPORT}{lines}")
    assert {"aiohttp.web", "prometheus_client"} <= modules
    assert modules.isdisjoint({"ssl", "_ssl", "_hashlib"})


def test_who_wants_tls_and_digests_has_them_afterwards():
    check = "ssl.create_default_context(); print(hashlib.sha256(b'').hexdigest(), hashlib.md5(b'').hexdigest())"
    assert run(f"{IMPORT}go(); import hashlib, ssl; {check}") == {
        "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
        "d41d8cd98f00b204e9800998ecf8427e",
    }


def test_what_is_there_already_stays_as_it_is():
    assert run(
        f"import ssl; context = ssl.SSLContext; {IMPORT}go(); import aiohttp, ssl; print(ssl.SSLContext is context)"
    ) == {"True"}


def test_a_library_that_wants_more_gets_it_when_it_is_imported_next(tmp_path):
    (tmp_path / "prometheus_client.py").write_text("import ssl\nssl.create_default_context().options\n")
    assert run(
        f"import sys; sys.path.insert(0, {str(tmp_path)!r}); {IMPORT}go(); import prometheus_client; print(1)"
    ) == {"1"}
