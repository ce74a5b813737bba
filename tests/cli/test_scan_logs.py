"""What `scan` prints of query logs."""

import bz2
import gzip
import json
import lzma
import os
import pty
import signal
import subprocess
import sys

import pytest
from click.testing import CliRunner

from blackhole_guard.cli.scan import command

QUERY = "client @0x7f 10.0.0.5#50161 (x): query: {name} IN {qtype} + (10.0.0.53)\n"
LEAK = "client @0x7f 10.0.0.5#50161 (x): RFC 1918 response from Internet for 3.0.0.10.in-addr.arpa\n"
FORWARDED = (
    "Nov 26 07:31:50 gw dnsmasq[9]: query[PTR] 3.0.0.10.in-addr.arpa from 10.0.0.5\n"
    "Nov 26 07:31:50 gw dnsmasq[9]: forwarded 3.0.0.10.in-addr.arpa to 8.8.8.8\n"
)
# Who runs the tests in the background has SIGINT ignored, and its children with it.
INTERRUPTIBLE = (
    "import signal; signal.signal(signal.SIGINT, signal.default_int_handler)\n"
    "from blackhole_guard.cli.scan import command; command()"
)


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


def test_json_is_one_object_as_that_of_captures(log):
    found = json.loads(scan(log, "--json").stdout)
    assert (found["leaks"], found["may_leak"], found["complete"]) == (1, 3, True)
    assert (found["counts"]["lines"], found["files"]) == (6, {str(log): None})
    (row,) = found["blocks"]
    assert (row["via"], row["sink"], row["block"]) == ("log", "as112", "10.0.0.0/8")
    assert (row["leaks"], row["likely"], row["may_leak"], row["minimised"]) == (1, 0, 3, 1)
    for top, proven, number in zip(found["tops"], (True, False), (1, 3), strict=True):
        assert (top["via"], top["proven"]) == ("log", proven)
        assert top["clients"] == [{"client": "10.0.0.5", "count": number, "error": 0}]
        assert top["pairs"] == [{"client": "10.0.0.5", "address": "10.0.0.3", "count": number, "error": 0}]
    assert (row["first"], row["unanswered"], row["waited_seconds"]) == (None, None, None)  # no line has a time


@pytest.mark.parametrize(
    ("text", "code", "leaks"),
    [
        (QUERY.format(name="www.example.com", qtype="A"), 0, (0, 0, 0)),
        (QUERY.format(name="3.0.0.10.in-addr.arpa", qtype="PTR"), 0, (0, 0, 1)),  # that proves nothing
        (FORWARDED, 1, (1, 1, 0)),
        (LEAK, 1, (1, 0, 0)),
    ],
    ids=["nothing", "may leak", "likely", "leaked"],
)
def test_the_exit_code_says_whether_there_are_leaks(tmp_path, text, code, leaks):
    path = tmp_path / "query.log"
    path.write_text(text)
    done = scan(path, "--json")
    found = json.loads(done.stdout)
    assert (done.exit_code, found["leaks"], found["may_leak"]) == (code, leaks[0], leaks[2])
    assert sum(row["likely"] for row in found["blocks"]) == leaks[1]


@pytest.mark.parametrize("pack", [gzip.compress, bz2.compress, lzma.compress])
def test_a_compressed_log_is_read_as_what_it_is(log, tmp_path, pack):
    packed = tmp_path / "packed"
    packed.write_bytes(pack(log.read_bytes()))
    done = scan(packed)
    assert (done.exit_code, done.stdout) == (1, scan(log).stdout)
    assert "a compressed file is not followed" in scan(packed, "--follow").stderr


@pytest.mark.parametrize("pack", [bytes, bz2.compress])
@pytest.mark.parametrize("follow", [False, True])
def test_a_log_may_come_by_a_pipe(log, pack, follow):
    octets = pack(log.read_bytes())
    command = [sys.executable, "-m", "blackhole_guard", "scan", *(["--follow"] if follow else [])]
    done = subprocess.run([*command, "-"], input=octets, capture_output=True, timeout=60)
    assert done.returncode == 1
    assert done.stdout.endswith(b"6 lines, 4 findings\n")
    assert (b"leaked: 3.0.0.10.in-addr.arpa. PTR for 10.0.0.5" in done.stdout) is follow


