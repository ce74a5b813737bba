"""What messages cost that nobody sent before: measured with little time, and each of them is what it is called."""

from bench import cold_path


def test_each_kind_is_answered_as_it_says_and_timed(capsys):
    cold_path.main(["--rounds", "1", "--batches", "2"])
    title, *lines = capsys.readouterr().out.splitlines()
    assert title.startswith("CPU time, us a message")
    assert [line.split(":")[0].strip() for line in lines] == 3 * ["REFUSED"] + ["FORMERR"] + 5 * ["NXDOMAIN"]
    assert all(float(line.split()[-4]) > 0 for line in lines)
