"""Every message survives the wire unchanged, and no bytes bring a decoder down."""

import contextlib
import json
from dataclasses import replace
from datetime import UTC
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from integrations.wire import codec
from integrations.wire.shape import MAX_BYTES, Shape
from orchestrator.domain.errors import InvalidMessage
from orchestrator.domain.frontier import Candidate, Frontier
from orchestrator.domain.setpoint import Ack, Fence, Setpoint
from orchestrator.domain.shed import NodeTable, Shed
from orchestrator.domain.telemetry import Description, Telemetry

SHAPES: list[Shape[Any]] = [
    codec.SETPOINT,
    codec.ACK,
    codec.TELEMETRY,
    codec.DESCRIPTION,
    codec.FRONTIER,
    codec.ORCHESTRATOR_STATE,
    codec.NODE_STATE,
    codec.SHED,
    codec.NODE_TABLE,
]

ids = st.from_regex(r"[a-z0-9-]{1,63}", fullmatch=True)
words = st.text(st.characters(exclude_categories=["Cs"]), max_size=40)
amounts = st.floats(0, 1e12, allow_nan=False)
counts = st.integers(0, 2**53)
fences = st.builds(Fence, counts, counts)
setpoints = st.builds(
    Setpoint,
    ids,
    amounts,
    st.none() | amounts,
    st.floats(0.001, 3600),
    fences,
    words,
    amounts,
    words,
    st.none() | fences,
)
acks = st.builds(Ack, ids, words, fences, st.booleans(), words)
telemetry = st.builds(
    Telemetry,
    node=ids,
    incarnation=words,
    stamp_s=amounts,
    fence=fences,
    limit_w=st.none() | amounts,
    highest_epoch=counts,
    lease=st.sampled_from(["none", "held", "expired"]),
    enforced_w=st.none() | amounts,
    pending_w=st.none() | amounts,
    power_w=st.none() | amounts,
    settled_s=amounts,
    tok_s=st.none() | amounts,
    itl_p95_ms=st.none() | amounts,
    ttft_p95_ms=st.none() | amounts,
    running=st.none() | counts,
    waiting=st.none() | counts,
    batch_limit=st.none() | counts,
    foreign=st.tuples(words),
    notes=st.tuples(words, words),
    clock_mhz=st.none() | amounts,
    shed=st.none() | fences,
    shed_level=st.none() | st.integers(0, 64),
    shed_table=st.none() | words,
    canary=st.none() | fences,
)
descriptions = st.builds(
    Description,
    ids,
    words,
    words,
    words,
    st.tuples(words, words),
    amounts,
    amounts,
    amounts,
    st.booleans(),
    st.tuples(words),
)
points = st.builds(Candidate, amounts, st.integers(1, 4096), amounts, amounts, st.none() | amounts)
frontiers = st.builds(
    Frontier,
    words,
    words,
    st.integers(1, 64),
    st.lists(points, max_size=5).map(tuple),
    st.none() | amounts,
    st.none() | amounts,
)
sheds = st.builds(Shed, fences, st.integers(0, 64), words, words)
falling = st.lists(amounts, min_size=1, max_size=64).map(lambda caps: tuple(sorted(caps)[::-1]))
tables = st.builds(NodeTable, ids, words, falling)
states = st.builds(codec.OrchestratorState, counts, st.datetimes(timezones=st.just(UTC)))


@given(
    st.one_of(
        st.tuples(st.just(codec.SETPOINT), setpoints),
        st.tuples(st.just(codec.ACK), acks),
        st.tuples(st.just(codec.TELEMETRY), telemetry),
        st.tuples(st.just(codec.DESCRIPTION), descriptions),
        st.tuples(st.just(codec.FRONTIER), frontiers),
        st.tuples(st.just(codec.SHED), sheds),
        st.tuples(st.just(codec.NODE_TABLE), tables),
        st.tuples(st.just(codec.ORCHESTRATOR_STATE), states),
        st.tuples(st.just(codec.NODE_STATE), st.sampled_from([codec.ONLINE, codec.OFFLINE])),
    )
)
def test_what_is_encoded_decodes_to_the_same(case: tuple[Shape[Any], object]) -> None:
    shape, message = case
    assert shape.decode(shape.encode(message)) == message


json_values: st.SearchStrategy[object] = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=10,
)
any_bytes = st.binary(max_size=200) | json_values.map(lambda value: json.dumps(value).encode())


@given(st.sampled_from(SHAPES), any_bytes)
def test_any_bytes_decode_or_raise_invalid_message(shape: Shape[Any], payload: bytes) -> None:
    with contextlib.suppress(InvalidMessage):
        shape.decode(payload)


@given(st.data(), setpoints, json_values)
def test_a_message_with_one_field_made_strange_decodes_or_raises_invalid_message(
    data: st.DataObject, setpoint: Setpoint, strange: object
) -> None:
    body = json.loads(codec.SETPOINT.encode(setpoint))
    body[data.draw(st.sampled_from(sorted(body)))] = strange
    with contextlib.suppress(InvalidMessage):
        codec.SETPOINT.decode(json.dumps(body).encode())


