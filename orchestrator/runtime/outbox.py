"""Carries out the effects of the control step: orders to the wire, the rest to the recorder."""

from collections.abc import Callable, Sequence

import structlog

from integrations.wire import codec, topics
from orchestrator.domain.shed import Shed
from orchestrator.messages import Effect, SendSetpoint, SendShed
from orchestrator.ports import Transport

log = structlog.get_logger(__name__)


class Outbox:
    """Publishes sheds and setpoints at once and in order; hands to `record` what is to be kept."""

    def __init__(self, site: str, transport: Transport, record: Callable[[Effect], None]) -> None:
        self._site = site
        self._transport = transport
        self._record = record
        self.unsent = 0

    def carry_out(self, effects: Sequence[Effect]) -> None:
        """Orders first leave, then everything but renewals and broadcasts is recorded."""
        for effect in effects:
            if isinstance(effect, SendSetpoint):
                self._send(effect)
            elif isinstance(effect, SendShed):
                self._broadcast(effect.shed)
        for effect in effects:
            renewal = isinstance(effect, SendSetpoint) and effect.kind == "renewal"
            if not renewal and not isinstance(effect, SendShed):
                self._record(effect)

    def _broadcast(self, shed: Shed) -> None:
        if not shed.canary:
            log.warning("shedding", level=shed.level, decision=shed.decision_id)
        if not self._transport.publish(topics.shed(self._site), codec.SHED.encode(shed), qos=1):
            self.unsent += 1

    def _send(self, effect: SendSetpoint) -> None:
        setpoint = effect.setpoint
        topic = topics.node(self._site, setpoint.node, "setpoint")
        if not self._transport.publish(topic, codec.SETPOINT.encode(setpoint), qos=1):
            self.unsent += 1
            log.debug("setpoint not sent, the broker is away", node=setpoint.node)
