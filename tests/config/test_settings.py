"""The settings' types: every field can be read from YAML, and every default fits its own bounds."""

import msgspec
import pytest
from msgspec import inspect

from blackhole_guard.config.document import read_documents
from blackhole_guard.config.problems import FileProblems
from blackhole_guard.config.schema import read_struct
from blackhole_guard.config.settings import Settings
from blackhole_guard.config.values import format_duration


def fields(struct, prefix=""):
    """Dotted name, type and default of each setting."""
    for field in inspect.type_info(struct).fields:
        if isinstance(field.type, inspect.StructType):
            yield from fields(field.type.cls, f"{prefix}{field.name}.")
        else:
            yield f"{prefix}{field.name}", field.type, field.default


def kinds(kind):
    """The type and its parts, metadata taken off."""
    if isinstance(kind, inspect.UnionType):
        return [part for each in kind.types for part in kinds(each)]
    if isinstance(kind, inspect.Metadata):
        return [(kind.type, kind.extra or {})]
    return [(kind, {})]


FIELDS = list(fields(Settings))
WRITTEN = {
    "server.trusted_resolvers": "10.0.0.53",
    "server.trusted_proxies": "10.0.0.53",
    "server.listen": "[127.0.0.1, eth0]",
    "server.state_dir": "/var/lib/blackhole-guard",
    "server.user": "nobody:nogroup",
    "server.version": "v",
    "server.identity": "i",
    "server.nsid": "n",
    "defaults.ns": "[ns1.example.com]",
    "defaults.soa.mname": "ns1.example.com",
    "defaults.soa.rname": "admin@example.com",
    "defaults.soa.serial": "4294967295",
    "doctor.interval": "10m",
    "doctor.resolvers": "[127.0.0.53, '[::1]:5300']",
    "leaks.own_servers": "[192.0.2.53, 2001:db8::/32]",
    "leaks.dnstap.socket": "/run/blackhole-guard/dnstap.sock",
    "leaks.dnstap.users": "[bind, 112]",
    "leaks.dnstap.group": "bind",
    "leaks.watch.socket": "/run/blackhole-guard/watch.sock",
    "leaks.watch.users": "[blackhole-guard-watch]",
    "leaks.watch.group": "4242",
    "include": "[zones/*.yaml]",
}


def read(name, value):
    problems = FileProblems("c.yaml")
    *sections, last = name.split(".")
    text = "".join(f"{'  ' * depth}{section}:\n" for depth, section in enumerate(sections))
    text += f"{'  ' * len(sections)}{last}: {value}\n"
    (node,) = read_documents(text.encode(), problems)
    settings = read_struct(node, Settings(), problems)
    for section in (*sections, last):
        settings = getattr(settings, section)
    return settings, problems.all()


def text_of(value):
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, tuple):
        return "[" + ", ".join(value) + "]"
    return str(value)


@pytest.mark.parametrize(("name", "kind", "default"), FIELDS, ids=[name for name, _, _ in FIELDS])
def test_a_default_may_be_written(name, kind, default):
    if default is None or default == ():
        assert read(name, "") == (default, ())
        value, problems = read(name, WRITTEN.get(name, "5"))
        assert problems == () and value not in (None, ())
    else:
        assert read(name, text_of(default)) == (default, ())


@pytest.mark.parametrize(("name", "kind", "default"), FIELDS, ids=[name for name, _, _ in FIELDS])
def test_a_number_has_bounds_that_hold(name, kind, default):
    for part, _ in kinds(kind):
        if isinstance(part, inspect.IntType):
            assert part.ge is not None and part.le is not None, "what strangers may fill has a largest value"
            for number in (part.ge, part.le):
                assert read(name, number) == (number, ())
            value, (problem,) = read(name, part.le + 1)
            assert (value, "out of range" in problem.what) == (default, True)


@pytest.mark.parametrize(("name", "kind", "default"), FIELDS, ids=[name for name, _, _ in FIELDS])
def test_a_duration_takes_letters(name, kind, default):
    for part, extra in kinds(kind):
        if extra.get("kind") == "duration":
            assert read(name, format_duration(part.le)) == (part.le, ())


def test_settings_travel_as_json():
    settings = Settings()
    assert msgspec.json.decode(msgspec.json.encode(settings), type=Settings) == settings


def test_an_unknown_field_does_not_travel():
    with pytest.raises(msgspec.ValidationError):
        msgspec.json.decode(b'{"sever": {}}', type=Settings)
