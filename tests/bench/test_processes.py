"""CPU time and memory of process trees, as /proc tells them."""

import os
import subprocess
import sys
import time

import pytest

from bench import processes

STAT = "4242 ({name}) S 1 4242 4242 0 -1 4194304 900 0 0 0 250 150 7 9 20 0 1 0 12345 1000000 500 18446744073709551615"


@pytest.mark.parametrize("name", ["named", "guard-worker-0", "a (b) c", ") S 1 2 3"])
def test_cpu_time_is_that_of_the_process_whatever_its_name(name):
    usage = processes.parse_stat(STAT.format(name=name))
    tick = 1 / os.sysconf("SC_CLK_TCK")
    assert usage.user == pytest.approx(250 * tick)
    assert usage.system == pytest.approx(150 * tick)
    assert usage.total == pytest.approx(400 * tick)


def test_memory_is_the_proportional_share():
    assert processes.parse_rollup("Rss: 900 kB\nPss:                 345 kB\nPss_Dirty:     100 kB\n") == 345
    assert processes.parse_rollup("") == 0


def test_a_tree_has_children_of_children_and_their_cpu_time():
    burn = "import time\nwhile time.process_time() < 0.3: pass\nprint(flush=True)\ntime.sleep(60)"
    spawn = f"import subprocess, sys\nsubprocess.run([sys.executable, '-c', {burn!r}])"
    with subprocess.Popen([sys.executable, "-c", spawn], stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        process.stdout.readline()
        parent, child = processes.tree(process.pid)
        assert parent == process.pid
        assert processes.usage_of(child).total >= 0.25  # a tick less of each kind, at most
        assert processes.cpu_seconds(parent) >= 0.25
        assert processes.pss_kib(parent) > processes.pss_kib(child) > 1000
        os.kill(child, 15)
        process.wait()
    assert processes.tree(parent) == [parent]  # nothing is left, and nobody fails
    assert processes.cpu_seconds(parent) == 0
    assert processes.pss_kib(parent) == 0


def test_a_process_has_its_name():
    assert processes.name_of(os.getpid()) != ""
    with subprocess.Popen(["sleep", "60"]) as process:
        deadline = time.monotonic() + 10
        while processes.name_of(process.pid) != "sleep" and time.monotonic() < deadline:
            time.sleep(0.01)
        assert processes.name_of(process.pid) == "sleep"
        process.kill()
    assert processes.name_of(process.pid) == ""
