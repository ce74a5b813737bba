"""Query strings: what is read, and what is said of what is wrong."""

from enum import StrEnum
from typing import Annotated

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import Meta

from blackhole_guard.api.parameters import NoParameters, describe_parameters, parse_parameters
from blackhole_guard.api.problems import ProblemError
from blackhole_guard.api.resources import RESOURCES

NUMBER = "a whole number from 1 to 100"


class Colour(StrEnum):
    RED = "red"
    BLUE = "blue"


class Some(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    colour: Annotated[Colour | None, Meta(description="one")] = None
    limit: Annotated[int, Meta(ge=1, le=100, description="how many")] = 10
    name: Annotated[str, Meta(max_length=5, description="whose")] = ""


class Required(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    colour: Annotated[Colour, Meta(description="one")]


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("", Some()),
        ("limit=7", Some(limit=7)),
        ("limit=007", Some(limit=7)),
        ("colour=red&name=a%2Fb", Some(colour=Colour.RED, name="a/b")),
        ("name=a+b", Some(name="a b")),
        ("name=", Some()),
        ("name=12", Some(name="12")),
        ("name=%C3%A9", Some(name="é")),
    ],
)
def test_what_is_well_formed_is_read(query, expected):
    assert parse_parameters(query, Some) == expected


@pytest.mark.parametrize("kind", dict.fromkeys(resource.parameters for resource in RESOURCES))
@pytest.mark.parametrize("bound", ["minimum", "maximum"])
def test_a_number_may_be_what_the_description_says(kind, bound):
    for each in describe_parameters(kind, "{name}"):
        schema = each["schema"]
        assert isinstance(schema, dict)
        if bound in schema:
            number = schema[bound]
            read = parse_parameters(f"{each['name']}={number}", kind)
            assert getattr(read, str(each["name"])) == number


@pytest.mark.parametrize(
    ("query", "detail", "hint"),
    [
        ("limti=7", "unknown parameter `limti`", "did you mean `limit`?"),
        ("qqqq=7", "unknown parameter `qqqq`", "there is colour, limit, name"),
        ("limit=1&limit=2", "`limit` stands twice in the query", "delete one of the two"),
        ("limit=0", "`limit`: Expected `int` >= 1", NUMBER),
        ("limit=101", "`limit`: Expected `int` <= 100", NUMBER),
        ("limit=-1", "`limit`: Expected `int`, got `str`", NUMBER),
        ("limit=+1", "`limit`: Expected `int`, got `str`", NUMBER),
        ("limit=1_0", "`limit`: Expected `int`, got `str`", NUMBER),
        ("limit=1e1", "`limit`: Expected `int`, got `str`", NUMBER),
        (
            "limit=%D9%A5",
            "`limit`: Expected `int`, got `str`",
            NUMBER,
        ),  # a digit of another script
        ("limit=" + "9" * 4000, "`limit`: Expected `int`, got `str`", NUMBER),
        ("limit=", "`limit`: Expected `int`, got `str`", NUMBER),
        ("colour=null", "`colour`: Invalid enum value 'null'", "one of: red, blue"),
        ("name=abcdef", "`name`: Expected `str` of length <= 5", "0 to 5 characters"),
        ("name", "`?name` is no query", "write ?name=value&name=value"),
        ("&", "`?&` is no query", "write ?name=value&name=value"),
        ("name=%FF", "`?name=%FF` is no query", "write ?name=value&name=value"),
        ("&".join(f"a{n}=1" for n in range(17)), "`?a0=1", "write ?name=value&name=value"),
    ],
)
def test_what_is_wrong_is_said(query, detail, hint):
    with pytest.raises(ProblemError) as raised:
        parse_parameters(query, Some)
    assert raised.value.status == 400
    assert raised.value.detail.startswith(detail)
    assert raised.value.hint.startswith(hint)


def test_what_must_be_there_is_missed():
    with pytest.raises(ProblemError) as raised:
        parse_parameters("", Required)
    assert (raised.value.detail, raised.value.hint) == ("`colour` is missing", "add ?colour=...: one of: red, blue")


def test_who_takes_none_says_so():
    with pytest.raises(ProblemError) as raised:
        parse_parameters("limit=1", NoParameters)
    assert raised.value.hint == "this resource takes no parameters"


@given(st.one_of(st.text(max_size=60), st.from_regex(r"(limit|colour|name|offset)=.*", fullmatch=True)))
def test_any_query_is_read_or_refused_in_printable_words(query):
    for kind in {resource.parameters for resource in RESOURCES} | {Some}:
        try:
            parse_parameters(query, kind)
        except ProblemError as problem:
            assert problem.status == 400
            assert (problem.detail + problem.hint).isascii() and (problem.detail + problem.hint).isprintable()
            assert len(problem.detail) < 400


def test_they_are_described():
    colour, limit, name = describe_parameters(Some, "#/{name}")
    assert colour == {
        "name": "colour",
        "in": "query",
        "required": False,
        "description": "one",
        "schema": {"$ref": "#/Colour"},
    }
    assert limit["schema"] == {"type": "integer", "minimum": 1, "maximum": 100, "default": 10}
    assert name["schema"] == {"type": "string", "maxLength": 5, "default": ""}
    assert describe_parameters(Required, "#/{name}")[0]["required"]
