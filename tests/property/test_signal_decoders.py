"""Whatever arrives, a decoder gives a signal or says InvalidSignal, and nothing else."""

import json
from datetime import UTC, datetime
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from integrations.grid.dsx_flex import DsxFlexConfig, decode_load_targets, load_target_topic
from integrations.wire.signal import decode_signal
from orchestrator.domain.errors import InvalidSignal

NOW = datetime(2030, 1, 1, 12, tzinfo=UTC)
CONFIG = DsxFlexConfig(feeds={"main-a": "site"}, allow_unsigned=True)

scalars = st.one_of(
    st.none(), st.booleans(), st.integers(), st.floats(), st.text(max_size=20),
    st.sampled_from(["limit", "kW", "watt", "2030-01-01T12:00:00Z", "2030-01-01T13:00:00Z"]),
)  # fmt: skip
values = st.recursive(
    scalars,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner),
    max_leaves=8,
)


def _envelope() -> dict[str, Any]:
    return {
        "source": "utility",
        "id": "dr-17",
        "issued_at": "2030-01-01T12:00:00Z",
        "expires_at": "2030-01-01T13:00:00Z",
        "kind": "limit",
        "payload": {"value": 42, "unit": "kW", "starts_at": None, "deadline_s": 5},
    }


def _event() -> dict[str, Any]:
    return {
        "specversion": "1.0.2",
        "id": "6b1f2a0e-7a9c-4f0e-9d8e-3d5f5b0c1a2b",
        "source": "//grid/v1/isv/acme",
        "type": "grid.loadtarget.set.v1",
        "time": "2030-01-01T12:00:00Z",
        "datacontenttype": "application/json",
        "data": {
            "targets": [
                {
                    "interval": {"start_time": "2030-01-01T12:00:00Z", "end_time": None},
                    "feed_tags": ["main-a"],
                    "load_constraint": {"value": 42, "unit": "kilowatt"},
                    "strategy": {"best_effort": True},
                }
            ]
        },
    }


def _paths(content: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    items = (
        content.items() if isinstance(content, dict)
        else enumerate(content) if isinstance(content, list) else ()
    )  # fmt: skip
    return [path, *(found for key, inner in items for found in _paths(inner, (*path, key)))]


def _changed(content: Any, path: tuple[Any, ...], value: Any) -> Any:
    if not path:
        return value
    inner = content
    for key in path[:-1]:
        inner = inner[key]
    inner[path[-1]] = value
    return content


def _raw(content: Any) -> bytes:
    return json.dumps(content).encode()


@given(st.binary(max_size=200))
def test_any_bytes_decode_or_are_refused(raw: bytes) -> None:
    for decode in (decode_signal, _decode_event):
        try:
            decode(raw)
        except InvalidSignal as refusal:
            assert str(refusal)  # noqa: PT017 either way is right, silence is not


@given(st.sampled_from(_paths(_envelope())), values)
def test_an_envelope_with_any_field_changed_decodes_or_is_refused(
    path: tuple[Any, ...], value: Any
) -> None:
    try:
        signal = decode_signal(_raw(_changed(_envelope(), path, value)))
    except InvalidSignal:
        return
    assert signal.value is None or signal.value >= 0
    assert signal.ends_at is not None
    assert signal.starts_at < signal.ends_at


@given(st.sampled_from(_paths(_event())), values)
def test_a_load_target_with_any_field_changed_decodes_or_is_refused(
    path: tuple[Any, ...], value: Any
) -> None:
    try:
        targets = _decode_event(_raw(_changed(_event(), path, value)))
    except InvalidSignal:
        return
    assert all(signal.value and signal.limit_id == "site" for signal in targets.signals)


def _decode_event(raw: bytes) -> Any:
    return decode_load_targets(load_target_topic("acme"), raw, CONFIG, NOW)