EXAMPLE = Setpoint("n1", 3000.0, None, 10.0, Fence(1, 2), "boot-1", 5.0, "d-1")


@pytest.mark.parametrize(
    ("change", "named"),
    [
        ({"limit_w": "3000"}, "limit_w"),
        ({"limit_w": True}, "limit_w"),
        ({"limit_w": -1}, "limit_w"),
        ({"limit_w": 10**400}, "limit_w"),
        ({"ttl_s": 0}, "ttl_s"),
        ({"ttl_s": 1e9}, "ttl_s"),
        ({"fence": [1]}, "fence"),
        ({"fence": [1, 2.5]}, "fence.sequence"),
        ({"fence": [-1, 2]}, "fence.epoch"),
        ({"node": "N1"}, "node"),
        ({"node": None}, "node"),
        ({"incarnation": 7}, "incarnation"),
        ({"decision_id": "x" * 300}, "decision_id"),
        ({"surprise": 1}, "surprise"),
        ({"decision_id": "\ud800"}, "decision_id"),
    ],
)
def test_a_wrong_field_is_refused_by_its_name(change: dict[str, object], named: str) -> None:
    body = json.loads(codec.SETPOINT.encode(EXAMPLE)) | change
    with pytest.raises(InvalidMessage, match=named):
        codec.SETPOINT.decode(json.dumps(body).encode())


def test_a_missing_field_is_refused_by_its_name() -> None:
    body = json.loads(codec.SETPOINT.encode(EXAMPLE))
    del body["ttl_s"]
    with pytest.raises(InvalidMessage, match="ttl_s"):
        codec.SETPOINT.decode(json.dumps(body).encode())


def test_a_field_of_a_later_version_is_left_out_while_it_says_nothing() -> None:
    body = json.loads(codec.SETPOINT.encode(EXAMPLE))
    assert "releases_shed" not in body
    assert codec.SETPOINT.decode(json.dumps(body).encode()) == EXAMPLE
    named = replace(EXAMPLE, releases_shed=Fence(1, 1))
    assert json.loads(codec.SETPOINT.encode(named)) == body | {"releases_shed": [1, 1]}


@pytest.mark.parametrize("change", [{"releases_shed": None}, {"releases_shed": [1]}])
def test_a_later_field_is_as_strict_as_the_others(change: dict[str, object]) -> None:
    body = json.loads(codec.SETPOINT.encode(EXAMPLE)) | change
    with pytest.raises(InvalidMessage, match="releases_shed"):
        codec.SETPOINT.decode(json.dumps(body).encode())


@pytest.mark.parametrize("caps_w", [[], [2.0, 3.0], [-1.0], [1.0] * 65])
def test_a_shed_table_whose_caps_do_not_fall_is_refused(caps_w: list[float]) -> None:
    body = {"node": "n1", "table": "abc", "caps_w": caps_w}
    with pytest.raises(InvalidMessage, match="caps_w"):
        codec.NODE_TABLE.decode(json.dumps(body).encode())


@pytest.mark.parametrize("change", [{"level": -1}, {"level": 1.5}, {"level": 65}, {"fence": None}])
def test_a_shed_of_no_level_is_refused(change: dict[str, object]) -> None:
    body = json.loads(codec.SHED.encode(Shed(Fence(1, 1), 3, "abc", "d-1"))) | change
    with pytest.raises(InvalidMessage, match=next(iter(change))):
        codec.SHED.decode(json.dumps(body).encode())


@pytest.mark.parametrize(
    "payload",
    [
        b'{"state": NaN}',
        b'{"state": Infinity}',
        b'{"state":"online","state":"offline"}',
        b"[" * 100_000,
        b" " * (MAX_BYTES + 1),
        b"\xff\xfe",
        b"1" * 5000,
    ],
)
def test_hostile_json_is_refused(payload: bytes) -> None:
    with pytest.raises(InvalidMessage):
        codec.NODE_STATE.decode(payload)


def test_a_number_beyond_floats_is_refused() -> None:
    payload = codec.SETPOINT.encode(EXAMPLE).replace(b"3000.0", b"1e999")
    with pytest.raises(InvalidMessage, match="limit_w"):
        codec.SETPOINT.decode(payload)


def test_nan_and_too_large_a_message_are_not_sent() -> None:
    nan = Candidate(float("nan"), 1, 1.0, 1.0)
    with pytest.raises(InvalidMessage, match="cannot be sent"):
        codec.FRONTIER.encode(Frontier("d", "m", 1, (nan,)))
    large = Candidate(1 / 3, 1, 1 / 3, 1 / 3, 1 / 3)
    with pytest.raises(InvalidMessage, match="bytes"):
        codec.FRONTIER.encode(Frontier("d", "m", 1, (large,) * 5000))


def test_a_time_without_zone_is_refused() -> None:
    with pytest.raises(InvalidMessage, match="at"):
        codec.ORCHESTRATOR_STATE.decode(b'{"epoch":1,"at":"2030-01-01T00:00:00"}')
