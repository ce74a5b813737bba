"""`scan`: what it prints, and what its exit code says."""

import gc
import gzip
import json
import os
import pty
import subprocess
import sys
import tty
from pathlib import Path

import pytest
from the_libpcap import environment

from bench import frames as made
from blackhole_guard.wire.names import pack_name

QUERY = "client @0x7f 10.0.0.5#50161 (x): query: 3.0.0.10.in-addr.arpa IN PTR + (10.0.0.53)\n"


def exchange(number: int, *, name: str = "3.0.0.10.in-addr.arpa", client: str = "192.0.2.1", answered: bool = True):
    """Records of a query and its response."""
    query = made.query(pack_name(name), number=number, edns=False)
    asked = made.ip(client, "192.175.48.6", made.UDP, made.udp(1024, 53, query))
    told = made.ip("192.175.48.6", client, made.UDP, made.udp(53, 1024, made.response(query)))
    yield made.record(number * 10**9, made.ethernet(asked))
    if answered:
        yield made.record(number * 10**9 + 50_000_000, made.ethernet(told))


@pytest.fixture
def capture(tmp_path):
    """Write a capture; gives its path."""

    def write(*exchanges, name: str = "x.pcap", cut: int = 0) -> str:
        octets = made.pcap(made.ETHERNET, [record for each in exchanges for record in each])
        path = tmp_path / name
        path.write_bytes(octets[: len(octets) - cut])
        return str(path)

    return write


def test_people_get_a_table_and_who_asked_for_what(run, capture):
    many = [exchange(number, answered=number > 1) for number in range(10)]
    done = run("scan", capture(*many, exchange(20, name="7.1.168.192.in-addr.arpa", client="192.0.2.9")))
    assert done.code == 1
    table = [line.split() for line in done.lines[:3]]
    assert table[0][:3] == ["sink", "block", "leaks"]
    assert table[1][:4] == ["as112", "10.0.0.0/8", "10", "0"]
    assert table[1][8] == "80.0%"
    assert table[1][13:] == ["2.0", "s"]  # 8 times 50 ms, and 0.8 s for each that was not answered
    assert table[2][:3] == ["as112", "192.168.0.0/16", "1"]
    assert "  clients    192.0.2.1 10, 192.0.2.9 1" in done.lines
    assert "  addresses  10.0.0.3 10, 192.168.1.7 1" in done.lines
    assert "  pairs      192.0.2.1 > 10.0.0.3 10, 192.0.2.9 > 192.168.1.7 1" in done.lines


def test_minimised_queries_say_nothing_of_how_leaks_fared(run, capture):
    parts = [exchange(number, name="0.10.in-addr.arpa") for number in range(100)]
    done = run("scan", capture(*parts, exchange(200, answered=False), exchange(300, answered=False)))
    assert " 0.0% " in done.lines[1] and done.lines[1].endswith(" 0.8 s")  # of the last one the end came first
    assert "  minimised  100" in done.lines


def test_where_there_are_minimised_queries_alone_no_times_are_given(run, capture):
    done = run("scan", capture(exchange(1, name="0.10.in-addr.arpa")))
    assert (done.code, done.lines[1].split()) == (0, ["as112", "10.0.0.0/8", "0", "0"])


def test_json_has_it_all(run, capture):
    path = capture(exchange(1), exchange(2, name="10.in-addr.arpa"))
    done = run("scan", "--json", path)
    report = json.loads(done.out)
    assert done.code == 1
    assert (report["leaks"], report["complete"], report["files"]) == (1, True, {path: None})
    (row,) = report["blocks"]
    assert (row["sink"], row["block"], row["leaks"], row["minimised"]) == ("as112", "10.0.0.0/8", 1, 1)
    (top,) = report["tops"]
    assert (top["via"], top["proven"]) == ("capture", True)
    assert top["clients"] == [{"client": "192.0.2.1", "count": 1, "error": 0}]
    assert top["addresses"] == [{"address": "10.0.0.3", "count": 1, "error": 0}]
    assert top["pairs"] == [{"client": "192.0.2.1", "address": "10.0.0.3", "count": 1, "error": 0}]
    assert row["waited_seconds"] == pytest.approx(0.05, abs=1e-5)
    assert (report["may_leak"], row["via"], row["likely"], row["may_leak"]) == (0, "capture", 0, 0)


def test_no_leaks_are_good(run, capture):
    done = run("scan", capture(exchange(1, name="4.4.8.8.in-addr.arpa")))
    assert (done.code, done.lines[0]) == (0, "no leaks")
    assert "1 to the sinks for names that are not reserved" in done.out


def test_several_files_are_one_result(run, capture):
    done = run("scan", "--json", capture(exchange(1), name="a"), capture(exchange(1), name="b"))
    assert json.loads(done.out)["leaks"] == 2


