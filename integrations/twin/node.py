"""One simulated serving node in virtual time, fast enough to judge policies over hours."""

import copy
from dataclasses import dataclass
from typing import Final
from zlib import crc32

import numpy as np

from integrations.twin.coefficients import Coefficients
from integrations.twin.deployment import Deployment
from integrations.twin.gpus import clocks_mhz
from integrations.twin.latency import NO_LATENCIES, LatencyLog
from integrations.twin.machine import Machine
from integrations.twin.offered import poisson, saturated, trace
from integrations.twin.sensors import card_power_w
from integrations.twin.state import FIRST_TOKENS, HEAD, REQUEST, Records
from integrations.twin.windows import recent_latencies
from integrations.twin.workload import Requests, Workload, diurnal
from orchestrator.domain.telemetry import CardReading, EngineReading

__all__ = [
    "Coefficients",
    "Deployment",
    "LatencyLog",
    "OperatingPoint",
    "Requests",
    "SimNode",
    "Workload",
    "clocks_mhz",
    "diurnal",
    "poisson",
    "saturated",
    "steady",
    "trace",
]

WARM_UP: Final = 0.25


class SimNode(Machine):
    """One serving node: cards, engine and the requests that it is offered.

    The same arguments and writes give the same run. `defects`: whether cards are read through
    sensors as they are (a 1 s average of samples, noise, a stepping counter) or truthfully.
    Energies, powers, tokens and the latency log are the truth: for judges and oracles, never for
    controllers.
    """

    def __init__(
        self,
        deployment: Deployment,
        requests: Requests,
        *,
        seed: int,
        coefficients: Coefficients | None = None,
        defects: bool = True,
        node_id: str = "node",
    ) -> None:
        self.defects = defects
        self._sensor_seed = crc32(f"{seed} {node_id}".encode())
        super().__init__(
            deployment,
            _records(requests),
            longest=int(requests.output_tokens.max(initial=1)),
            first_tokens=requests.arrival_s.size + 1,
            seed=self._sensor_seed,
            coefficients=coefficients,
            name=node_id,
        )

    def read_cards(self) -> tuple[CardReading, ...]:
        """What the driver says of each card, with the sensors' defects unless switched off."""
        cards, card = self.state.cards, self.deployment.card
        power_w, energy_j = cards["power_w"], cards["energy_j"]
        if self.defects:
            power_w, energy_j = card_power_w(self.state, self._sensor_seed), cards["counter_j"]
        return tuple(
            CardReading(
                uuid=f"{self.name}-gpu{index}",
                enforced_w=float(cards["cap_w"][index]),
                power_w=float(power_w[index]),
                energy_j=float(energy_j[index]),
                min_w=card.min_w,
                max_w=card.max_w,
                default_w=card.default_w,
            )
            for index in range(self.deployment.gpus)
        )

    def read_engine(self) -> EngineReading:
        """What the engine says: its queue now, latencies over the last five seconds."""
        recent = recent_latencies(self.state, self.time_s)
        return EngineReading(
            running=self.running,
            waiting=self.waiting,
            batch_limit=self.batch_limit,
            max_batch=self.deployment.max_batch,
            generation_tokens=self.tokens,
            itl_mean_ms=recent.itl_mean_ms,
            itl_p95_ms=recent.itl_p95_ms,
            ttft_p95_ms=recent.ttft_p95_ms,
            itl_p99_ms=recent.itl_p99_ms,
            ttft_p99_ms=recent.ttft_p99_ms,
        )

    @property
    def waiting(self) -> int:
        """Requests that arrived and were not admitted yet."""
        arrived = np.searchsorted(self.state.requests["arrival_s"], self.time_s, side="right")
        return max(0, int(arrived) - int(self.state.counts[HEAD]))

    def latency(self) -> LatencyLog:
        """Everything since the start; the difference of two logs is a window."""
        state, count = self.state, int(self.state.counts[FIRST_TOKENS])
        return LatencyLog(
            state.itl.copy(),
            float(state.itl_total_ms[0]),
            state.firsts["at_s"][:count].copy(),
            state.firsts["ms"][:count].copy(),
        )

    def clone(self) -> "SimNode":
        """An independent copy that goes on as this one would."""
        other = copy.copy(self)
        other.state = self.state.copy()
        return other


def _records(requests: Requests) -> Records:
    made = np.empty(requests.arrival_s.size, REQUEST)
    made["arrival_s"] = requests.arrival_s
    made["prompt"] = requests.prompt_tokens
    made["output"] = requests.output_tokens
    return made


@dataclass(frozen=True, slots=True)
class OperatingPoint:
    """A saturated node in steady state, simulated; power_w of all cards, wall_w of the server."""

    power_w: float
    wall_w: float
    tok_s: float
    itl_mean_ms: float
    itl_p95_ms: float
    itl_p99_ms: float

    @property
    def tok_j(self) -> float:
        """Output tokens a joule at the server's wall."""
        return self.tok_s / self.wall_w


def steady(
    deployment: Deployment,
    cap_w: float,
    batch: int,
    clock_mhz: float | None = None,
    seconds: float = 60.0,
    seed: int = 0,
    coefficients: Coefficients | None = None,
) -> OperatingPoint:
    """A saturated node at one cap, batch and clock, measured after a quarter of the time.

    Replicas of a saturated node do not meet, and share its batch evenly: one of each share is run.
    """
    deployment.check_batch(batch, deployment.id)
    one = Deployment.of(deployment.entry)
    each, over = divmod(batch, deployment.replicas)
    seen = _Seen(seconds, 0.0, 0.0, NO_LATENCIES)
    for share, count in ((each + 1, over), (each, deployment.replicas - over)):
        if count:
            warm_s = WARM_UP * seconds
            requests = saturated(one, seconds + warm_s, seed)
            node = SimNode(one, requests, seed=seed, coefficients=coefficients)
            node.set_cap_w(cap_w)
            node.set_clock_mhz(clock_mhz)
            node.state.replicas["limit"] = share
            node.advance(warm_s)
            seen = seen.joined(_observe(node, seconds), count)
    return seen.point(coefficients or deployment.coefficients)


@dataclass(frozen=True, slots=True)
class _Seen:
    """What cards and requests did over some seconds."""

    seconds: float
    gpu_j: float
    tokens: float
    log: LatencyLog

    def joined(self, other: "_Seen", count: int) -> "_Seen":
        """This and `count` of another, beside each other."""
        return _Seen(
            self.seconds,
            self.gpu_j + count * other.gpu_j,
            self.tokens + count * other.tokens,
            self.log + other.log.times(count),
        )

    def point(self, c: Coefficients) -> OperatingPoint:
        """Means over the time."""
        power_w = self.gpu_j / self.seconds
        return OperatingPoint(
            power_w=power_w,
            wall_w=c.host_factor * power_w + c.host_w,
            tok_s=self.tokens / self.seconds,
            itl_mean_ms=self.log.itl_mean_ms or 0.0,
            itl_p95_ms=self.log.itl_ms(0.95) or 0.0,
            itl_p99_ms=self.log.itl_ms(0.99) or 0.0,
        )


def _observe(node: SimNode, seconds: float) -> _Seen:
    gpu_j, tokens, log = node.gpu_energy_j, node.tokens, node.latency()
    node.advance(node.time_s + seconds)
    return _Seen(seconds, node.gpu_energy_j - gpu_j, node.tokens - tokens, node.latency() - log)


def measured(node: SimNode, seconds: float) -> OperatingPoint:
    """What a node does from now on for `seconds`, means over them."""
    return _observe(node, seconds).point(node.coefficients)