def test_and_so_as_a_name_which_is_read_once(log, tmp_path):
    fifo = tmp_path / "fifo"
    os.mkfifo(fifo)
    with subprocess.Popen([sys.executable, "-m", "blackhole_guard", "scan", fifo], stdout=subprocess.PIPE) as process:
        fifo.write_bytes(log.read_bytes())
        out, _ = process.communicate(timeout=60)
    assert out.endswith(b"6 lines, 4 findings\n")


@pytest.mark.parametrize("where", [0, 6000])
def test_a_log_may_have_a_hole(log, tmp_path, where):
    lines = log.read_bytes().splitlines(keepends=True)[:1] * 100
    before = where // len(lines[0])
    path = tmp_path / "holed.log"
    path.write_bytes(b"".join((*lines[:before], b"\0" * 5000, *lines[before:])))
    done = scan("--json", path)
    assert (done.exit_code, json.loads(done.stdout)["may_leak"]) == (0, 100)


@pytest.mark.parametrize("octets", [bytes(10_000), bytes(5000) + b"x\n\0\0", b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR"])
def test_what_has_nuls_all_over_is_no_text(tmp_path, octets):
    path = tmp_path / "some"
    path.write_bytes(octets)
    done = scan(path)
    assert (done.exit_code, done.stdout) == (2, "")
    assert "some: neither pcap nor pcapng, nor text" in done.stderr


def test_text_that_is_no_query_log_is_not_called_clean(tmp_path):
    path = tmp_path / "os-release"
    path.write_text('NAME="Debian GNU/Linux"\nID=debian\n')
    done = scan(path)
    assert (done.exit_code, done.stdout) == (2, "")
    assert "os-release: no line was understood: query logs of BIND, Unbound," in done.stderr


def test_one_log_of_two_that_is_none_is_told_beside_what_was_found(log, tmp_path):
    other = tmp_path / "other.log"
    other.write_text("nothing\n")
    done = scan(log, other)
    assert done.exit_code == 1
    assert "other.log: no line was understood" in done.stderr
    assert done.stdout.endswith("7 lines, 4 findings\n")


def test_an_empty_file_says_nothing(tmp_path):
    path = tmp_path / "empty.log"
    path.touch()
    done = scan(path)
    assert done.exit_code == 2
    assert "empty.log: it is empty" in done.stderr


def test_an_interrupted_scan_says_what_was_found_before(log):
    words = [sys.executable, "-c", INTERRUPTIBLE, "-", "--json"]
    with subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        assert process.stdin is not None
        process.stdin.write(log.read_bytes() * 2000)  # ten times what a pipe holds: most of it was read when this ends
        process.stdin.flush()
        process.send_signal(signal.SIGINT)
        out, errors = process.communicate(timeout=60)
    found = json.loads(out)
    assert (process.returncode, found["complete"]) == (1, False)
    assert found["leaks"] > 0
    assert errors == b"interrupted: this is what was found before\n"


@pytest.mark.parametrize("follow", [False, True])
def test_what_was_found_before_a_read_failed_stands(log, follow):
    ours, theirs = pty.openpty()  # what hangs up makes read(2) fail (EIO), once all is read
    os.write(theirs, log.read_bytes())
    os.close(theirs)
    words = [sys.executable, "-m", "blackhole_guard", "scan", "--json", *(["--follow"] if follow else []), "-"]
    done = subprocess.run(words, stdin=ours, capture_output=True, timeout=60)
    os.close(ours)
    assert (done.returncode, done.stderr) == (1, b"-: Input/output error\n")
    *told, found = map(json.loads, done.stdout.splitlines())
    assert len(told) == (5 if follow else 0)  # one is for a part of an address
    assert (found["leaks"], found["may_leak"], found["files"]) == (1, 3, {"-": "Input/output error"})


def test_where_nothing_was_found_before_a_read_failed_nothing_could_be_read():
    ours, theirs = pty.openpty()
    os.close(theirs)
    done = subprocess.run([sys.executable, "-m", "blackhole_guard", "scan", "-"], stdin=ours, capture_output=True)
    os.close(ours)
    assert (done.returncode, done.stdout) == (2, b"")


@pytest.mark.parametrize("packed", [False, True])
def test_what_is_no_text_is_not_followed(tmp_path, packed):
    path = tmp_path / "true"
    octets = b"\x7fELF\0\0" * 100
    path.write_bytes(octets)
    words = [sys.executable, "-m", "blackhole_guard", "scan", "--follow"]
    given = {"input": gzip.compress(octets)} if packed else {}
    done = subprocess.run([*words, "-" if packed else path], capture_output=True, timeout=30, **given)
    assert (done.returncode, done.stdout) == (2, b"")
    assert done.stderr.endswith(b": neither pcap nor pcapng, nor text\n")


def test_what_is_followed_in_vain_is_not_called_clean():
    words = [sys.executable, "-c", INTERRUPTIBLE, "--follow", "-"]
    with subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        assert process.stdin is not None
        process.stdin.write(b"nothing\n" * 100_000)
        process.stdin.flush()
        process.send_signal(signal.SIGINT)
        out, errors = process.communicate(timeout=60)
    assert (process.returncode, out) == (2, b"")
    assert errors.startswith(b"-: no line was understood")


def test_a_bar_is_for_terminals(log):
    log.write_bytes(log.read_bytes() * 2000)
    ours, theirs = pty.openpty()
    command = [sys.executable, "-m", "blackhole_guard", "scan", log]
    done = subprocess.run(command, stdout=subprocess.PIPE, stderr=theirs, timeout=60)
    os.close(theirs)
    drawn = os.read(ours, 65536)
    os.close(ours)
    assert b"named.log" in drawn
    assert done.stdout.endswith(b"12,000 lines, 8,000 findings\n")


def test_nothing_to_read(tmp_path):
    done = scan(tmp_path / "missing.log")
    assert done.exit_code == 2
    assert "missing.log: No such file or directory" in done.stderr


def test_one_file_only_is_followed(tmp_path):
    assert scan("a", "b", "--follow").exit_code == 2


def test_what_is_followed_may_be_told_as_json(log):
    words = [sys.executable, "-m", "blackhole_guard", "scan", "--json", "--follow", "-"]
    with subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdin is not None and process.stdout is not None
        process.stdin.write(log.read_text())
        process.stdin.flush()
        told = [json.loads(process.stdout.readline()) for _ in range(5)]  # while it waits for more
        rest, _ = process.communicate(timeout=60)
    assert [(leak["event"], leak["certainty"], leak["shape"]) for leak in told] == [
        *[("leak", "possible", "host")] * 3,
        ("leak", "observed", "host"),
        ("leak", "possible", "partial"),
    ]
    leak = told[3]
    assert (leak["name"], leak["address"], leak["client"]) == ("3.0.0.10.in-addr.arpa.", "10.0.0.3", "10.0.0.5")
    assert (leak["via"], leak["at"], leak["server"]) == ("log", None, None)  # which the line does not say
    summary = json.loads(rest)
    assert (process.returncode, summary["event"], summary["leaks"], summary["may_leak"]) == (1, "summary", 1, 3)


@pytest.mark.parametrize("words", [[], ["--json"]])
def test_that_leaks_cannot_be_told_is_no_fault_of_the_log(log, words):
    command = [sys.executable, "-m", "blackhole_guard", "scan", "--follow", "-", *words]
    with open("/dev/full", "w") as full:
        done = subprocess.run(command, input=log.read_bytes(), stdout=full, stderr=subprocess.PIPE, timeout=60)
    assert (done.returncode, done.stderr) == (2, b"Error: cannot write: No space left on device\n")


def test_follow_tells_leaks_as_they_happen_through_a_rotation_and_ends_with_a_summary(log):
    words = [sys.executable, "-c", INTERRUPTIBLE, str(log), "--follow"]
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
