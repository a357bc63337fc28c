"""Carries out the effects of the control step: setpoints to the wire, the rest to the recorder."""

from collections.abc import Callable, Sequence

import structlog

from integrations.wire import codec, topics
from orchestrator.messages import Effect, SendSetpoint
from orchestrator.ports import Transport

log = structlog.get_logger(__name__)


class Outbox:
    """Publishes setpoints at once and in order; hands all but renewals to `record`."""

    def __init__(self, site: str, transport: Transport, record: Callable[[Effect], None]) -> None:
        self._site = site
        self._transport = transport
        self._record = record
        self.unsent = 0

    def carry_out(self, effects: Sequence[Effect]) -> None:
        """Setpoints first leave, then everything is recorded; never blocks."""
        for effect in effects:
            if isinstance(effect, SendSetpoint):
                self._send(effect)
        for effect in effects:
            if not (isinstance(effect, SendSetpoint) and effect.kind == "renewal"):
                self._record(effect)

    def _send(self, effect: SendSetpoint) -> None:
        setpoint = effect.setpoint
        topic = topics.node(self._site, setpoint.node, "setpoint")
        if not self._transport.publish(topic, codec.SETPOINT.encode(setpoint), qos=1):
            self.unsent += 1
            log.debug("setpoint not sent, the broker is away", node=setpoint.node)
