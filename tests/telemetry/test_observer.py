import asyncio
import gzip
import os
import signal
import time

import aiohttp
import pytest
from observers import Observer, Rig, Zone, check_metrics, connect, exchange, get
from prometheus_client.openmetrics.parser import text_string_to_metric_families as parse_openmetrics

from blackhole_guard.api.problems import Response
from blackhole_guard.counters.control import Control
from blackhole_guard.counters.meter import PageMeter
from blackhole_guard.telemetry import http_gate
from blackhole_guard.telemetry.metrics import OPENMETRICS, TEXT, Facts
from blackhole_guard.telemetry.observer import find_unreadiness

LEAK = ("leaks_averted", "10.0.0.0/8", "as112", "host", "nxdomain")
LEAK_SHOWN = 'blackhole_guard_leaks_averted_total{block="10.0.0.0/8",outcome="nxdomain",shape="host",sink="as112"}'


@pytest.fixture
def rig():
    rig = Rig([Zone("10.0.0.0/8", 2009012501, 3)])
    rig.start_workers()
    return rig


@pytest.fixture
def observer(rig):
    with Observer(rig) as observer:
        yield observer


@pytest.mark.peers("promtool")
def test_metrics_in_the_text_format(observer):
    response = get(observer.address)
    assert response.status == 200
    assert response.headers["content-type"] == TEXT
    assert 'blackhole_guard_zone_records{zone="10.0.0.0/8"} 3.0\n' in response.text
    assert check_metrics(response.text) == ""


def test_metrics_as_openmetrics(observer):
    response = get(observer.address, Accept="application/openmetrics-text; version=1.0.0")
    assert response.headers["content-type"] == OPENMETRICS
    assert response.text.endswith("# EOF\n")
    assert len(list(parse_openmetrics(response.text))) > 30


def test_metrics_compressed(observer):
    response = get(observer.address, Accept_Encoding="gzip")
    assert response.headers["content-encoding"] == "gzip"
    assert "Accept-Encoding" in response.headers["vary"]
    assert gzip.decompress(response.body).startswith(b"# HELP blackhole_guard_")


def test_a_client_library_is_served_over_ipv4_and_ipv6(rig):
    async def scrape(host, port):
        url = f"http://[{host}]:{port}/metrics" if ":" in host else f"http://{host}:{port}/metrics"
        timeout = aiohttp.ClientTimeout(total=10)
        async with aiohttp.ClientSession(timeout=timeout) as session, session.get(url) as response:
            assert response.status == 200
            return await response.text()

    for listen in ("127.0.0.1", "::1"):
        with Observer(rig, listen=listen) as observer:
            text = asyncio.run(scrape(*observer.address))
            assert LEAK_SHOWN in text


@pytest.mark.parametrize(
    "path", ["/", "/metrics/", "/METRICS", "/metricsx", "/favicon.ico", "/../metrics", "//metrics"]
)
def test_other_paths_say_what_there_is(observer, path):
    response = get(observer.address, path)
    assert response.status == 404
    assert response.text == "there is /metrics, /healthz and /readyz\n"


@pytest.mark.parametrize("path", ["/metrics", "/healthz", "/readyz", "/nothing"])
def test_head_is_get_without_a_body(observer, path):
    whole, head = get(observer.address, path), get(observer.address, path, method="HEAD")
    assert head.body == b""
    assert head.status == whole.status
    assert head.headers["content-length"] == whole.headers["content-length"]


@pytest.mark.parametrize("path", ["/metrics", "/healthz", "/readyz", "/nothing"])
def test_each_response_has_the_headers_that_bind_browsers(observer, path):
    headers = get(observer.address, path).headers
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["content-security-policy"] == "default-src 'none'"
    assert headers["cache-control"] == "no-store"
    assert headers["connection"] == "close"
    assert headers["server"] == "blackhole_guard"
    assert headers["content-type"].startswith("text/plain")


