"""How long a cut takes to a fleet of agents: the real control loop, broker, clients and cores."""

import math
import multiprocessing
import os
import secrets
import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import asdict, dataclass
from datetime import datetime
from datetime import time as clock_time
from multiprocessing.connection import Connection
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from integrations.messaging.access import (
    Credential,
    Principal,
    node_principal,
    orchestrator_principal,
)
from integrations.messaging.embedded import EmbeddedBroker
from integrations.messaging.mqtt import MqttTransport
from integrations.messaging.transport import MqttAddress
from orchestrator.bench.failover import fleet
from orchestrator.bench.failover.cards import MAX_W, MIN_W
from orchestrator.bench.failover.fleet import DEPLOYMENT, Lowered, Plan
from orchestrator.control.state import ControlSettings, new_state
from orchestrator.domain.budget import Budget
from orchestrator.domain.errors import Unavailable
from orchestrator.domain.frontier import Candidate, Frontier
from orchestrator.domain.telemetry import Telemetry
from orchestrator.domain.topology import Limit, Node, Topology
from orchestrator.messages import (
    ArmingChanged,
    BudgetsChanged,
    CommitGrants,
    Effect,
    FrontiersChanged,
    GrantCommitted,
)
from orchestrator.ports import Takeover
from orchestrator.runtime.clock import LiveClock
from orchestrator.runtime.control_thread import ControlThread
from orchestrator.runtime.inbox import NodeInbox
from orchestrator.runtime.outbox import Outbox

SITE, ROOT = "bench", "facility"
CARDS, RACK = 2, 25
FAIL_SAFE_W = 500.0
CUTS = (0.85, 0.72, 0.60)
START_S, BETWEEN_S = 60.0, 8.0


@dataclass(frozen=True, slots=True)
class Arrival:
    """One cut, to a share of the site's contract limit.

    arrived: agents whose cards came down. p95_s, all_s: from the operator's word until 95 % and all
    of them had; None if they had not within BETWEEN_S.
    """

    by: str
    to: float
    agents: int
    arrived: int
    p95_s: float | None
    all_s: float | None


def measure(agents: int, say: Callable[[str], None]) -> list[dict[str, Any]]:
    """Cut a fleet three times by setpoints. Raises Unavailable when it does not come up."""
    nodes = tuple(f"node-{index:04d}" for index in range(agents))
    with ExitStack() as stack:
        folder = Path(stack.enter_context(TemporaryDirectory(prefix="ballast-arrival-")))
        credentials = [_credential(node_principal(SITE, node)) for node in nodes]
        service = _credential(orchestrator_principal(SITE))
        broker = stack.enter_context(EmbeddedBroker(folder, [service, *credentials]))
        say(f"starting {agents} agents")
        pipes = _fleet(stack, nodes, credentials, broker.port)
        control = _control(stack, topology(nodes), service, broker.port)
        _wait_following(control)
        cuts = [_cut(control, share) for share in CUTS]
        lowered = [item for pipe in pipes for item in _ended(pipe)]
    return [asdict(arrival(*cut, agents, lowered)) for cut in cuts]


def arrival(share: float, at_s: float, agents: int, lowered: Sequence[Lowered]) -> Arrival:
    """When the agents' cards came down after a cut at a monotonic second."""
    first: dict[str, float] = {}
    for item in sorted(lowered, key=lambda item: item.at_s):
        if at_s <= item.at_s < at_s + BETWEEN_S:
            first.setdefault(item.node, item.at_s - at_s)
    delays = sorted(first.values())
    most = math.ceil(0.95 * agents)
    return Arrival(
        by="setpoints",
        to=share,
        agents=agents,
        arrived=len(delays),
        p95_s=delays[most - 1] if len(delays) >= most else None,
        all_s=delays[-1] if len(delays) == agents else None,
    )