def test_a_file_that_is_cut_off_gives_what_was_found_and_says_so(run, capture):
    done = run("scan", "--json", capture(exchange(1), exchange(2), cut=3))
    assert done.code == 1
    assert json.loads(done.out)["leaks"] == 2
    assert "x.pcap: the capture is cut off inside a record: after packet 3" in done.err
    assert run("scan", capture(exchange(1, name="8.8.in-addr.arpa"), cut=3)).code == 1


def test_what_was_found_before_a_read_failed_stands(capture):
    ours, theirs = pty.openpty()  # what hangs up makes read(2) fail (EIO), once all is read
    tty.setraw(theirs)
    os.write(theirs, Path(capture(exchange(1), exchange(2))).read_bytes())
    os.close(theirs)
    words = [sys.executable, "-m", "blackhole_guard", "scan", "--json", "-"]
    done = subprocess.run(words, stdin=ours, capture_output=True, timeout=60)
    os.close(ours)
    assert (done.returncode, done.stderr) == (1, b"-: Input/output error\n")
    assert json.loads(done.stdout)["leaks"] == 2


def test_what_is_no_capture_is_wrong_use(run, tmp_path):
    (tmp_path / "picture.gif").write_bytes(b"GIF89a\1\0\1\0")
    assert run("scan").code == 2
    done = run("scan", "picture.gif", "nowhere.pcap", ".")
    assert done.code == 2
    assert done.out == ""
    assert "picture.gif: neither pcap nor pcapng, nor text" in done.err
    assert "nowhere.pcap: No such file" in done.err
    assert ".: Is a directory" in done.err


def test_logs_and_captures_are_one_result(run, capture, tmp_path):
    (tmp_path / "named.log").write_text(QUERY)
    done = run("scan", "--json", "named.log", capture(exchange(1)))
    found = json.loads(done.out)
    assert (done.code, found["leaks"], found["may_leak"]) == (1, 1, 1)
    assert [row["via"] for row in found["blocks"]] == ["capture", "log"]
    assert run("scan", "named.log", capture(exchange(1))).lines[-1] == "1 line, 1 finding"


def test_what_is_followed_is_one_log(run, capture):
    assert run("scan", "--follow", capture(exchange(1))).code == 2
    assert "--follow follows one file" in run("scan", "--follow", "a.log", "b.log").err


def test_a_file_that_is_named_twice_counts_once(run, capture):
    path = capture(exchange(1))
    assert json.loads(run("scan", "--json", path, path).out)["leaks"] == 1


def test_the_collector_is_as_it_was(run, capture):
    run("scan", capture(exchange(1)))
    assert gc.isenabled()


def test_one_file_of_two_that_cannot_be_read_is_no_reason_to_be_silent(run, capture, tmp_path):
    done = run("scan", "--json", "nowhere.pcap", capture(exchange(1)))
    assert (done.code, json.loads(done.out)["leaks"]) == (1, 1)


def test_who_asks_for_json_does_not_pay_for_tables(capture):
    code = "import sys; from blackhole_guard.cli.main import main; main(sys.argv[1:], standalone_mode=False)"
    code = f"try:\n  {code}\nexcept SystemExit:\n  print(file=sys.stderr, *sys.modules)"
    done = subprocess.run(
        [sys.executable, "-c", code, "scan", "--json", capture(exchange(1))], capture_output=True, text=True, timeout=60
    )
    assert json.loads(done.stdout)["leaks"] == 1
    imported = {name.partition(".")[0] for name in done.stderr.split()}
    assert "click" in imported
    assert not imported & {"rich", "google", "asyncio"}


def test_a_file_name_does_nothing_to_a_terminal(run):
    done = run("scan", "\x1b[2J.pcap")
    assert "\x1b" not in done.err


@pytest.mark.parametrize("with_libpcap", [True, False])
@pytest.mark.peers("tcpdump")
def test_it_is_the_same_with_libpcap_and_without_from_a_file_and_from_a_pipe(capture, tmp_path, with_libpcap):
    path = capture(*(exchange(number) for number in range(100)))
    packed = tmp_path / "x.pcap.gz"
    packed.write_bytes(gzip.compress((tmp_path / "x.pcap").read_bytes()))
    for words, given in (([path], None), (["-"], path), ([str(packed)], None), (["-"], str(packed))):
        command = [sys.executable, "-m", "blackhole_guard", "scan", "--json", *words]
        command += [] if with_libpcap else ["--without-libpcap"]
        octets = None if given is None else Path(given).read_bytes()
        done = subprocess.run(command, capture_output=True, input=octets, timeout=60, env=environment())
        assert done.returncode == 1, done.stderr
        (row,) = json.loads(done.stdout)["blocks"]
        assert (row["leaks"], row["answered"]) == (100, 100)
    with open(path, "rb") as file:  # redirected, so it can be read again
        command = [sys.executable, "-m", "blackhole_guard", "scan", "--json", "-"]
        done = subprocess.run(command, capture_output=True, stdin=file, timeout=60, env=environment())
        assert json.loads(done.stdout)["leaks"] == 100
