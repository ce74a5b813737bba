"""The API of a whole server: each response over a real socket, held against the schema that the server itself gives."""

import contextlib
import http.client
import json
import re
import subprocess
import sys
from pathlib import Path

import openapi_spec_validator
import pytest
from dnstap_frames import Producer, frame
from known_facts import validate
from services import Service
from stand_in_resolvers import UNBOUND_SOA, resolver, with_soa
from supervisors import wait_until

import blackhole_guard
from blackhole_guard.api.resources import RESOURCES, ROOT

DOCS = Path(blackhole_guard.__file__).parent.parent / "docs" / "api.md"
HOSTILE = r"\027[2J<script>\"\000.3.0.0.10.in-addr.arpa"
SETTINGS = """
telemetry: {{api: {{allow: [127.0.0.1]}}}}
leaks: {{dnstap: {{socket: d.sock}}}}
doctor: {{interval: 1m, resolvers: ['{resolver}']}}
"""


class Client:
    """Asks an API."""

    def __init__(self, service):
        self.service = service
        host, _, port = service.metrics.rpartition(":")
        self.address = (host, int(port))

    def ask(self, path, method="GET", source="127.0.0.1", **headers):
        """Returns status, headers and the document."""
        connection = http.client.HTTPConnection(*self.address, timeout=40, source_address=(source, 0))
        try:
            connection.request(method, path, headers=headers)
            response = connection.getresponse()
            body = response.read()
        finally:
            connection.close()
        return response.status, dict(response.headers), json.loads(body) if body else None

    def read(self, path, query=""):
        """The document of a resource, held against the server's own description."""
        status, headers, document = self.ask(f"{ROOT}/{path}".rstrip("/") + query)
        assert (status, headers["Content-Type"]) == (200, "application/json"), document
        assert (headers["Cache-Control"], headers["X-Content-Type-Options"]) == ("no-store", "nosniff")
        assert "Access-Control-Allow-Origin" not in headers
        validate(document, f"{ROOT}/{path}".rstrip("/"), description=self.description)
        return document

    @property
    def description(self):
        return self.ask(f"{ROOT}/openapi.json")[2]


@pytest.fixture(scope="module")
def client(tmp_path_factory):
    """A server with all that an API can show, which was asked for four addresses and told of one leak."""
    folder = tmp_path_factory.mktemp("api")
    with resolver(with_soa(UNBOUND_SOA, "10.in-addr.arpa.")) as target, contextlib.ExitStack() as stack:
        service = stack.enter_context(Service(folder, config=SETTINGS.format(resolver=target)).start())
        wait_until(lambda: service.read("/healthz")[0] == 200)
        for address in ("10.0.0.3", "10.9.9.9", "10.9.9.9", "192.168.1.1"):
            service.query(address)
        producer = stack.enter_context(Producer(str(folder / "d.sock")).shake_hands())
        producer.send(
            frame("CLIENT_QUERY", HOSTILE, client="10.0.0.5"),
            frame("RESOLVER_QUERY", HOSTILE, server="192.175.48.6", seconds=0.2),
        )
        wait_until(lambda: service.lines("a resolver leaks"))
        made = Client(service)
        wait_until(lambda: made.read("leaks/averted")["total"] == 4)
        wait_until(lambda: made.read("leaks/observed")["totals"] == {"dnstap": 1})
        yield made


def test_it_describes_itself(client):
    status, headers, description = client.ask(f"{ROOT}/openapi.json")
    assert (status, headers["Cache-Control"]) == (200, "max-age=3600")
    openapi_spec_validator.OpenAPIV31SpecValidator(description).validate()
    assert [each["path"] for each in client.read("")["resources"]] == list(description["paths"])


def test_what_was_asked_is_seen_by_block_sink_and_worker(client):
    blocks = {each["block"]: each for each in client.read("blocks")["blocks"]}
    assert (blocks["10.0.0.0/8"]["averted"], blocks["10.0.0.0/8"]["unmapped"]) == (3, 2)
    assert blocks["10.0.0.0/8"]["outcomes"] == {"answered": 1, "nxdomain": 2}
    assert (blocks["192.168.0.0/16"]["averted"], blocks["192.168.0.0/16"]["observed"]) == (1, {})
    (as112,) = (each for each in client.read("sinks")["sinks"] if each["sink"] == "as112")
    assert (as112["averted"], as112["observed"]) == (4, {"dnstap": {"observed": 1}})
    workers = client.read("workers")
    assert workers["ready"] and [each["alive"] for each in workers["workers"]] == [True, True]
    assert sum(each["averted"] for each in workers["workers"]) == 4
    assert sum(each["queries"] for each in workers["workers"]) >= 4


def test_who_asked_is_on_top(client):
    wait_until(lambda: client.read("tops", "?window=5m")["total"] == 4)
    document = client.read("tops", "?window=1d&limit=1")
    assert [(each["client"], each["count"]) for each in document["clients"]] == [("127.0.0.1", 4)]
    assert [(each["address"], each["count"]) for each in document["addresses"]] == [("10.9.9.9", 2)]
    assert len(document["pairs"]) == 1
    assert [each["window"] for each in client.read("windows")["windows"]] == ["5m", "1h", "1d"]


