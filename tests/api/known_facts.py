"""What an API is handed, made by hand: real pages, real tops, real leaks; a clock that stands."""

import asyncio
import json
from dataclasses import replace
from types import SimpleNamespace

import jsonschema
from observers import Rig

from blackhole_guard.api.explanation import Explanation
from blackhole_guard.api.known import Known, ServedZones
from blackhole_guard.api.openapi import describe_api
from blackhole_guard.api.resources import RESOURCES, ROOT
from blackhole_guard.api.service import Api
from blackhole_guard.leaks.evidence import Certainty, Sighting, Via, judge
from blackhole_guard.leaks.leak_tops import SlidingTops
from blackhole_guard.leaks.observed import Observed
from blackhole_guard.telemetry.observer import find_unreadiness
from blackhole_guard.wire.names import pack_name

NOW = 1_800_000_000.0
LOCAL = "127.0.0.1"


def make_known(rig=None, **fields):
    rig = rig or Rig()
    known = Known(
        version="0.1.0",
        pages=rig.pages,
        control=rig.control,
        find_unreadiness=find_unreadiness,
        served=lambda: None,
        explain=explain,
        tops=None,
        observed=None,
        observed_since=NOW - 60,
        rounds=None,
        clock=lambda: NOW,
        monotonic=lambda: 1000.0,
    )
    return replace(known, **fields)


async def explain(target):
    nothing = dict.fromkeys(("place", "zone", "block", "zone_place", "delegation"))
    return Explanation(
        target=target,
        name="3.0.0.10.in-addr.arpa.",
        type="PTR",
        outcome="nxdomain",
        recursive_outcome="nxdomain",
        records=(),
        what="",
        why=(),
        hint="",
        errors=0,
        **nothing,
    )


def make_zones(mapped=3, built_in=2):
    zones = [
        SimpleNamespace(
            apex=f"{number}.in-addr.arpa.", label=f"{number}.0.0.0/8", serial=1, records=number, mapped=True
        )
        for number in range(mapped)
    ]
    zones += [
        SimpleNamespace(apex=f"{number}.ip6.arpa.", label=f"{number}", serial=1, records=0, mapped=False)
        for number in range(built_in)
    ]
    return ServedZones(7, "ab12", zones)


def make_leak(name, client="10.0.0.1", server="192.175.48.6", qtype=12, at=NOW, via=Via.DNSTAP):
    """A leak as dnstap would tell of it, or another kind of evidence that knows as much."""
    packed = (bytes(map(int, address.split("."))) for address in (client, server))
    client, server = packed
    wire = name if isinstance(name, bytes) else pack_name(name)
    leak = judge(Sighting(at, via, wire, qtype, 1, client=client, server=server), Certainty.LIKELY)
    assert leak is not None
    return leak


def make_observed(*leaks):
    observed = Observed(lambda: SlidingTops(lambda: NOW), (Via.DNSTAP,))
    for leak in leaks:
        observed.add(leak)
    return observed


def make_api(known=None, allowed=lambda client: True):
    return Api(known or make_known(), allowed)


def ask(api, path, query="", client=LOCAL, host="127.0.0.1:9353"):
    whole = path if path.startswith("/") else f"{ROOT}/{path}"
    return asyncio.run(api.respond(whole, query, client, host))


def read(api, path, query=""):
    """The document of a resource, held against its schema."""
    whole = f"{ROOT}/{path}".rstrip("/")
    response = ask(api, whole, query)
    assert response.status == 200, response.body
    document = json.loads(response.body)
    validate(document, whole)
    return document


def describe():
    """The OpenAPI document."""
    return json.loads(describe_api(RESOURCES))


def validate(document, path, status="200", description=None):
    """Hold a document against the schema that the API's description gives for it."""
    description = description or describe()
    (content,) = description["paths"][path]["get"]["responses"][status]["content"].values()
    schema = {**content["schema"], "components": description["components"]}
    jsonschema.validate(document, schema, cls=jsonschema.Draft202012Validator)
