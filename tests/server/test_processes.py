"""Children and signals."""

import os
import signal
import time
from pathlib import Path

import pytest
from doubles import in_child
from supervisors import wait_until

from blackhole_guard.server.processes import EXIT_CRASHED, Exit, Signals, fork_child, kill_child, reap


def reap_one(pid):
    found = []
    wait_until(lambda: found.extend(child for child in reap() if child.pid == pid) or found)
    return found[0]


@pytest.mark.parametrize(
    ("run", "text"),
    [
        (lambda: 0, "exit code 0"),
        (lambda: 3, "exit code 3"),
        (lambda: 1 // 0, f"exit code {EXIT_CRASHED}"),
        (lambda: os.kill(os.getpid(), signal.SIGKILL), "killed by SIGKILL"),
        (lambda: os.kill(os.getpid(), signal.SIGTERM), "killed by SIGTERM"),
        (lambda: os.kill(os.getpid(), signal.SIGRTMIN + 3), f"killed by signal {signal.SIGRTMIN + 3}"),
    ],
)
def test_how_a_child_ends(run, text):
    def check():
        assert str(reap_one(fork_child("child", run))) == text

    in_child(check)


def test_reaping_without_children_and_with_living_ones():
    def check():
        assert list(reap()) == []
        pid = fork_child("child", lambda: time.sleep(60))
        assert list(reap()) == []
        kill_child(pid, signal.SIGKILL)
        assert reap_one(pid) == Exit(pid, signal.SIGKILL)

    in_child(check)


def test_a_child_has_a_name_and_none_of_our_signals():
    def check():
        signals = Signals()
        reader, writer = os.pipe()

        def look():
            handlers = [signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGHUP, signal.SIGINT)]
            comm = Path("/proc/self/comm").read_text().strip()
            blocked = signal.pthread_sigmask(signal.SIG_BLOCK, ())
            os.write(writer, repr((comm, [handler.name for handler in handlers], blocked)).encode())
            return 0

        pid = fork_child("a-name-of-more-than-15", look)
        reap_one(pid)
        assert os.read(reader, 1000) == b"('a-name-of-more-', ['SIG_DFL', 'SIG_IGN', 'SIG_IGN'], set())"
        assert signal.pthread_sigmask(signal.SIG_BLOCK, ()) == set()
        signals.close()

    in_child(check)


def test_a_signal_right_after_the_fork_is_not_lost():
    def check():
        signals = Signals()
        for _ in range(50):
            pid = fork_child("child", lambda: time.sleep(60))
            os.kill(pid, signal.SIGTERM)
            assert str(reap_one(pid)) == "killed by SIGTERM"
        assert signal.SIGTERM not in signals.take()
        signals.close()

    in_child(check)


def test_a_signal_that_is_held_waits_until_the_child_takes_it():
    def check():
        def run():
            signal.signal(signal.SIGTERM, lambda *_: os._exit(7))
            signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGTERM})
            time.sleep(60)
            return 0

        for _ in range(20):
            pid = fork_child("child", run, held=frozenset((signal.SIGTERM,)))
            os.kill(pid, signal.SIGTERM)
            assert str(reap_one(pid)) == "exit code 7"

    in_child(check)


def test_a_child_may_be_offered_to_the_oom_killer():
    def check():
        before = int(Path("/proc/self/oom_score_adj").read_text())

        def look():
            now = int(Path("/proc/self/oom_score_adj").read_text())
            return 0 if now == min(1000, before + 300) else 1

        assert str(reap_one(fork_child("child", look, 300))) == "exit code 0"

    in_child(check)


def test_signals_are_flags_and_wake_the_loop():
    def check():
        signals = Signals()
        assert signals.take() == set()
        for _ in range(5000):  # more than the descriptor takes
            os.kill(os.getpid(), signal.SIGHUP)
        os.kill(os.getpid(), signal.SIGTERM)
        assert os.read(signals.fileno(), 1)
        assert signals.take() == {signal.SIGHUP, signal.SIGTERM}
        assert signals.take() == set()
        for number in (signal.SIGPIPE, signal.SIGUSR1, signal.SIGUSR2):
            os.kill(os.getpid(), number)
        signals.close()

    in_child(check)
