"""The benchmarks of the hot path run, name our way first, and ask what they say they ask."""

from bench import hot_path, liberties, slots


def test_ways_take_turns_and_the_first_round_does_not_count():
    calls = []

    def way(name):
        return lambda: calls.append(name) or 10

    costs = liberties.time_ways({"a": way("a"), "b": way("b")}, 2, lambda: calls.append("-"))
    assert calls == ["-", "a", "-", "b"] * 3
    assert list(costs) == ["a", "b"]
    assert min(costs.values()) > 0


def test_costs_are_printed_in_relation_to_the_first(capsys):
    liberties.print_ways("Ways", {"ours": 100.0, "plain": 150.0})
    assert [line.split() for line in capsys.readouterr().out.splitlines()] == [
        ["Ways"],
        ["ours", "100", "ns", "1.00"],
        ["plain", "150", "ns", "1.50"],
    ]


def test_each_way_of_the_hot_path_answers_all_messages(capsys, monkeypatch):
    monkeypatch.setattr(hot_path.hot_path, "_MOST", 1)  # as set by the benchmark, and set back afterwards
    hot_path.main(["--rounds", "1", "--batches", "2", "--scanned", "1000"])
    assert len(capsys.readouterr().out.splitlines()) == 15


def test_each_way_of_the_slots_runs(capsys):
    slots.main(["--rounds", "1", "--batches", "2"])
    assert len(capsys.readouterr().out.splitlines()) == 11
