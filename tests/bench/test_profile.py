"""What py-spy writes is counted; and it can look at a worker of ours."""

import pytest

from bench.profile import count_stacks, profile

STACKS = [
    "run (worker.py:10);serve (data path.py:20);send (a/b.py:30) 6",
    "run (worker.py:10);serve (data path.py:20) 3",
    "run (worker.py:10);serve (data path.py:21) 1",
    "process 4711 2",
]


def test_the_last_frame_of_a_stack_is_what_was_running():
    samples, lines, functions = count_stacks(STACKS)
    assert samples == 10
    assert lines == [("a/b.py:30 (send)", 0.6), ("data path.py:20 (serve)", 0.3), ("data path.py:21 (serve)", 0.1)]
    assert functions == [("send (a/b.py)", 0.6), ("serve (data path.py)", 0.4)]


@pytest.mark.root
@pytest.mark.peers("dnsperf", "taskset", "setpriv")
def test_a_worker_under_load_is_seen_at_work(tmp_path):
    seen = profile("mixed", 1, tmp_path / "flame.svg", entries=100)
    assert seen.samples > 50
    assert any("blackhole_guard" in line for line, _ in seen.lines)
    assert "<svg" in (tmp_path / "flame.svg").read_text()
