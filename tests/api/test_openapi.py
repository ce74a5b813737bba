"""The description of the API: valid, complete, and the one in docs/ is it."""

from pathlib import Path

import jsonschema
import openapi_spec_validator
import pytest
from known_facts import describe

import blackhole_guard
from blackhole_guard.api.openapi import describe_api
from blackhole_guard.api.resources import DESCRIPTION, RESOURCES, ROOT

COMMITTED = Path(blackhole_guard.__file__).parent.parent / "docs" / "openapi.json"


def test_it_is_valid():
    openapi_spec_validator.OpenAPIV31SpecValidator(describe()).validate()
    for schema in describe()["components"]["schemas"].values():
        jsonschema.Draft202012Validator.check_schema(schema)


def test_docs_have_it():
    text = f"it is not what {DESCRIPTION} shows: curl -s 127.0.0.1:9353{DESCRIPTION} > docs/openapi.json"
    assert COMMITTED.read_bytes() == describe_api(RESOURCES), text


def test_each_resource_is_described_once():
    assert list(describe()["paths"]) == [*(resource.path for resource in RESOURCES), DESCRIPTION]
    operations = [each["get"]["operationId"] for each in describe()["paths"].values()]
    assert len(set(operations)) == len(operations)


@pytest.mark.parametrize("resource", RESOURCES, ids=lambda resource: resource.path.removeprefix(ROOT) or "/")
def test_a_list_has_a_bound_or_is_of_a_closed_set(resource):
    """Nothing that clients, maps or strangers can make longer comes without a limit."""
    growing = {f"{ROOT}/{path}" for path in ("zones", "tops", "leaks/observed/recent", "leaks/observed/tops")}
    names = {each["name"] for each in describe()["paths"][resource.path]["get"]["parameters"]}
    assert ("limit" in names) == (resource.path in growing)


def test_what_a_resource_needs_is_said():
    def missing(path):
        return describe()["paths"][f"{ROOT}/{path}"]["get"]["responses"]["404"]["description"]

    either = "the settings leaks.watch.enabled and leaks.dnstap.socket are off"
    assert {missing(f"leaks/observed{each}") for each in ("", "/recent", "/tops")} == {either}
    assert missing("tops") == "the setting telemetry.tops.enabled is off"


NAMES = {
    *("path", "what", "block", "sink", "via", "certainty", "count", "name", "ipv4", "ipv6", "window", "type", "zone"),
    *("file", "line", "slot", "alive", "right", "format", "verdict", "pane_seconds", "refused", "total"),
}


def test_each_property_says_what_it_is_if_its_name_does_not():
    for name, schema in describe()["components"]["schemas"].items():
        for key, value in schema.get("properties", {}).items():
            described = "description" in value or "$ref" in value or value.get("type") == "array"
            assert described or key in NAMES, (name, key)
