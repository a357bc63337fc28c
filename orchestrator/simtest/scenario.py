"""What happens in one seed: a site, its load, what the grid asks, and the faults."""

from dataclasses import dataclass
from random import Random
from typing import Final, Literal

from orchestrator.domain.topology import Limit, Node, Topology
from orchestrator.simtest.faults import FAULTS, Fault

SECONDS: Final = 600.0
BEGIN_S: Final = 60.0
"""The site is armed, loaded and led before anything breaks."""
MODELS: Final = (
    ("H100", "qwen3-32b"),
    ("H100", "mixtral-8x7b"),
    ("H100", "gemma-3-27b"),
    ("H100", "qwen3-30b-a3b"),
)
CARDS: Final = 2
TOGETHER: Final = 0.6
CLOSE_S: Final = 15.0
OVERHEAD: Final = 0.08
OVERHEAD_W: Final = 400.0
TOLERANCE: Final = 0.02

Action = Literal["limit", "emergency", "alarm", "reduction", "cancel", "budget"]
ACTIONS: Final[tuple[Action, ...]] = (
    "limit",
    "limit",
    "limit",
    "reduction",
    "emergency",
    "alarm",
    "budget",
)


@dataclass(frozen=True, slots=True, order=True)
class Ask:
    """Something that the grid or an operator wants; seconds since the begin, watts.

    source: who asks; later asks of one source replace earlier ones. reduction: a fraction in
    `value`. cancel: takes back the source's last ask.
    """

    at_s: float
    action: Action
    source: str
    limit_id: str
    value: float
    for_s: float

    def text(self) -> str:
        """One line of a trace."""
        what = f"{self.action} {self.value:.4g} at {self.limit_id} for {self.for_s:.0f} s"
        return f"{self.at_s:7.1f} s  {self.source}: {what}"


@dataclass(frozen=True, slots=True)
class Scenario:
    """One run; the seed also decides about everything else that is random in it.

    climb_w_per_s: how fast the facility's ceiling may rise, None for at once.
    """

    seed: int
    topology: Topology
    offered: tuple[float, ...]
    asks: tuple[Ask, ...]
    faults: tuple[Fault, ...]
    seconds: float = SECONDS
    climb_w_per_s: float | None = None


def draw(seed: int) -> Scenario:
    """The scenario of a seed: four nodes, ten minutes, at least two events and five faults."""
    random = Random(seed)  # noqa: S311
    topology = _topology(random)
    asks = tuple(sorted(_asks(random, topology)))
    faults = tuple(sorted(_faults(random, topology, asks)))
    offered = tuple(random.choice((0.5, 0.9, 2.0)) for _ in topology.nodes)
    climb_w_per_s = random.choice((None, None, 60.0))
    return Scenario(seed, topology, offered, asks, faults, climb_w_per_s=climb_w_per_s)


def _topology(random: Random) -> Topology:
    """Two racks under one facility, tight enough that every limit binds now and then."""
    nodes = tuple(
        Node(
            id=f"n{index + 1}",
            limit=f"rack-{index // 2 + 1}",
            deployment=MODELS[index][1].replace(".", "-"),
            cards=CARDS,
            nameplate_w=1400.0,
            min_w=400.0,
            fail_safe_w=random.choice((400.0, 500.0, 600.0)),
            overhead_fraction=OVERHEAD,
            overhead_w=OVERHEAD_W,
            tolerance=TOLERANCE,
            boot_gated=random.random() < 0.5,
            tier=random.randrange(4),
        )
        for index in range(4)
    )
    rack_w = [sum(node.draw_w(node.nameplate_w) for node in nodes[i : i + 2]) for i in (0, 2)]
    racks = [random.uniform(0.72, 1.0) * watts for watts in rack_w]
    uncontrolled_w = random.choice((0.0, 300.0))
    site_w = random.uniform(0.75, 0.98) * sum(racks) + uncontrolled_w
    safe_w = sum(node.draw_w(node.fail_safe_w) for node in nodes) + uncontrolled_w
    return Topology(
        limits=(
            Limit("site", "facility", site_w, uncontrolled_w=uncontrolled_w),
            Limit("rack-1", "rack", racks[0], "site"),
            Limit("rack-2", "rack", racks[1], "site"),
        ),
        nodes=nodes,
        firm_limit_w=min(site_w, 1.02 * safe_w),
    )


def _asks(random: Random, topology: Topology) -> list[Ask]:
    found = []
    for number in range(random.randint(2, 6)):
        at_s = random.uniform(BEGIN_S, SECONDS - 120.0)
        source = random.choice(("utility", "operator", "market"))
        limit = topology.limit_by_id[random.choice(("site", "site", "rack-1", "rack-2"))]
        action = random.choice(ACTIONS)
        if action in ("emergency", "reduction", "alarm"):
            limit = topology.root
        if action in ("emergency", "alarm"):
            value = topology.firm_limit_w
        elif action == "reduction":
            value = random.uniform(0.1, 0.5)
        else:
            value = round(random.uniform(0.35, 1.0) * limit.limit_w, 1)
        lasts_s = random.choice((20.0, 60.0, 180.0))
        found.append(Ask(round(at_s, 1), action, source, limit.id, value, lasts_s))
        if number and random.random() < 0.3:
            cancel_s = round(at_s + random.uniform(2.0, lasts_s), 1)
            found.append(Ask(cancel_s, "cancel", source, limit.id, 0.0, 0.0))
    return found


def _faults(random: Random, topology: Topology, asks: tuple[Ask, ...]) -> list[Fault]:
    """Most faults fall close to an ask, or to another fault: there they hurt."""
    found: list[Fault] = []
    for _ in range(random.randint(5, 12)):
        near_s = [ask.at_s for ask in asks] + [fault.at_s for fault in found]
        at_s = random.uniform(BEGIN_S, SECONDS - 60.0)
        if random.random() < TOGETHER:
            at_s = random.choice(near_s) + random.uniform(-CLOSE_S, CLOSE_S)
        at_s = round(min(max(at_s, BEGIN_S), SECONDS - 60.0), 1)
        found.append(_fault(random, topology, at_s))
    return found


def _fault(random: Random, topology: Topology, at_s: float) -> Fault:
    kind = random.choice(sorted(FAULTS))
    known = FAULTS[kind]
    where = random.choice(topology.nodes).id if known.per_node else "site"
    if kind in ("loss", "delay", "duplicate", "partition") and random.random() < 0.4:
        where = "site"
    return Fault(
        at_s=at_s,
        kind=kind,
        where=where,
        for_s=round(random.uniform(0.1, 1.0) * known.longest_s, 1),
        size=random.uniform(0.05, 1.0) * known.most,
    )