def test_a_leak_that_was_told_of_is_the_most_recent_one_and_its_name_is_escaped(client):
    document = client.read("leaks/observed/recent", "?limit=1&block=10.0.0.0%2F8")
    (leak,) = document["leaks"]
    assert leak["name"] == r"\027[2j<script>\034\000.3.0.0.10.in-addr.arpa."
    assert (leak["client"], leak["server"], leak["sink"]) == ("10.0.0.5", "192.175.48.6", "as112")
    assert client.read("leaks/observed")["series"][0]["count"] == 1


def test_who_causes_an_observed_leak_is_on_top_of_what_showed_it(client):
    document = client.read("leaks/observed/tops", "?window=5m&limit=1")
    assert document.keys() == {"dnstap"}
    report = document["dnstap"]
    assert [(each["client"], each["count"]) for each in report["clients"]] == [("10.0.0.5", 1)]
    assert report["addresses"] == report["pairs"] == []  # the name has a label more than an address
    assert client.read("leaks/observed/tops", "?via=packets") == {}


def test_the_doctors_findings_are_those_of_the_command(client):
    document = client.read("doctor")
    (found,) = document["resolvers"]
    assert (document["exit_code"], found["program"], found["leaks"]) == (1, "unbound", True)
    assert found["cure"] == "blackhole-guard integrate unbound prints the lines to change"
    done = client.service.run("doctor", found["resolver"], "--json")
    said = json.loads(done.stdout)
    assert said.keys() == document.keys()
    assert said["resolvers"][0].keys() == found.keys()
    assert said["resolvers"][0]["blocks"] == found["blocks"]


def test_zones_are_those_that_are_served(client):
    document = client.read("zones", "?kind=mapped")
    (zone,) = document["zones"]
    assert (zone["zone"], zone["records"], zone["serial"]) == ("10.in-addr.arpa.", 1, client.service.serial())
    assert client.read("zones", "?limit=1000")["matching"] > 100


def test_an_explanation_is_the_commands(client):
    service = client.service
    words = ("--config", str(service.config), "--zones", str(service.maps / "*.yaml"))
    for name in ("10.0.0.3", r"a\.b\027.10.in-addr.arpa"):
        done = service.run("explain", "--json", *words, name)
        path = f"?name={name}".replace("\\", "%5C")
        assert client.read("explain", path) == json.loads(done.stdout)


@pytest.mark.parametrize(
    ("path", "status"),
    [
        ("", 404),
        ("/v2/tops", 404),
        ("/v1/nothing", 404),
        ("/v1/tops?limit=0", 400),
        ("/v1/tops?limit=1&limit=1", 400),
        ("/v1/zones?limti=1", 400),
        ("/v1/explain", 400),
        ("/v1/explain?name=10.0.0.300", 400),
        ("/v1/explain?name=%00", 400),
        ("/v1/explain?name=%FF", 400),
        ("/v1/explain?name=" + "a" * 2000, 400),
    ],
)
def test_what_is_wrong_is_said_as_json(client, path, status):
    found, headers, problem = client.ask(f"/api{path}")
    assert (found, headers["Content-Type"], problem["status"]) == (status, "application/problem+json", status)
    assert problem["detail"].isprintable() and problem["hint"]
    assert headers["Cache-Control"] == "no-store"


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "OPTIONS", "PATCH"])
def test_nothing_can_be_changed(client, method):
    status, headers, problem = client.ask(f"{ROOT}/tops", method)
    assert (status, headers["Allow"], headers["Content-Type"]) == (405, "GET, HEAD", "application/problem+json")
    assert problem["detail"] == "only GET and HEAD are served"


def test_head_is_get_without_a_body(client):
    status, headers, document = client.ask(f"{ROOT}/windows", "HEAD")
    assert (status, document) == (200, None)
    assert int(headers["Content-Length"]) > 100


def test_who_is_not_allowed_reads_metrics_alone(client):
    status, _, problem = client.ask(f"{ROOT}/tops", source="127.0.0.2")
    assert (status, problem["detail"]) == (403, "the API is not for 127.0.0.2: it shows the addresses of clients")
    assert client.ask(f"{ROOT}/tops", Host="attacker.example:9353")[0] == 421
    assert "blackhole_guard_queries_total" in client.service.read()[1]


def test_what_comes_from_elsewhere_is_said_at_other_paths(client):
    assert client.service.read("/") == (404, "there is /metrics, /healthz, /readyz and /api/v1\n")


def test_each_resource_was_read_by_these_tests(client):
    with open(__file__) as file:
        text = file.read()
    for resource in RESOURCES:
        path = resource.path.removeprefix(ROOT).strip("/")
        assert f'read("{path}"' in text, path


def test_the_examples_of_the_documentation_work(client):
    examples = re.findall(r"^\$ curl -s '?127\.0\.0\.1:9353(/[^ ']+)", DOCS.read_text(), re.MULTILINE)
    assert [path.partition("?")[0] for path in examples] == [resource.path for resource in RESOURCES]
    for path in examples:
        status, _, document = client.ask(path)
        assert status == 200, document


def test_switched_off_there_is_none(tmp_path):
    with Service(tmp_path, config="telemetry: {api: {enabled: false}}", workers=1).start() as service:
        wait_until(lambda: service.read("/healthz")[0] == 200)
        assert service.read(ROOT) == (404, "there is /metrics, /healthz and /readyz\n")


def test_a_worker_has_nothing_of_it():
    script = "import sys, blackhole_guard.cli.serve, blackhole_guard.app.responder, blackhole_guard.app.loader\n"
    script += "print(*(name for name in sys.modules if name.startswith('blackhole_guard.api')))"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == ""
