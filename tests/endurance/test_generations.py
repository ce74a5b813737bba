"""Twenty reloads, good and broken maps in turn, under 5,000 queries a second: nothing is lost, nothing is mixed."""

import time

import pytest
from chaos_maps import BROKEN, GenerationCheck, make_questions, render_generation
from installations import installed, wait_for
from steady_client import asking

# Another test beside it, or a tracer in the server, and what is lost says nothing of the server.
pytestmark = pytest.mark.alone

RELOADS = 20
SWITCH = 1.0  # seconds after which no worker answers from the map before; they look before each batch


def test_good_and_broken_maps_in_turn_lose_and_mix_nothing():
    check = GenerationCheck()
    replaced: dict[int, float] = {}  # generation -> when its successor had been loaded
    with installed({"map.yaml": render_generation(0)}) as server:
        server.start()
        with asking(server.address, make_questions(), check) as account:
            for turn in range(RELOADS):
                generation = turn // 2
                if turn % 2:
                    server.write_map(BROKEN[generation % len(BROKEN)])
                    done = server.reload()
                    assert done.returncode == 1 and "map.yaml:" in done.stdout + done.stderr, done
                    time.sleep(0.1)
                    assert check.newest == generation + 1
                    continue
                server.write_map(render_generation(generation + 1))
                done = server.reload()
                assert done.returncode == 0, done.stdout + done.stderr
                replaced[generation] = time.monotonic()
                wait_for(lambda: check.newest == generation + 1, 2.0, "the new map")  # noqa: B023  # called at once
            reloads = server.metrics()
    print(account)
    assert account.wrong == [], account.wrong[:5]
    assert account.dropped_here == 0 and account.lost == [] and account.strange == 0, account
    assert sorted(check.seen) == list(range(RELOADS // 2 + 1))
    late = {number: check.seen[number][1] - when for number, when in replaced.items()}
    assert max(late.values()) < SWITCH, late
    # Each content has the one serial that was found for it, and a newer one has a higher one.
    found = [check.found_serials[number] for number in sorted(check.found_serials)]
    assert all(len(serials) == 1 for serials in found), found
    flat = [serial for serials in found for serial in serials]
    assert flat == sorted(set(flat)) and len(flat) == RELOADS // 2 + 1
    assert reloads['blackhole_guard_reloads_total{result="failed"}'] == RELOADS / 2
    assert reloads['blackhole_guard_reloads_total{result="loaded"}'] >= RELOADS / 2


def test_reloads_that_come_while_one_runs_are_one_more():
    """Nothing is lost either when they are asked for faster than they end."""
    check = GenerationCheck()
    with installed({"map.yaml": render_generation(1, hosts=20_000)}) as server:
        server.start()
        with asking(server.address, make_questions(), check) as account:
            server.write_map(render_generation(2, hosts=20_000))
            with server.reloading() as first, server.reloading() as second, server.reloading() as third:
                pass
            assert [first.returncode, second.returncode, third.returncode] == [0, 0, 0], third.output
            wait_for(lambda: check.newest == 2, 2.0, "the new map")
    print(account)
    assert account.wrong == [] and account.lost == [], account
