"""DSX Flex load targets: CloudEvents from the grid side become signals and withdrawals.

The signature covers the data alone, so the identifier of the topic, of the source and of the key
must agree, and the broker's access list has to say who may publish on which topic.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Annotated, Literal

from pydantic import Field

from integrations.grid.dsx_flex_envelope import (
    CloudEvent,
    Stamp,
    encode_event,
    in_text,
    watts,
)
from integrations.grid.dsx_jws import SigningKey, TrustedKey, verify
from integrations.wire.strict_json import (
    Flag,
    JsonObject,
    Moment,
    Number,
    Text,
    Tolerant,
    read_model,
    read_object,
)
from orchestrator.domain.errors import InvalidSignal
from orchestrator.domain.signals import Signal, SignalBatch, SignalKey, Withdrawal, power_in_w

LOAD_TARGET = "grid.loadtarget.set.v1"
TOPIC_PATTERN = "grid/v1/isv/+/loadtarget/set"
SOURCE_PREFIX = "dsx-"
MAX_BYTES = 64 * 1024
MAX_TARGETS = 64


@dataclass(frozen=True, slots=True)
class DsxFlexConfig:
    """What the operator agreed with the grid side.

    feeds: feed tag -> id of the limit it stands for. trusted: key id -> key.
    allow_unsigned: take plain data; for closed test networks only.
    max_age_s: an event whose time lies further back is a replay and refused.
    """

    feeds: Mapping[str, str]
    trusted: Mapping[str, TrustedKey] = field(default_factory=dict)
    allow_unsigned: bool = False
    max_age_s: float = 300.0
    max_skew_s: float = 60.0
    deadline_s: float = 5.0


@dataclass(frozen=True, slots=True)
class TargetRequest:
    """One load target as a utility asks for it; limit_w None removes it, no feeds means all."""

    limit_w: float | None
    feed_tags: Sequence[str] = ()
    starts_at: datetime | None = None
    ends_at: datetime | None = None
    best_effort: bool = False


class _Interval(Tolerant):
    start_time: Moment | None = None
    end_time: Moment | None = None


class _Constraint(Tolerant):
    value: Annotated[Number, Field(gt=0)]
    unit: Literal["watt", "kilowatt", "megawatt"]


class _Strategy(Tolerant):
    best_effort: Flag = False


class _Target(Tolerant):
    interval: _Interval
    load_constraint: _Constraint | None
    feed_tags: Annotated[list[Text], Field(max_length=MAX_TARGETS)] = Field(default_factory=list)
    strategy: _Strategy = _Strategy()


class _LoadTargetData(Tolerant):
    targets: Annotated[list[_Target], Field(min_length=1, max_length=MAX_TARGETS)]


def load_target_topic(identifier: str) -> str:
    """Where a publisher sets its load targets."""
    return f"grid/v1/isv/{identifier}/loadtarget/set"


def decode_load_targets(
    topic: str, raw: bytes, config: DsxFlexConfig, now: datetime
) -> SignalBatch:
    """The signals and withdrawals in a load target event. Raises InvalidSignal.

    A target without a start begins at the event's time; one without feed tags holds for every
    configured feed. Signal ids are the event's id and a running number.
    """
    event = read_model(CloudEvent, read_object(raw, MAX_BYTES))
    _check_event(topic, event, config, now)
    data = read_model(_LoadTargetData, _plain_data(event, config), "data")
    withdrawals: list[Withdrawal] = []
    signals: list[Signal] = []
    for target in data.targets:
        for limit_id in _limit_ids(target, config):
            if target.load_constraint is None:
                withdrawals.append(_withdrawal(event, target, limit_id, now, config))
            else:
                signals.append(_signal(event, target, limit_id, len(signals), config))
    _check_unambiguous(withdrawals, signals)
    return SignalBatch(tuple(withdrawals), tuple(signals))


def load_target_event(
    identifier: str, targets: Sequence[TargetRequest], stamp: Stamp, key: SigningKey | None = None
) -> bytes:
    """A load target event as a utility publishes it."""
    data = {"targets": [_encode_target(target) for target in targets]}
    source = f"//grid/v1/isv/{identifier}"
    return encode_event(source, LOAD_TARGET, "loadtarget", data, stamp=stamp, key=key)


def _check_event(topic: str, event: CloudEvent, config: DsxFlexConfig, now: datetime) -> None:
    if event.type != LOAD_TARGET:
        raise InvalidSignal(f"type: expected {LOAD_TARGET!r}, got {event.type!r}")
    if event.role != "isv" or topic != load_target_topic(event.identifier):
        raise InvalidSignal(f"source: {event.source} may not publish on topic {topic[:128]!r}")
    age_s = (now - event.time).total_seconds()
    if age_s > config.max_age_s:
        raise InvalidSignal(f"time: {age_s:.0f} s old; a replay, or the sender's clock is wrong")
    if age_s < -config.max_skew_s:
        raise InvalidSignal("time: lies in the future; check the sender's clock")


def _plain_data(event: CloudEvent, config: DsxFlexConfig) -> JsonObject:
    if isinstance(event.data, str):
        return read_object(verify(event.data, config.trusted, event.identifier), MAX_BYTES)
    if not config.allow_unsigned:
        raise InvalidSignal("data: must be signed (JWS compact serialization)")
    return event.data


def _limit_ids(target: _Target, config: DsxFlexConfig) -> list[str]:
    unknown = [tag for tag in target.feed_tags if tag not in config.feeds]
    if unknown:
        raise InvalidSignal(
            f"data.targets.feed_tags: unknown feed {unknown[0][:64]!r}; "
            f"known ones are {', '.join(sorted(config.feeds)) or 'none'}"
        )
    tags = target.feed_tags or list(config.feeds)
    return list(dict.fromkeys(config.feeds[tag] for tag in tags))


def _signal(
    event: CloudEvent, target: _Target, limit_id: str, index: int, config: DsxFlexConfig
) -> Signal:
    if target.load_constraint is None:
        raise InvalidSignal("data.targets.load_constraint: missing")
    return Signal(
        key=SignalKey(SOURCE_PREFIX + event.identifier, f"{event.id}:{index}"),
        kind="limit",
        value=power_in_w(target.load_constraint.value, target.load_constraint.unit),
        issued_at=event.time,
        starts_at=target.interval.start_time or event.time,
        ends_at=target.interval.end_time,
        limit_id=limit_id,
        deadline_s=config.deadline_s,
        best_effort=target.strategy.best_effort,
        correlation_id=str(event.correlationid or event.id),
    )


def _withdrawal(
    event: CloudEvent, target: _Target, limit_id: str, now: datetime, config: DsxFlexConfig
) -> Withdrawal:
    starts_at = target.interval.start_time
    if starts_at is not None and starts_at > now + timedelta(seconds=config.max_skew_s):
        raise InvalidSignal(
            "data.targets.interval.start_time: removing a target takes effect at once; "
            "give the target an end_time instead"
        )
    return Withdrawal(SOURCE_PREFIX + event.identifier, limit_id, event.time)


def _check_unambiguous(withdrawals: Sequence[Withdrawal], signals: Sequence[Signal]) -> None:
    removed = {withdrawal.limit_id for withdrawal in withdrawals}
    both = sorted({signal.limit_id or "" for signal in signals} & removed)
    if both:
        raise InvalidSignal(
            f"data.targets: sets and removes the target of {', '.join(both)} at once; "
            "a new target replaces the old one by itself"
        )


def _encode_target(target: TargetRequest) -> JsonObject:
    times = {"start_time": target.starts_at, "end_time": target.ends_at}
    return {
        "interval": {name: in_text(moment) for name, moment in times.items() if moment},
        "feed_tags": list(target.feed_tags),
        "load_constraint": None if target.limit_w is None else watts(target.limit_w),
        "strategy": {"best_effort": target.best_effort},
    }