def test_what_a_worker_counts_is_seen_within_a_moment(rig, observer):
    assert f"{LEAK_SHOWN} 0.0\n" in get(observer.address).text
    child = os.fork()
    if child == 0:
        PageMeter(rig.pages.page(1), rig.layout).add_counts({LEAK: 5})
        os._exit(0)
    os.waitpid(child, 0)
    begin = time.monotonic()
    while f"{LEAK_SHOWN} 5.0\n" not in get(observer.address).text:
        assert time.monotonic() - begin < 10
        time.sleep(0.02)


def test_a_killed_observer_loses_no_count_and_its_successor_takes_the_same_socket(rig, observer):
    rig.meters[0].add_counts({LEAK: 5})
    get(observer.address)
    assert observer.stop(signal.SIGKILL) == -signal.SIGKILL
    rig.meters[0].add_counts({LEAK: 1})
    observer.start()
    assert f"{LEAK_SHOWN} 6.0\n" in get(observer.address).text


def test_workers_that_hang_do_not_hold_a_scrape_up(rig, observer):
    child = os.fork()
    if child == 0:
        PageMeter(rig.pages.page(0), rig.layout).set("tcp_connections", 9)
        signal.pause()
    try:
        while rig.pages.sum(rig.layout.cell("tcp_connections")) != 9:
            time.sleep(0.01)
        os.kill(child, signal.SIGSTOP)
        assert "blackhole_guard_tcp_connections 9.0\n" in get(observer.address).text  # it waits for 20 s
    finally:
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)


def test_a_scrape_is_quick_when_everything_has_been_counted(rig):
    for cell in rig.layout:
        rig.pages.page(0)[cell.number] = 2**50 + cell.number
    with Observer(rig) as observer:
        get(observer.address)
        times = []
        for _ in range(5):
            time.sleep(0.3)
            begin = time.monotonic()
            body = get(observer.address).body
            times.append(time.monotonic() - begin)
        assert len(body) > 100_000
        assert min(times) < 0.5  # 0.012 on a quiet machine


@pytest.mark.parametrize(
    ("spoil", "reason"),
    [
        (lambda control: None, None),
        (lambda control: control.set_alive(0, False), None),  # the other one answers
        (lambda control: setattr(control, "generation", 0), "no zones are loaded yet"),
        (lambda control: [control.set_alive(slot, False) for slot in range(2)], "no worker is alive"),
        (lambda control: control.beat(0, 1.0), None),
        (
            lambda control: [control.beat(slot, 1.0) for slot in range(2)],
            "no worker has given a sign of life for 10 seconds",
        ),
        (lambda control: control.note_reload("failed", 1), None),  # the old zones are served
    ],
)
def test_ready_is_when_a_worker_answers_from_zones(spoil, reason):
    control = Control(2)
    control.generation = 1
    for slot in range(2):
        control.set_alive(slot, True)
        control.beat(slot, 100.0)
    spoil(control)
    assert find_unreadiness(control, 105.0) == reason


def test_readiness_is_told_from_health(rig, observer):
    assert (get(observer.address, "/readyz").status, get(observer.address, "/readyz").text) == (200, "ok\n")
    for slot in range(2):
        rig.control.set_alive(slot, False)
    response = get(observer.address, "/readyz")
    assert (response.status, response.text) == (503, "no worker is alive\n")
    assert get(observer.address, "/healthz").status == 200
    assert "blackhole_guard_workers 0.0\n" in get(observer.address).text


def test_a_snapshot_that_cannot_be_read_hides_nothing_else(rig):
    broken = []

    def served():
        if rig.control.generation == 2:
            raise OSError("no such\nsnapshot")
        return rig.served()

    facts = Facts(rig.pages, rig.control, rig.build, served)
    with Observer(rig, facts) as observer:
        assert 'zone_records{zone="10.0.0.0/8"} 3.0' in get(observer.address).text
        rig.control.generation = 2
        time.sleep(0.3)
        broken = get(observer.address)
        assert broken.status == 200
        assert 'zone_records{zone="10.0.0.0/8"} 3.0' in broken.text
        assert "blackhole_guard_snapshot_generation 2.0\n" in broken.text
        assert (
            observer.log() == "<3>the observer could not read the snapshot  error=\"OSError('no such\\nsnapshot')\"\n"
        )


