"""Many agents in one process: the real core and a real MQTT client each, on stand-in cards."""

import logging
import time
from collections.abc import Sequence
from dataclasses import dataclass
from multiprocessing.connection import Connection
from queue import Empty, SimpleQueue

from agents.core.agent import AgentState, Identity, start, step
from agents.core.effects import Connected, Effect, Message, Publish, Reading, Record, WriteCap
from agents.core.effects import WriteResult as Written
from agents.core.lease import Terms
from integrations.messaging.access import Credential
from integrations.messaging.mqtt import MqttTransport
from integrations.messaging.transport import MqttAddress
from integrations.wire import codec, topics
from orchestrator.bench.failover.cards import StandInCards
from orchestrator.domain.agent_versions import NEWEST
from orchestrator.domain.telemetry import Description, Telemetry
from orchestrator.runtime.logs import configure_logs

PERIOD_S = 0.5
STEP_W = 1.0
DEPLOYMENT = "stand-in"

Inbox = SimpleQueue[tuple[int, Message]]


@dataclass(frozen=True, slots=True)
class Plan:
    """The agents of one process; credentials: one a node, in the same order. cards: of each."""

    site: str
    port: int
    nodes: tuple[str, ...]
    credentials: tuple[Credential, ...]
    cards: int
    fail_safe_w: float


@dataclass(frozen=True, slots=True)
class Lowered:
    """A node whose enforced sum came down, at a monotonic second."""

    node: str
    at_s: float


class Member:
    """One agent, its cards and its client."""

    def __init__(self, plan: Plan, index: int, inbox: Inbox) -> None:
        self.node, credential = plan.nodes[index], plan.credentials[index]
        self._site = plan.site
        self._results: list[Message] = []
        self._cards = StandInCards(self.node, plan.cards, boot_s())
        terms = Terms(self.node, plan.fail_safe_w, index / len(plan.nodes))
        identity = Identity(DEPLOYMENT, NEWEST, boot_gated=False, knobs=("cap",))
        self._state: AgentState = start(terms, identity, f"{self.node}-1", Record())
        self._transport = MqttTransport(
            MqttAddress(
                host="127.0.0.1",
                port=plan.port,
                username=credential.principal.name,
                password=credential.password,
            ),
            client_id=credential.principal.name,
        )
        self._transport.subscribe(
            topics.node(plan.site, self.node, "setpoint"),
            lambda _topic, payload, _retained: inbox.put((index, codec.SETPOINT.decode(payload))),
            qos=1,
        )
        self._transport.on_connect(lambda: inbox.put((index, Connected())))

    def open(self) -> None:
        """Connect in the background."""
        self._transport.start()

    def close(self) -> None:
        """Say goodbye."""
        self._transport.stop()

    def step(self, messages: Sequence[Message]) -> Lowered | None:
        """Read, step and carry out; says so when the cards' limits came down."""
        before_w, sampled_s = self._cards.enforced_w, boot_s()
        reading = Reading(sampled_s, self._cards.read(sampled_s))
        inbox = [*self._results, *messages]
        self._results = []
        self._state, effects = step(self._state, reading, inbox, boot_s())
        for effect in effects:
            self._carry_out(effect)
        came_down = self._cards.enforced_w < before_w - STEP_W
        return Lowered(self.node, time.monotonic()) if came_down else None

    def _carry_out(self, effect: Effect) -> None:
        match effect:
            case WriteCap(uuid, limit_w):
                self._cards.set_limit_w(uuid, limit_w, boot_s())
                self._results.append(Written(uuid, limit_w))
            case Publish(Telemetry() as said):
                self._say("telemetry", codec.TELEMETRY.encode(said), qos=0)
            case Publish(Description() as said):
                self._say("desc", codec.DESCRIPTION.encode(said), qos=1)
            case Publish(ack) if not isinstance(ack, Telemetry | Description):
                self._say("ack", codec.ACK.encode(ack), qos=1)
            case _:
                pass

    def _say(self, kind: topics.NodeKind, payload: bytes, *, qos: int) -> None:
        self._transport.publish(
            topics.node(self._site, self.node, kind), payload, qos=qos, retain=kind == "desc"
        )


def run(plan: Plan, parent: Connection) -> None:
    """Run the agents until the parent sends anything; answers with every time they came down."""
    configure_logs(logging.WARNING)
    inbox: Inbox = SimpleQueue()
    members = [Member(plan, index, inbox) for index in range(len(plan.nodes))]
    for member in members:
        member.open()
    lowered = _live(members, inbox, parent)
    parent.send(lowered)
    for member in members:
        member.close()


def _live(members: Sequence[Member], inbox: Inbox, parent: Connection) -> list[Lowered]:
    """Every agent steps each period, spread over it, and at once when something arrives."""
    found: list[Lowered | None] = []
    turn, next_s, pause_s = 0, time.monotonic(), PERIOD_S / len(members)
    while not parent.poll():
        try:
            index, message = inbox.get(timeout=max(0.0, next_s - time.monotonic()))
            found.append(members[index].step([message]))
        except Empty:
            found.append(members[turn].step([]))
            turn, next_s = (turn + 1) % len(members), next_s + pause_s
    return [lowered for lowered in found if lowered is not None]


def boot_s() -> float:
    """Seconds of an agent's clock."""
    return time.clock_gettime(time.CLOCK_BOOTTIME)
