"""What counting costs a worker: measured with little time."""

from bench import averted_leaks


def test_each_way_is_timed(capsys):
    averted_leaks.main(["--rounds", "1", "--batches", "10"])
    lines = capsys.readouterr().out.splitlines()
    assert [line for line in lines if not line.startswith(" ")] == ["ns a message", "the observer, ns a count"]
    assert [line.split("  ")[2].strip() for line in lines[1:3]] == ["counted by none", "all looked at"]
    assert float(lines[-1].split()[-3]) > 0