def test_an_error_of_ours_is_logged_and_not_told(rig):
    facts = Facts(rig.pages, rig.control, None, rig.served)
    with Observer(rig, facts) as observer:
        response = get(observer.address)
        assert (response.status, response.text) == (500, "internal error, see the log\n")
        assert response.headers["x-content-type-options"] == "nosniff"
        assert observer.log().startswith("<3>the observer could not answer  path=/metrics error=")
        assert get(observer.address, "/healthz").status == 200


class Echo:
    """An API that says what it was asked."""

    async def respond(self, path, query, client, host):
        if "bug" in query:
            raise RuntimeError("very\nwrong")
        return Response(203, "application/json", f"{path} {query} {client} {host}".encode(), {"Cache-Control": "x"})


def test_what_is_below_api_is_the_apis(rig):
    with Observer(rig, api=Echo()) as observer:
        for path, expected in (
            ("/api", "/api  127.0.0.1 x"),
            ("/api/v1?a=%20b&c", "/api/v1 a=%20b&c 127.0.0.1 x"),
            ("/api/v1/%74ops?", "/api/v1/tops  127.0.0.1 x"),
            ("/api/../x", "/api/../x  127.0.0.1 x"),
        ):
            response = get(observer.address, path)
            assert (response.status, response.text) == (203, expected)
            assert (response.headers["content-type"], response.headers["cache-control"]) == ("application/json", "x")
            assert response.headers["x-content-type-options"] == "nosniff"
        assert get(observer.address, "/apix").status == 404
        assert get(observer.address, "/").text == "there is /metrics, /healthz, /readyz and /api/v1\n"


def test_an_error_of_the_apis_is_a_problem_that_says_no_more(rig):
    with Observer(rig, api=Echo()) as observer:
        response = get(observer.address, "/api/v1?bug")
        assert (response.status, response.headers["content-type"]) == (500, "application/problem+json")
        assert '"internal error, see the log"' in response.text
        assert "very\\nwrong" in observer.log()


class Large:
    """An API with more to say than a client takes at once."""

    async def respond(self, path, query, client, host):
        return Response(200, "application/json", b"x" * 5_000_000)


def test_a_large_response_comes_whole_and_who_leaves_before_its_end_is_no_error(rig):
    with Observer(rig, api=Large()) as observer:
        assert get(observer.address, "/api/v1").body == b"x" * 5_000_000
        head = get(observer.address, "/api/v1", method="HEAD")
        assert (head.body, head.headers["content-length"]) == (b"", "5000000")
        with connect(observer.address) as sock:
            sock.sendall(b"GET /api/v1 HTTP/1.1\r\nHost: x\r\n\r\n")
            sock.recv(1000)  # and no more
        assert get(observer.address, "/healthz").status == 200
        assert observer.log() == ""


class Sleeper:
    """An API that never answers."""

    async def respond(self, path, query, client, host):
        await asyncio.sleep(3600)


def test_an_api_that_does_not_answer_is_not_waited_for(rig, monkeypatch):
    monkeypatch.setattr(http_gate, "API_TIME", 0.3)
    with Observer(rig, api=Sleeper()) as observer:
        assert exchange(observer.address, b"GET /api/v1 HTTP/1.1\r\nHost: x\r\n\r\n") == b""
        assert get(observer.address, "/healthz").status == 200
        assert observer.stop(signal.SIGTERM) == 0


def test_without_an_api_there_is_nothing(observer):
    assert get(observer.address, "/api/v1").status == 404


def test_an_observer_ends_when_told_to(observer):
    get(observer.address)
    assert observer.stop(signal.SIGTERM) == 0
    assert observer.log() == ""
