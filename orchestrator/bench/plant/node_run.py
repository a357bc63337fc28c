"""One node in virtual time under one policy: what it was told, what it served, what it drew."""

from dataclasses import dataclass, field
from typing import Protocol

from integrations.twin.node import LatencyLog, SimNode
from orchestrator.bench.plant.schedule import WARM_UP_S, Schedule, Stretch

PERIOD_S = 0.5
STRIDE_S = 2.5
LATENCY_S = 30.0


class Policy(Protocol):
    """Something that turns a node's knobs twice a second, from what its sensors say."""

    def step(self, node: SimNode, asked: Stretch, now_s: float) -> None: ...


@dataclass(slots=True)
class Run:
    """A run as a judge sees it, from the plant's truth.

    tokens, wall_j, waiting: by half second. logs: everything so far, every LATENCY_S.
    """

    schedule: Schedule
    tokens: list[float] = field(default_factory=list)
    wall_j: list[float] = field(default_factory=list)
    waiting: list[int] = field(default_factory=list)
    logs: list[LatencyLog] = field(default_factory=list)


def run(node: SimNode, policy: Policy, schedule: Schedule) -> Run:
    """Let a policy take a node over that has been serving, and work through a schedule.

    The node starts cold; what it does in its first WARM_UP_S, at its default caps and largest
    batch, is nobody's doing and is not recorded. Times of the schedule begin after it.
    """
    node.advance(WARM_UP_S)
    found = Run(schedule, logs=[node.latency()])
    steps, every = round(schedule.seconds / PERIOD_S), round(LATENCY_S / PERIOD_S)
    for index in range(steps):
        now_s = index * PERIOD_S
        policy.step(node, schedule.at(now_s), WARM_UP_S + now_s)
        observe(found, node, WARM_UP_S + now_s + PERIOD_S)
        if (index + 1) % every == 0:
            found.logs.append(node.latency())
    return found


def observe(found: Run, node: SimNode, until_s: float) -> None:
    """Let half a second pass and write down what it brought."""
    tokens, wall_j = node.tokens, node.wall_energy_j
    node.advance(until_s)
    found.tokens.append(node.tokens - tokens)
    found.wall_j.append(node.wall_energy_j - wall_j)
    found.waiting.append(node.waiting)


def stride(found: Run, node: SimNode, until_s: float) -> None:
    """Let STRIDE_S pass in one go and write it down as equal half seconds."""
    tokens, wall_j, parts = node.tokens, node.wall_energy_j, round(STRIDE_S / PERIOD_S)
    node.advance(until_s)
    found.tokens += [(node.tokens - tokens) / parts] * parts
    found.wall_j += [(node.wall_energy_j - wall_j) / parts] * parts
    found.waiting += [node.waiting] * parts
