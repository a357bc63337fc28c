"""CloudEvents 1.0.2 in structured mode, as DSX Flex puts them on MQTT 3.1.1."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Annotated, Any, Literal
from uuid import UUID

from pydantic import Field, StringConstraints

from integrations.grid.dsx_jws import SigningKey, sign
from integrations.wire.strict_json import Moment, Text, Tolerant

POWER_UNITS = ("watt", "kilowatt", "megawatt")
EventSource = Annotated[
    str,
    StringConstraints(
        strict=True, pattern=r"\A//grid/v1/(isv|dsx-flex-agent|infra)/[a-z0-9-]{1,59}\z"
    ),
]


class CloudEvent(Tolerant):
    """The attributes that Ballast uses; specversion "1.0" is what most libraries write."""

    specversion: Literal["1.0.2", "1.0"]
    id: UUID
    source: EventSource
    type: Text
    time: Moment
    datacontenttype: Literal["application/json"] = "application/json"
    correlationid: UUID | None = None
    data: Annotated[str, Field(strict=True)] | dict[str, Any]

    @property
    def role(self) -> str:
        """Who published it: isv, dsx-flex-agent or infra."""
        return self.source.split("/")[4]

    @property
    def identifier(self) -> str:
        """The publisher's registered name."""
        return self.source.split("/")[5]


@dataclass(frozen=True, slots=True)
class Stamp:
    """What makes an event of ours one of a kind.

    event_id: a UUID, new for every event. correlation_id: a UUID, of the load target answered.
    traceparent: W3C trace context; derived from the event id when nothing upstream had one.
    """

    event_id: UUID
    at: datetime
    correlation_id: UUID | None = None
    traceparent: str | None = None


def encode_event(
    source: str,
    event_type: str,
    subject: str,
    data: Mapping[str, Any],
    *,
    stamp: Stamp,
    key: SigningKey | None,
) -> bytes:
    """A CloudEvent as bytes; the data is signed when there is a key, else plain."""
    plain = json.dumps(data, separators=(",", ":"), allow_nan=False)
    event = {
        "specversion": "1.0.2",
        "id": str(stamp.event_id),
        "source": source,
        "type": event_type,
        "time": in_text(stamp.at),
        "datacontenttype": "application/json",
        "subject": subject,
        "traceparent": stamp.traceparent or _traceparent(stamp.event_id),
        "data": sign(plain.encode(), key) if key else json.loads(plain),
    }
    if stamp.correlation_id is not None:
        event["correlationid"] = str(stamp.correlation_id)
    return json.dumps(event, separators=(",", ":")).encode()


def in_text(moment: datetime) -> str:
    """A time in UTC as ISO 8601 with a Z."""
    return moment.astimezone(UTC).isoformat().replace("+00:00", "Z")


def watts(value_w: float) -> dict[str, Any]:
    """A power as the contract writes it, never negative."""
    return {"value": round(max(value_w, 0.0), 3), "unit": "watt"}


def _traceparent(event_id: UUID) -> str:
    return f"00-{event_id.hex}-{event_id.hex[:16]}-01"
