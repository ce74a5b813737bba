import pytest
from forks import in_child

from blackhole_guard.counters.control import GENERATION, RELOAD_RESULTS, Control


def test_a_new_page_says_that_nothing_is_served_yet():
    control = Control(2)
    assert control.generation == 0 and control.workers_alive == 0 and control.last_reload_success == 0
    assert not control.sources_broken
    assert [control.reloads(result) for result in RELOAD_RESULTS] == [0, 0, 0, 0]
    assert [control.last_beat(slot) for slot in range(2)] == [0.0, 0.0]


def test_a_worker_sees_a_new_generation_in_the_first_cell():
    control = Control(1)
    control.generation = 7
    assert control.cells[GENERATION] == 7

    def look() -> None:
        assert control.cells[GENERATION] == 7

    in_child(look)


@pytest.mark.parametrize(
    ("results", "broken", "last_success"),
    [
        (["loaded"], False, 100),
        (["failed"], True, 0),
        (["loaded", "failed"], True, 100),
        (["loaded", "refused"], True, 100),
        (["loaded", "failed", "unchanged"], False, 102),  # mended by taking the change back
        (["failed", "failed", "loaded"], False, 102),
    ],
)
def test_the_last_load_says_whether_sources_are_broken(results, broken, last_success):
    control = Control(1)
    for number, result in enumerate(results):
        control.note_reload(result, 100.9 + number)
    assert control.sources_broken is broken
    assert control.last_reload_success == last_success
    assert {result: control.reloads(result) for result in RELOAD_RESULTS} == {
        result: results.count(result) for result in RELOAD_RESULTS
    }


def test_each_slot_has_its_own_life():
    control = Control(3)
    control.set_alive(0, True)
    control.set_alive(2, True)
    control.note_restart(2)
    control.note_restart(2)
    in_child(control.beat, 1, 12.25)
    assert [control.is_alive(slot) for slot in range(3)] == [True, False, True]
    assert control.workers_alive == 2
    assert [control.restarts(slot) for slot in range(3)] == [0, 0, 2]
    assert [control.last_beat(slot) for slot in range(3)] == [0.0, 12.25, 0.0]
    control.set_alive(0, False)
    assert control.workers_alive == 1
    assert control.generation == 0 and control.reloads("loaded") == 0


def test_when_the_supervisor_started_is_kept_in_whole_seconds():
    control = Control(1)
    control.started = 1_700_000_000.7
    assert control.started == 1_700_000_000
