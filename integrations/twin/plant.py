"""One simulated site: nodes, their cards and engines, and the meters above them."""

from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cache
from typing import Final
from zlib import crc32

import numpy as np

from integrations.twin.cards import Card
from integrations.twin.demand import LONGEST, Demand
from integrations.twin.deployment import Deployment
from integrations.twin.engine import Engine, queue_room
from integrations.twin.machine import Machine
from integrations.twin.node import steady
from integrations.twin.sensors import card_power_w
from integrations.twin.site import TwinNode, TwinSite
from orchestrator.domain.errors import NotFound

STEP_S: Final = 0.05
METER_STEPS: Final = 5
METER_NOISE: Final = 0.002
BOOT_S: Final = 8.0
FIRST_TOKENS: Final = 4096
CHAT_TOKENS: Final = 450.0
"""A site answers in so many tokens on average, where a model was measured with longer answers."""


@dataclass(frozen=True, slots=True)
class MeterSample:
    """What a meter shows: mean power since its last refresh, true energy, and when, plant time."""

    limit_id: str
    power_w: float
    energy_j: float
    time_s: float


@cache
def site_deployment(gpu: str, model: str, gpus: int) -> tuple[Deployment, float]:
    """A deployment with a site's shorter answers, and its tokens a second at its largest batch."""
    entry = Deployment(gpu, model, gpus).entry
    workload = entry.workload
    workload = replace(workload, output_mean=min(workload.output_mean, CHAT_TOKENS))
    deployment = Deployment.of(replace(entry, workload=workload), gpus)
    full = steady(deployment, deployment.card.default_w, deployment.max_batch, seconds=20.0)
    return deployment, full.tok_s


class Node:
    """A host with its cards, its engine, and the demand sent to it."""

    def __init__(self, spec: TwinNode, seed: int) -> None:
        self.spec = spec
        deployment, full_tok_s = site_deployment(spec.gpu_model, spec.model, spec.gpus)
        self._seed = crc32(f"{seed} {spec.id}".encode())
        self.machine = Machine(
            deployment,
            queue_room(deployment.max_batch),
            longest=LONGEST,
            first_tokens=FIRST_TOKENS,
            seed=self._seed,
            name=spec.id,
        )
        stem = f"GPU-{crc32(spec.id.encode()):08x}"
        self.cards = tuple(
            Card(self.machine, f"{stem}-{index:02d}", index) for index in range(spec.gpus)
        )
        self.engine = Engine(self.machine)
        demanded_tok_s = spec.demand_share * full_tok_s
        self.demand = Demand(seed, spec.id, demanded_tok_s, deployment.workload)
        self._energy_before_j = 0.0
        self._boots_at_s = 0.0

    @property
    def power_w(self) -> float:
        """Watts at the wall of the host."""
        return self.machine.wall_power_w

    @property
    def energy_j(self) -> float:
        """Joules at the wall of the host since the plant was built."""
        return self._energy_before_j + self.machine.wall_energy_j

    def sensed_w(self) -> list[float]:
        """What the driver reports of every card's power."""
        shown: list[float] = card_power_w(self.machine.state, self._seed).tolist()
        return shown

    def card(self, uuid: str) -> Card:
        """The card with this uuid; NotFound otherwise."""
        for card in self.cards:
            if card.uuid == uuid:
                return card
        raise NotFound(f"{self.spec.id} has no card {uuid}")

    def reboot(self, now_s: float) -> None:
        """Cards come back at their default limit; the engine and its requests are gone."""
        self.engine.stop()
        before_j = self.energy_j
        for card in self.cards:
            card.reboot()
        self._energy_before_j += before_j - self.energy_j
        self._boots_at_s = now_s + BOOT_S

    def _may_start(self, now_s: float) -> bool:
        gated = self.spec.boot_gate and not all(card.limit_written for card in self.cards)
        return now_s >= self._boots_at_s and not gated

    def step(self, now_s: float, dt_s: float) -> None:
        """Let one step pass; the demand moves on whether or not the engine is up."""
        arrivals = self.demand.arrivals(now_s, dt_s)
        if not self.engine.healthy and self._may_start(now_s):
            self.engine.start()
        self.engine.offer(arrivals)
        self.machine.advance(now_s + dt_s)


