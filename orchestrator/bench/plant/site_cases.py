"""Small sites for the bench: three nodes under one limit, saturated or not."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

from agents.core.options import Service
from integrations.twin.node import Deployment, OperatingPoint, Requests, SimNode, steady
from orchestrator.bench.plant.cases import Case, only
from orchestrator.bench.plant.objectives import ITL_SLACK, TTFT_MS, Objectives
from orchestrator.domain.frontier import Frontier
from orchestrator.domain.topology import Limit, Node, Topology

BOUND = 1.005
"""The operator's upper bound of a host's own draw over what it really draws."""


@dataclass(frozen=True)
class Member:
    """One node of the site: its case, and the share of its unconstrained throughput to hold."""

    name: str
    case: Case
    share: float | None
    load: str

    @cached_property
    def full(self) -> OperatingPoint:
        """What it makes unconstrained and saturated."""
        case = self.case
        return steady(
            case.deployment, case.caps_w[-1], case.batches[-1], coefficients=case.coefficients
        )

    @cached_property
    def model(self) -> Frontier:
        """What the operator knows of it."""
        return only(self.case.model(), self.case.grid())

    @property
    def target_tok_s(self) -> float | None:
        """The throughput to hold; None for as much as possible."""
        return None if self.share is None else self.share * self.full.tok_s

    @property
    def objectives(self) -> Objectives:
        """Latency objectives of the node."""
        ttft_ms = TTFT_MS if self.load == "poisson" else None
        return Objectives(ITL_SLACK * self.full.itl_p99_ms, ttft_ms)

    @property
    def service(self) -> Service:
        """The same, as the agent is told."""
        wall = self.case.wall
        return Service(self.objectives.itl_ms, self.objectives.ttft_ms, wall.watts, wall.factor)

    def plant(self, requests: Requests) -> SimNode:
        """A cold node under these requests."""
        case = self.case
        return SimNode(
            case.deployment,
            requests,
            seed=case.seed,
            coefficients=case.coefficients,
            node_id=self.name,
        )


def members(
    deployments: Sequence[Deployment], shares: Sequence[float | None], load: str, seed: int
) -> tuple[Member, ...]:
    """Nodes `node-1` and on, each with its own seed."""
    return tuple(
        Member(
            f"node-{index + 1}",
            Case(deployment, deployment.coefficients, 100 * seed + index),
            share,
            load,
        )
        for index, (deployment, share) in enumerate(zip(deployments, shares, strict=True))
    )


def topology(nodes: Sequence[Member], limit_w: float) -> Topology:
    """One limit over all nodes. Hosts are charged at BOUND times what they draw."""
    return Topology(
        limits=(Limit("site", "facility", limit_w),),
        nodes=tuple(_node(member) for member in nodes),
        firm_limit_w=0.5 * limit_w,
    )


def models(nodes: Sequence[Member]) -> Mapping[str, Frontier]:
    """Operating points by deployment; nodes of one deployment share the first one's."""
    return {member.case.deployment.id: member.model for member in reversed(nodes)}


def _node(member: Member) -> Node:
    case, cards = member.case, member.case.deployment.gpus
    least_w = cards * case.caps_w[0]
    return Node(
        id=member.name,
        limit="site",
        deployment=case.deployment.id,
        cards=cards,
        nameplate_w=cards * case.caps_w[-1],
        min_w=least_w,
        fail_safe_w=least_w,
        tier=3,
        overhead_fraction=(case.wall.factor - 1.0) * BOUND,
        overhead_w=case.wall.watts * BOUND,
        boot_gated=True,
        target_tok_s=member.target_tok_s,
    )
