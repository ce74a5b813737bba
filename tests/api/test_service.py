"""The API as a whole: what there is, what there is not, and for whom."""

import asyncio
import json

import pytest
from known_facts import ask, describe, make_api, make_known, make_zones, read

from blackhole_guard.api import service
from blackhole_guard.api.resources import DESCRIPTION, RESOURCES, ROOT


def test_the_root_lists_what_there_is():
    document = read(make_api(), "")
    assert document["version"] == "0.1.0"
    assert [each["path"] for each in document["resources"]] == [*(each.path for each in RESOURCES), DESCRIPTION]


def test_it_describes_itself():
    response = ask(make_api(), DESCRIPTION)
    assert (response.status, response.headers) == (200, {"Cache-Control": "max-age=3600"})
    assert json.loads(response.body) == describe()


@pytest.mark.parametrize("path", ["/api", "/api/", "/api/v1/", "/api/v2", "/api/v1/tops/", "/api/v1/TOPS", "/api//v1"])
def test_other_paths_say_where_to_look(path):
    response = ask(make_api(), path)
    problem = json.loads(response.body)
    assert (response.status, problem["title"]) == (404, "Not Found")
    assert (problem["detail"], problem["hint"]) == (f"there is no {path}", f"{ROOT} lists what there is")


def test_a_hostile_path_comes_out_escaped():
    body = ask(make_api(), "/api/\x1b[31m\u202e" + "x" * 5000).body
    assert len(body) < 400
    assert json.loads(body)["detail"].startswith(r"there is no /api/\027[31m\226\128\174xxx")


@pytest.mark.parametrize("path", [ROOT, DESCRIPTION, f"{ROOT}/nothing", f"{ROOT}/explain"])
def test_who_may_not_read_it_reads_nothing(path):
    response = ask(make_api(allowed=lambda client: client == "192.0.2.1"), path, client="192.0.2.2")
    problem = json.loads(response.body)
    assert (response.status, problem["detail"]) == (
        403,
        "the API is not for 192.0.2.2: it shows the addresses of clients",
    )
    assert "telemetry.api.allow" in problem["hint"]
    assert ask(make_api(), path, host="attacker.example").status == 421


def test_what_takes_no_parameters_says_so():
    for path in (ROOT, DESCRIPTION, f"{ROOT}/blocks"):
        problem = json.loads(ask(make_api(), path, "limit=1").body)
        assert (problem["status"], problem["hint"]) == (400, "this resource takes no parameters")


def test_who_asks_the_same_at_once_gets_the_same_octets_and_a_moment_later_new_ones():
    now = [1000.0]
    zones = [make_zones(mapped=1)]
    api = make_api(make_known(served=lambda: zones[0], monotonic=lambda: now[0]))
    first = ask(api, "zones")
    zones[0] = make_zones(mapped=2)
    assert ask(api, "zones") is first
    assert ask(api, "zones", client="192.0.2.1") is first
    assert json.loads(ask(api, "zones", "limit=10").body)["matching"] == 4
    now[0] += 0.3
    assert json.loads(ask(api, "zones").body)["matching"] == 4


def test_what_nobody_asks_for_any_more_is_let_go(monkeypatch):
    monkeypatch.setattr(service, "_GOOD_FOR", 0.01)
    api = make_api(make_known(served=make_zones))

    async def run():
        async with asyncio.timeout(10):
            await api.respond(f"{ROOT}/zones", "", "127.0.0.1", "")
            assert len(api._kept) == 1
            while api._kept:
                await asyncio.sleep(0)

    asyncio.run(run())


def test_what_is_kept_is_bounded_and_no_secret():
    api = make_api(make_known(served=make_zones), lambda client: client == "127.0.0.1")
    for limit in range(1, 100):
        ask(api, "zones", f"limit={limit}")
    assert len(api._kept) == 4
    assert ask(api, "zones", "limit=99").status == 200
    assert ask(api, "zones", "limit=99", client="192.0.2.1").status == 403