class Plant:
    """The site, advanced in fixed steps of 50 ms; the same seed and writes give the same run."""

    def __init__(self, site: TwinSite) -> None:
        self.site = site
        self.nodes = {spec.id: Node(spec, site.seed) for spec in site.nodes}
        self._steps = 0
        self._owed_s = 0.0
        self._members = self._tree()
        start = self._energies()
        self._metered: deque[dict[str, float]] = deque([start, start], maxlen=2)

    def _tree(self) -> dict[str, tuple[str, ...]]:
        members: dict[str, tuple[str, ...]] = {}
        for spec in self.site.nodes:
            for limit_id in (*spec.limits, spec.id):
                members[limit_id] = (*members.get(limit_id, ()), spec.id)
        return members

    @property
    def time_s(self) -> float:
        """Simulated seconds since the plant was built."""
        return self._steps * STEP_S

    def node(self, node_id: str) -> Node:
        """The node with this id; NotFound otherwise."""
        if node_id not in self.nodes:
            raise NotFound(f"the plant has no node {node_id!r}")
        return self.nodes[node_id]

    def advance(self, dt_s: float) -> None:
        """Let `dt_s` pass; what is less than a step is kept for the next call."""
        self._owed_s += dt_s
        while self._owed_s >= STEP_S - 1e-9:
            self._owed_s -= STEP_S
            self._step()

    def _step(self) -> None:
        now_s = self.time_s
        for node in self.nodes.values():
            node.step(now_s, STEP_S)
        self._steps += 1
        if self._steps % METER_STEPS == 0:
            self._metered.append(self._energies())

    def _energies(self) -> dict[str, float]:
        energies = {node_id: node.energy_j for node_id, node in self.nodes.items()}
        energies[""] = self.site.uncontrolled_w * self.time_s
        return energies

    def _below(self, limit_id: str) -> tuple[str, ...]:
        """The nodes under a limit, and the uncontrolled load if it is the root."""
        if limit_id not in self._members:
            raise NotFound(f"the plant has no limit {limit_id!r}")
        return self._members[limit_id] + (("",) if limit_id == self.site.root else ())

    def _at_meter(self, limit_id: str, by_member: Mapping[str, float]) -> float:
        """Watts or joules at a limit's meter: the servers', losses, and the uncontrolled load."""
        below = self._below(limit_id)
        servers = sum(by_member[member] for member in below if member)
        if "" in below:
            return self.site.losses.at_facility(servers) + by_member[""]
        return self.site.losses.at_rack(servers)

    def power_w(self, limit_id: str) -> float:
        """True power at this instant under a limit or of one node; NotFound if there is none."""
        powers = {node_id: node.power_w for node_id, node in self.nodes.items()}
        return self._at_meter(limit_id, {**powers, "": self.site.uncontrolled_w})

    def site_power_w(self) -> float:
        """True power of the whole site at this instant."""
        return self.power_w(self.site.root)

    def meter(self, limit_id: str | None = None) -> MeterSample:
        """What the meter at a limit shows; it refreshes four times a second, with 0.2 % noise."""
        where = limit_id if limit_id is not None else self.site.root
        tick = self._steps // METER_STEPS
        before, after = (self._at_meter(where, energies) for energies in self._metered)
        draws = np.random.default_rng((self.site.seed, crc32(where.encode()), tick))
        true_w = (after - before) / (METER_STEPS * STEP_S)
        power_w = true_w * (1.0 + METER_NOISE * float(draws.standard_normal()))
        return MeterSample(where, power_w, after, tick * METER_STEPS * STEP_S)

    def reboot_host(self, node_id: str) -> None:
        """Restart one host: default limits, an engine that is down for some seconds."""
        self.node(node_id).reboot(self.time_s)

    @property
    def tokens_total(self) -> float:
        """Tokens generated by the whole site since the plant was built."""
        return sum(node.engine.total.tokens for node in self.nodes.values())

    @property
    def tokens_dropped(self) -> float:
        """Tokens asked for and never served."""
        return sum(node.engine.total.tokens_dropped for node in self.nodes.values())
