"""`doctor` and its cure, where the resolver is on another machine than ours, and hides what we map."""

import json
import sys
from collections.abc import Iterator
from typing import Any

import namespaces
import pytest
from peer_processes import Peer
from peer_servers import guard, unbound
from sidecars import look_up

from blackhole_guard.reserved.registry import ZONES

OURS, RESOLVER = "10.0.0.5", "10.0.0.53"
MAPS = {"ten.yaml": "zone: 10.0.0.0/8\nptr: {10.0.0.3: web.example.com}\n"}

pytestmark = [pytest.mark.root, pytest.mark.peers("unbound", *namespaces.PROGRAMS)]

Hosts = tuple[namespaces.Namespace, namespaces.Namespace]


@pytest.fixture
def hosts() -> Iterator[Hosts]:
    with namespaces.namespace() as ours, namespaces.namespace() as resolvers:
        ours.connect(resolvers, OURS, RESOLVER)
        yield ours, resolvers


def examine(peer: Peer) -> tuple[int, dict[str, Any]]:
    words = [sys.executable, "-m", "blackhole_guard", "doctor", "--json", RESOLVER]
    words += ["--config", str(peer.directory / "config.yaml")]
    text, code = peer.host.run("sh", "-c", '"$@"; echo "$?"', "sh", *words).rsplit("\n", 2)[:2]
    return int(code), json.loads(text)["resolvers"][0]


def test_built_in_zones_that_hide_names_are_found_and_the_lines_cure_that_across_the_network(hosts):
    host, others = hosts
    # As it comes, but that it asks nobody on the internet; ours refuse the rest.
    alone = f'forward-zone:\n  name: "."\n  forward-addr: {OURS}@5300\n'
    with guard(MAPS, host=host, address=OURS, port=5300) as peer:
        with unbound(alone, host=others, address=RESOLVER, port=53) as resolver:
            assert look_up(resolver, "10.0.0.3")[1] == "NXDOMAIN"
            code, found = examine(peer)
        (mapped,) = found["mapped"]
        assert (code, found["leaks"], mapped["right"]) == (1, False, False)
        assert f"    stub-addr: {OURS}@5300" in found["cure"].splitlines()
        with unbound(f"{alone}{found['cure']}", host=others, address=RESOLVER, port=53) as resolver:
            assert look_up(resolver, "10.0.0.3") == ("10.0.0.3", "NOERROR", ["web.example.com."])
            code, found = examine(peer)
    assert (code, found["cure"]) == (0, None)
    assert {zone["verdict"] for zone in found["zones"]} == {"ours"} and len(found["zones"]) == len(ZONES)
    assert all(each["right"] for each in found["mapped"])
