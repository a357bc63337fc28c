"""Which leases the agents say they hold, heard on the broker as the service hears it."""

import time
from collections.abc import Sequence
from dataclasses import dataclass
from types import TracebackType
from typing import Self
from uuid import uuid4

from integrations.messaging.backoff import Backoff
from integrations.messaging.mqtt import MqttTransport
from integrations.messaging.transport import MqttAddress
from integrations.wire import codec, topics
from orchestrator.bench.failover.truth import Rise

REPORT_S = 0.7
SLACK_W = 1.0


@dataclass(frozen=True, slots=True)
class Report:
    """What an agent said of its lease; at_s: monotonic, when it had sampled its cards."""

    node: str
    at_s: float
    limit_w: float | None


class LeaseLog:
    """Listens while it is open; limit_w of a report is None without a lease."""

    def __init__(self, site: str, address: MqttAddress) -> None:
        self._transport = MqttTransport(
            address,
            client_id=f"{address.username}_{uuid4().hex[:8]}",
            backoff=Backoff(first_s=0.1, most_s=1.0),
        )
        self._transport.subscribe(topics.nodes_filter(site, "telemetry"), self._take)
        self.reports: list[Report] = []

    def __enter__(self) -> Self:
        self._transport.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._transport.stop()

    def unleased(self, rises: Sequence[Rise], ttl_s: float) -> list[Rise]:
        """Those rises that no lease of their node allowed."""
        return [rise for rise in rises if not self._allowed(rise, ttl_s)]

    def _allowed(self, rise: Rise, ttl_s: float) -> bool:
        """By reports around the rise; without any, by those since a lease could have begun."""
        heard = [report for report in list(self.reports) if report.node == rise.node]
        until_s = rise.at_s + REPORT_S
        near = [r for r in heard if rise.at_s - 2 * REPORT_S <= r.at_s <= until_s]
        near = near or [r for r in heard if rise.at_s - ttl_s <= r.at_s <= until_s][-1:]
        return any(r.limit_w is not None and r.limit_w >= rise.to_w - SLACK_W for r in near)

    def _take(self, _topic: str, payload: bytes, _retained: bool) -> None:
        said = codec.TELEMETRY.decode(payload)
        limit_w = said.limit_w if said.lease == "held" else None
        self.reports.append(Report(said.node, _monotonic(said.stamp_s), limit_w))


def _monotonic(boot_s: float) -> float:
    """The monotonic second of one on CLOCK_BOOTTIME, which agents on this machine use."""
    return boot_s - time.clock_gettime(time.CLOCK_BOOTTIME) + time.monotonic()
