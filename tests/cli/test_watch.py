"""`watch`, as far as it goes without traffic; the rest is in tests/peers."""

import pytest

from blackhole_guard.cli.watch import LINES, _Printer
from blackhole_guard.leaks.evidence import Certainty, Leak, Sighting, Via, judge
from blackhole_guard.wire.names import pack_name


def leak() -> Leak:
    sighting = Sighting(
        1.5, Via.PACKETS, pack_name("3.0.0.10.in-addr.arpa"), 65280, 1, sender=bytes(4), server=bytes(4)
    )
    judged = judge(sighting, Certainty.OBSERVED)
    assert judged is not None
    return judged


def test_wrong_use(run):
    assert run("watch", "--seconds", "0").code == 2
    assert run("watch", "--count", "0").code == 2


@pytest.mark.root
def test_an_interface_that_is_not_there(run):
    done = run("watch", "nowhere\x1b0", "--seconds", "1")
    assert done.code == 1
    assert "cannot watch nowhere\\0270: No such device" in done.err


def test_a_flood_is_cut_down(capsys):
    printer = _Printer(as_json=False)
    for _ in range(100):
        printer.leak(leak())
    printer.turn(end=True)
    lines = capsys.readouterr().out.splitlines()
    shown = [line for line in lines if line.endswith("as112 10.0.0.0/8 other TYPE65280 3.0.0.10.in-addr.arpa.")]
    assert LINES <= len(shown) <= 2 * LINES  # a second may end meanwhile
    assert sum(int(line[1:].split()[0]) for line in lines if "suppressed" in line) == 100 - len(shown)
