"""Who reads for whom."""

from hypothesis import given
from hypothesis import strategies as st

from blackhole_guard.server.adoption import Adoptions, Order
from blackhole_guard.server.channel import Kind

ADOPT, RELEASE = Kind.ADOPT, Kind.RELEASE


def test_a_dead_slot_is_adopted_and_released():
    adoptions = Adoptions(2)
    assert adoptions.settle({0, 1}) == []
    assert adoptions.settle({0}) == [Order(0, ADOPT, 1)]
    assert adoptions.settle({0}) == []
    assert adoptions.adopter(1) == 0
    assert adoptions.settle({0, 1}) == [Order(0, RELEASE, 1)]
    assert adoptions.adopter(1) is None


def test_without_a_worker_nobody_adopts_and_the_first_one_takes_all():
    adoptions = Adoptions(3)
    assert adoptions.settle(set()) == []
    assert adoptions.settle({1}) == [Order(1, ADOPT, 0), Order(1, ADOPT, 2)]


def test_the_work_is_divided():
    adoptions = Adoptions(4)
    assert {order.worker for order in adoptions.settle({0, 1})} == {0, 1}


def test_an_adopter_that_fails_is_replaced_and_told():
    adoptions = Adoptions(3)
    adoptions.settle({0, 1, 2})
    assert adoptions.settle({0, 1}) == [Order(0, ADOPT, 2)]
    assert adoptions.settle({1}) == [Order(0, RELEASE, 2), Order(1, ADOPT, 0), Order(1, ADOPT, 2)]


@given(st.lists(st.sets(st.integers(0, 5)), max_size=30))
def test_whatever_happens_each_slot_has_exactly_one_reader_as_long_as_anybody_serves(history):
    adoptions = Adoptions(6)
    reads = {worker: set() for worker in range(6)}
    for serving in history:
        for worker, kind, slot in adoptions.settle(serving):
            assert worker != slot
            if kind is ADOPT:
                assert slot not in reads[worker]
                reads[worker].add(slot)
            else:
                reads[worker].remove(slot)
        for slot in range(6) if serving else ():
            readers = {worker for worker in serving if slot in reads[worker] or slot == worker}
            assert len(readers) == 1
        assert not any(reads[worker] for worker in set(range(6)) - serving)
