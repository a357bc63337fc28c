"""Giving a node back over the API."""

from dataclasses import replace
from typing import Any

import pytest

from orchestrator.messages import LockoutsChanged, ReleaseRequested
from tests.api_bench import ApiBench
from tests.recording_control import a_snapshot


def test_a_node_is_given_back_when_its_nameplate_fits(bench: ApiBench) -> None:
    answer = bench.client().post("/api/v1/nodes/node-1/release", json={"reason": "uninstall"})
    assert answer.status_code == 202
    assert bench.control.last(LockoutsChanged) == LockoutsChanged(frozenset({"node-1"}))
    assert bench.control.last(ReleaseRequested) == ReleaseRequested("node-1")
    (line,) = bench.audit.list()
    assert (line.action, line.subject, line.detail) == ("node.given-back", "node-1", "uninstall")


@pytest.mark.parametrize(
    ("change", "node", "status", "said"),
    [
        ({"exposure_w": 14_000.0}, {}, 409, "rack-a would come to 15680 W of 15000 W"),
        ({}, {"status": "silent"}, 409, "node-1 is not heard of"),
        ({}, {"age_s": None}, 409, "node-1 is not heard of"),
    ],
)
def test_a_node_that_does_not_fit_or_is_silent_is_not_given_back(
    bench: ApiBench, change: dict[str, Any], node: dict[str, Any], status: int, said: str
) -> None:
    shown = a_snapshot()
    limits = (shown.limits[0], replace(shown.limits[1], **change))
    nodes = (replace(shown.nodes[0], **node), shown.nodes[1])
    bench.control.shown = replace(shown, limits=limits, nodes=nodes)
    answer = bench.client().post("/api/v1/nodes/node-1/release", json={"reason": "uninstall"})
    assert answer.status_code == status
    assert said in answer.json()["detail"]
    assert bench.audit.list() == []
    assert bench.control.inputs == []
