"""What `scan` prints of query logs."""

import json
import signal
import subprocess
import sys

import pytest
from click.testing import CliRunner

from blackhole_guard.cli.scan import command

QUERY = "client @0x7f 10.0.0.5#50161 (x): query: {name} IN {qtype} + (10.0.0.53)\n"
LEAK = "client @0x7f 10.0.0.5#50161 (x): RFC 1918 response from Internet for 3.0.0.10.in-addr.arpa\n"


def scan(*words):
    return CliRunner().invoke(command, list(map(str, words)))


@pytest.fixture
def log(tmp_path):
    path = tmp_path / "named.log"
    asked = QUERY.format(name="3.0.0.10.in-addr.arpa", qtype="PTR") * 3
    path.write_text(asked + LEAK + QUERY.format(name="0.10.in-addr.arpa", qtype="A") + "\x1b[2J\n")
    return path


def test_a_summary_says_what_leaked_and_what_may(log):
    done = scan(log)
    assert done.exit_code == 1
    rows = [line.split() for line in done.stdout.splitlines()]
    assert rows[1:3] == [
        ["leaked", "10.0.0.0/8", "as112", "host", "1"],
        ["may", "leak", "10.0.0.0/8", "as112", "host", "3"],
    ]
    assert rows[rows.index(["leaks", "are", "caused", "by"]) + 1] == ["clients", "10.0.0.5", "1"]
    assert rows[rows.index(["what", "may", "leak", "is", "asked", "by"]) + 1] == ["clients", "10.0.0.5", "3"]
    assert done.stdout.endswith("besides 1 query for a part of an address\n6 lines, 4 findings\n")


def test_json(log):
    done = scan(log, "--json")
    found = json.loads(done.stdout)
    assert (found["lines"], found["partial"]) == (6, 1)
    assert {each["certainty"]: each["queries"] for each in found["leaks"]} == {"observed": 1, "possible": 3}
    for kind, number in (("leaked", 1), ("may_leak", 3)):
        assert found[kind]["clients"] == [{"client": "10.0.0.5", "count": number, "error": 0}]
        assert found[kind]["pairs"] == [{"client": "10.0.0.5", "address": "10.0.0.3", "count": number, "error": 0}]


def test_nothing_found(tmp_path):
    path = tmp_path / "named.log"
    path.write_text("nothing\n")
    done = scan(path)
    assert (done.exit_code, done.stdout) == (0, "1 line, 0 findings\n")


def test_nothing_to_read(tmp_path):
    done = scan(tmp_path / "missing.log")
    assert done.exit_code == 2
    assert "missing.log: No such file or directory" in done.stderr


def test_one_file_only_is_followed(tmp_path):
    assert scan("a", "b", "--follow").exit_code == 2


def test_follow_tells_leaks_as_they_happen_through_a_rotation_and_ends_with_a_summary(log):
    # Who runs the tests in the background has SIGINT ignored, and its children with it.
    program = "import signal; signal.signal(signal.SIGINT, signal.default_int_handler)\n"
    program += "from blackhole_guard.cli.scan import command; command()"
    words = [sys.executable, "-c", program, str(log), "--follow"]
    with subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        try:
            told = [process.stdout.readline() for _ in range(5)]
            log.rename(log.with_suffix(".1"))
            log.write_text(QUERY.format(name="a\\032\\027[2m.10.in-addr.arpa", qtype="TXT"))
            told.append(process.stdout.readline())
            process.send_signal(signal.SIGINT)
            rest, errors = process.communicate(timeout=10)
        finally:
            process.kill()
    assert told[3] == "leaked: 3.0.0.10.in-addr.arpa. PTR for 10.0.0.5\n"
    assert told[5] == "may leak: a\\032\\027[2m.10.in-addr.arpa. TXT for 10.0.0.5\n"
    assert (process.returncode, errors) == (1, "")
    assert rest.endswith("7 lines, 5 findings\n")
