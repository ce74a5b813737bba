"""What workers counted, added up."""

from observers import Rig

from blackhole_guard.answering.tally import FAMILIES
from blackhole_guard.api.counted import add_up, read_totals, read_workers
from blackhole_guard.reserved.registry import BLOCKS


def test_each_series_that_is_not_0_is_read_once():
    rig = Rig()
    (averted,) = (family.series for family in FAMILIES if family.name == "leaks_averted")
    for meter in rig.meters[:2]:
        meter.add_counts({("leaks_averted", *values): number for number, values in enumerate(averted)})
    found = read_totals(rig.pages).averted
    assert [(each.block, each.sink, each.shape, each.outcome) for each in found] == list(averted[1:])
    assert [each.count for each in found] == [2 * number for number in range(1, len(averted))]


def test_blocks_have_what_belongs_to_them():
    rig = Rig()
    rig.meters[0].add_counts({("unmapped_queries", "10.0.0.0/8"): 3, ("searches_ended", "10.0.0.0/8", "as112"): 4})
    totals = read_totals(rig.pages)
    assert totals.unmapped["10.0.0.0/8"] == 3
    assert totals.searches_ended["10.0.0.0/8"] == 4
    assert totals.unmapped.keys() - BLOCKS.keys() == {"public"}


def test_a_worker_has_its_own_page_and_the_supervisors_is_nobodys():
    rig = Rig()
    rig.meters[1].add_counts({("queries", "udp", "ipv4", "PTR", "NOERROR"): 2})
    rig.meters[2].add_counts({("worker_errors",): 9})
    assert [(each.queries, each.errors) for each in read_workers(rig.pages, rig.control, 0.0)] == [(0, 0), (2, 0)]


def test_counts_of_one_key_become_one():
    assert add_up([("a", 1), ("b", 2), ("a", 3)]) == {"a": 4, "b": 2}
