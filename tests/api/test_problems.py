"""Problems as responses."""

from contextlib import contextmanager
from http import HTTPStatus

import pytest
from msgspec import json

from blackhole_guard.api.problems import ProblemError


def test_a_problem_is_a_response_with_its_fields():
    response = ProblemError(HTTPStatus.SERVICE_UNAVAILABLE, "not now", "later", {"Retry-After": "5"}).render()
    assert (response.status, response.content_type) == (503, "application/problem+json")
    assert response.headers == {"Retry-After": "5"}
    assert json.decode(response.body) == {
        "title": "Service Unavailable",
        "status": 503,
        "detail": "not now",
        "hint": "later",
    }


def test_one_passes_through_a_context_manager_as_what_it_is():
    @contextmanager
    def anything():
        yield

    with pytest.raises(ProblemError), anything():
        raise ProblemError(HTTPStatus.BAD_REQUEST, "wrong")
