"""Every error of the tree has a problem document of its own."""

import json
from collections.abc import Iterator

import pytest

from orchestrator.api.problems import STATUS, of_error
from orchestrator.domain import errors
from orchestrator.domain.errors import BallastError


def tree(kind: type[BallastError] = BallastError) -> Iterator[type[BallastError]]:
    yield kind
    for below in kind.__subclasses__():
        if below.__module__ == errors.__name__:
            yield from tree(below)


@pytest.mark.parametrize("kind", list(tree()), ids=lambda kind: kind.__name__)
def test_every_error_of_the_tree_is_mapped_by_itself(kind: type[BallastError]) -> None:
    assert kind in STATUS
    response = of_error(kind("why, and what to do"), "/api/v1/x")
    body = json.loads(bytes(response.body))
    assert response.status_code == body["status"] == STATUS[kind]
    assert body["detail"] == "why, and what to do"
    assert body["type"].startswith("urn:ballast:problem:")
    assert response.media_type == "application/problem+json"


def test_an_error_from_outside_the_tree_takes_the_place_of_its_parent() -> None:
    class Special(errors.Conflict):
        pass

    assert of_error(Special("x"), "/").status_code == 409


def test_a_missing_sign_in_says_how_to_sign_in() -> None:
    response = of_error(errors.NotAuthenticated("who are you"), "/")
    assert response.headers["WWW-Authenticate"] == "Bearer"
