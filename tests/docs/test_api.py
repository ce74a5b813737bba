"""docs/api.md against the resources: one in the table and not in the code, or the other way round, fails."""

import re
from pathlib import Path

import pytest

import blackhole_guard
from blackhole_guard.api.resources import RESOURCES
from blackhole_guard.config.settings import Settings

PAGE = (Path(blackhole_guard.__file__).parent.parent / "docs" / "api.md").read_text()


def rows():
    lines = re.findall(r"^\| `(/api/v1[^`]*)` \|(.*)\|(.*)\|$", PAGE, re.MULTILINE)
    return {path: (parameters, needs) for path, parameters, needs in lines}


def test_the_table_lists_each_resource_once_in_their_order():
    assert list(rows()) == [resource.path for resource in RESOURCES]


@pytest.mark.parametrize("resource", RESOURCES, ids=lambda resource: resource.path)
def test_a_row_has_the_parameters_and_the_setting(resource):
    parameters, needs = rows()[resource.path]
    assert re.findall(r"`([a-z]+)`", parameters) == list(resource.parameters.__struct_fields__)
    assert re.findall(r"`([a-z.]+)`", needs) == list(resource.needs)


@pytest.mark.parametrize("name", sorted({name for resource in RESOURCES for name in resource.needs}))
def test_the_setting_exists(name):
    value = Settings()
    for part in name.split("."):
        value = getattr(value, part)
