"""Takes the nodes' messages off the wire and hands them to the control thread and the sink."""

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Protocol

import structlog

from integrations.wire import codec, topics
from orchestrator.domain.errors import InvalidMessage
from orchestrator.domain.telemetry import Telemetry
from orchestrator.messages import (
    EpochSeen,
    Input,
    NodeDescribed,
    NodeOffline,
    TelemetryReceived,
)
from orchestrator.ports import Transport

log = structlog.get_logger(__name__)


class NodeSink(Protocol):
    """Where node samples go; never blocks."""

    def put_node(self, telemetry: Telemetry, at: datetime) -> None: ...


class NodeInbox:
    """Subscribes to all that nodes say; counts and logs what cannot be decoded."""

    def __init__(
        self, site: str, transport: Transport, submit: Callable[[Input], None], sink: NodeSink
    ) -> None:
        self._site = site
        self._transport = transport
        self._submit = submit
        self._sink = sink
        self.refused = 0

    def subscribe(self) -> None:
        """Ask for descriptions, states, telemetry, and other leaders' state."""
        handlers = {
            topics.nodes_filter(self._site, "telemetry"): (self._on_telemetry, 0),
            topics.nodes_filter(self._site, "desc"): (self._on_description, 1),
            topics.nodes_filter(self._site, "state"): (self._on_state, 1),
            topics.orchestrator_state(self._site): (self._on_leader, 1),
        }
        for pattern, (handler, qos) in handlers.items():
            self._transport.subscribe(pattern, self._guarded(handler), qos=qos)

    def _guarded(self, handler: Callable[[str, bytes], None]) -> Callable[[str, bytes, bool], None]:
        def receive(topic: str, payload: bytes, _retained: bool) -> None:
            try:
                handler(topic, payload)
            except InvalidMessage as error:
                self.refused += 1
                log.warning("message refused", topic=topic, reason=str(error))

        return receive

    def _on_telemetry(self, topic: str, payload: bytes) -> None:
        telemetry = codec.TELEMETRY.decode(payload)
        self._same_node(topic, telemetry.node)
        self._submit(TelemetryReceived(telemetry))
        self._sink.put_node(telemetry, datetime.now(UTC))

    def _on_description(self, topic: str, payload: bytes) -> None:
        description = codec.DESCRIPTION.decode(payload)
        self._same_node(topic, description.node)
        self._submit(NodeDescribed(description))

    def _on_state(self, topic: str, payload: bytes) -> None:
        node = topics.parse(topic).name
        if node is not None and codec.NODE_STATE.decode(payload) == codec.OFFLINE:
            self._submit(NodeOffline(node))

    def _on_leader(self, _topic: str, payload: bytes) -> None:
        self._submit(EpochSeen(codec.ORCHESTRATOR_STATE.decode(payload).epoch))

    def _same_node(self, topic: str, node: str) -> None:
        if topics.parse(topic).name != node:
            raise InvalidMessage(f"the message speaks for {node}, its topic for another node")