def topology(names: Sequence[str]) -> Topology:
    """Racks of equal nodes; nothing binds before a cut."""
    nodes = tuple(
        Node(name, f"rack-{index // RACK}", DEPLOYMENT, CARDS, CARDS * MAX_W, CARDS * MIN_W,
             FAIL_SAFE_W)
        for index, name in enumerate(names)
    )  # fmt: skip
    most_w = sum(node.draw_w(node.nameplate_w) for node in nodes)
    racks = dict.fromkeys(node.limit for node in nodes)
    limits = (Limit(ROOT, "facility", most_w), *(Limit(r, "rack", most_w, ROOT) for r in racks))
    return Topology(limits, nodes, firm_limit_w=0.5 * most_w)


def frontier() -> Frontier:
    """Tokens that every watt buys fewer of, so that equal nodes get equal watts."""
    caps = [MIN_W + 10.0 * step for step in range(round((MAX_W - MIN_W) / 10.0) + 1)]
    points = tuple(Candidate(cap, 32, CARDS * cap, 100.0 * math.sqrt(cap)) for cap in caps)
    return Frontier(DEPLOYMENT, "bench", CARDS, points)


class _Nowhere:
    """Keeps no samples."""

    def put_node(self, telemetry: Telemetry, at: datetime) -> None: ...


def _control(stack: ExitStack, tree: Topology, service: Credential, port: int) -> ControlThread:
    """The control thread between a real client and a ledger that answers at once."""
    transport = MqttTransport(_address(service, port), client_id=service.principal.name)

    def record(effect: Effect) -> None:
        if isinstance(effect, CommitGrants):
            for grant in effect.grants:
                control.submit(GrantCommitted(grant.node, grant.fence))

    outbox = Outbox(SITE, transport, record)
    clock = LiveClock()
    state = new_state(ControlSettings(SITE), tree, Takeover(1, {}), (), clock())
    control = ControlThread(state, carry_out=outbox.carry_out, observe=lambda _: None, clock=clock)
    control.submit(FrontiersChanged({DEPLOYMENT: frontier()}))
    control.submit(ArmingChanged(frozenset({ROOT})))
    control.start()
    stack.callback(control.stop)
    NodeInbox(SITE, transport, control.submit, _Nowhere()).subscribe()
    transport.start()
    stack.callback(transport.stop)
    return control


def _fleet(
    stack: ExitStack, nodes: Sequence[str], credentials: Sequence[Credential], port: int
) -> list[Connection]:
    """Processes that share the agents evenly."""
    context, count = multiprocessing.get_context("spawn"), max(2, os.cpu_count() or 1)
    pipes = []
    for part in range(min(count, len(nodes))):
        mine = tuple(nodes[part::count])
        plan = Plan(SITE, port, mine, tuple(credentials[part::count]), CARDS, FAIL_SAFE_W)
        here, there = context.Pipe()
        process = context.Process(target=fleet.run, args=(plan, there), daemon=True)
        process.start()
        stack.callback(process.join, 5.0)
        stack.callback(process.terminate)
        pipes.append(here)
    return pipes


def _wait_following(control: ControlThread) -> None:
    deadline_s = time.monotonic() + START_S
    while missing := sum(node.status != "following" for node in control.snapshot().nodes):
        if time.monotonic() > deadline_s:
            raise Unavailable(f"{missing} agents do not follow after {START_S:.0f} s")
        time.sleep(0.2)


def _cut(control: ControlThread, share: float) -> tuple[float, float]:
    """Let the operator ask for less; returns the share and when he did."""
    limit_w = share * control.snapshot().limits[0].contract_w
    at_s = time.monotonic()
    midnight = clock_time(0, 0)
    control.submit(BudgetsChanged((Budget("cut", ROOT, limit_w, midnight, midnight),)))
    time.sleep(BETWEEN_S)
    return share, at_s


def _ended(pipe: Connection) -> list[Lowered]:
    pipe.send("end")
    if not pipe.poll(START_S):
        raise Unavailable("a process of agents does not answer")
    return list(pipe.recv())


def _credential(principal: Principal) -> Credential:
    return Credential(principal, secrets.token_hex(16))


def _address(who: Credential, port: int) -> MqttAddress:
    name, password = who.principal.name, who.password
    return MqttAddress(host="127.0.0.1", port=port, username=name, password=password)
