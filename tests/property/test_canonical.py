"""Canonical JSON gives equal values equal bytes, and gives the values back."""

import json
from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orchestrator.domain.decision import Decision, DecisionInputs, FixedNode, Outcome, Target
from orchestrator.domain.errors import InvalidInput, InvalidTopology
from orchestrator.domain.frontier import Candidate, Frontier
from orchestrator.domain.signals import SignalKey
from orchestrator.domain.timeline import Bound
from orchestrator.domain.topology import Limit, Node, Topology
from orchestrator.store.canonical import decode, dumps, encode

watts = st.floats(1.0, 1e9, allow_nan=False)
names = st.text(max_size=20)
numbers = st.floats(allow_nan=False, allow_infinity=False)
zones = st.sampled_from([UTC, timezone(timedelta(hours=5, minutes=30))])
TREE = Topology(
    (Limit("site", "facility", 20_000.0), Limit("rack", "rack", 10_000.0, "site")),
    (Node("n1", "rack", "chat", 8, 5600.0, 1600.0, 2400.0),),
    9000.0,
)

bounds = st.builds(Bound, names, watts, names, st.none() | st.builds(SignalKey, names, names))
candidates = st.builds(Candidate, watts, st.integers(1, 512), watts, watts, st.none() | watts)
frontiers = st.builds(
    Frontier, names, names, st.integers(1, 16), st.lists(candidates, max_size=4).map(tuple)
)
inputs = st.builds(
    DecisionInputs,
    st.just(TREE),
    st.dictionaries(names, bounds, max_size=3),
    st.dictionaries(names, st.builds(FixedNode, watts, names), max_size=3),
    st.dictionaries(names, frontiers, max_size=2),
    st.booleans(),
)
targets = st.builds(Target, names, watts, watts, st.none() | numbers, names)
outcomes = st.builds(
    Outcome,
    st.lists(targets, max_size=3).map(tuple),
    numbers,
    numbers,
    st.dictionaries(names, numbers, max_size=3),
    st.lists(names, max_size=3).map(tuple),
)
decisions = st.builds(Decision, names, st.datetimes(timezones=zones), names, inputs, outcomes)


@given(decisions)
def test_what_is_encoded_comes_back(decision: Decision) -> None:
    """Decoding gives an equal value, and encoding that gives the same bytes."""
    text = encode(decision)
    again = decode(Decision, text)
    assert again == decision
    assert encode(again) == text


@given(st.dictionaries(names, bounds, min_size=2, max_size=4))
def test_the_order_of_keys_does_not_matter(found: dict[str, Bound]) -> None:
    """Mappings with the same items are the same text."""
    backwards = dict(reversed(found.items()))
    assert dumps(backwards) == dumps(found)


def test_whole_watts_are_the_same_text_as_fractions_of_watts() -> None:
    """The type of the field counts, not how the number was written."""
    whole = Topology((Limit("site", "facility", 20_000),), (), 9000)
    assert encode(whole) == encode(Topology((Limit("site", "facility", 20_000.0),), (), 9000.0))


def test_what_is_computed_from_a_topology_is_not_stored() -> None:
    """Cached properties leave no trace in the text."""
    fresh = Topology(TREE.limits, TREE.nodes, TREE.firm_limit_w)
    before = encode(fresh)
    assert fresh.path_of["n1"] == ("rack", "site")
    assert fresh.root.id == "site"
    assert encode(fresh) == before
    assert set(json.loads(before)) == {"limits", "nodes", "firm_limit_w"}


def test_the_text_is_compact_and_sorted() -> None:
    assert encode(SignalKey("utility", "é")) == '{"id":"é","source":"utility"}'
    assert dumps({"at": datetime(2026, 3, 14, 13, tzinfo=timezone(timedelta(hours=1)))}) == (
        '{"at":"2026-03-14T12:00:00+00:00"}'
    )


@pytest.mark.parametrize("number", [float("nan"), float("inf")])
def test_numbers_that_json_does_not_know_are_refused(number: float) -> None:
    with pytest.raises(InvalidInput):
        encode(FixedNode(number, "?"))


def test_text_that_was_tampered_with_is_refused() -> None:
    """Missing fields and values that the type refuses do not come back as something else."""
    with pytest.raises(InvalidInput, match="Bound"):
        decode(Bound, '{"limit_id":"site"}')
    with pytest.raises(InvalidTopology):
        decode(Topology, '{"limits":[],"nodes":[],"firm_limit_w":1.0}')
