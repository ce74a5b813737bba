"""The bar of `scan`."""

import json
import os
import pty
import subprocess
import sys

from bench import frames as made
from blackhole_guard.wire.names import pack_name


def test_a_bar_is_for_terminals(tmp_path):
    query = made.query(pack_name("3.0.0.10.in-addr.arpa"), edns=False)
    asked = made.ethernet(made.ip("192.0.2.1", "192.175.48.6", made.UDP, made.udp(1024, 53, query)))
    path = tmp_path / "long-way.pcap"
    path.write_bytes(made.pcap(made.ETHERNET, [made.record(number * 10**9, asked) for number in range(100)]))
    ours, theirs = pty.openpty()
    command = [sys.executable, "-m", "blackhole_guard", "scan", "--json", str(path)]
    done = subprocess.run(command, stdout=subprocess.PIPE, stderr=theirs, timeout=60)
    os.close(theirs)
    drawn = os.read(ours, 65536)
    os.close(ours)
    assert b"long-way.pcap" in drawn
    assert json.loads(done.stdout)["leaks"] == 100
    assert subprocess.run(command, capture_output=True, timeout=60).stderr == b""
