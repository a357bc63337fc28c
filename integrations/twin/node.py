"""One simulated serving node in virtual time, fast enough to judge policies over hours."""

import copy
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final
from zlib import crc32

import numpy as np
import numpy.typing as npt

from integrations.twin.catalogue import Entry, entry_for
from integrations.twin.coefficients import Coefficients
from integrations.twin.core import advance, retune
from integrations.twin.gpus import Gpu, clocks_mhz, gpu_named
from integrations.twin.latency import LatencyLog, itl_quantile_ms
from integrations.twin.sensors import card_power_w
from integrations.twin.state import (
    FINISHED,
    FIRST_TOKENS,
    HEAD,
    SLOT_S,
    State,
    new_state,
)
from integrations.twin.workload import (
    Requests,
    Workload,
    arriving,
    diurnal,
    queued,
    read_trace,
)
from orchestrator.domain.errors import InvalidInput
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

WINDOW_S: Final = 5.0
WARM_UP: Final = 0.25
HEADROOM: Final = 1.3


@dataclass(frozen=True)
class Deployment:
    """A model on a node of `gpus` cards; ConfigurationError for names that the twin lacks."""

    gpu: str
    model: str
    gpus: int
    entry: Entry = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "entry", entry_for(self.gpu, self.model, self.gpus))

    @classmethod
    def of(cls, entry: Entry) -> "Deployment":
        """One replica of an entry that need not be in the catalogue."""
        made = object.__new__(cls)
        for name in ("gpu", "model", "gpus"):
            object.__setattr__(made, name, getattr(entry, name))
        object.__setattr__(made, "entry", entry)
        return made

    @property
    def id(self) -> str:
        """Such as `llama-3-1-8b-h100-x8`."""
        return f"{self.model}-{self.gpu}-x{self.gpus}".lower().replace(".", "-")

    @property
    def replicas(self) -> int:
        """How many copies of the model the node holds."""
        return self.gpus // self.entry.gpus

    @property
    def max_batch(self) -> int:
        """The most requests that run at once on the node."""
        return self.entry.max_batch * self.replicas

    @property
    def extrapolated(self) -> bool:
        """Whether no measurement covers this card and model."""
        return self.entry.extrapolated

    @property
    def coefficients(self) -> Coefficients:
        """What the physics uses; no controller may see it."""
        return self.entry.coefficients

    @property
    def workload(self) -> Workload:
        """The requests that it was measured with."""
        return self.entry.workload

    @property
    def card(self) -> Gpu:
        """The card type."""
        return gpu_named(self.gpu)


class SimNode:
    """One serving node: cards, engine and the requests that it is offered.

    The same arguments and writes give the same run. `defects`: whether cards are read through
    sensors as they are (a 1 s average of samples, noise, a stepping counter) or truthfully.
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
        self.deployment = deployment
        self.node_id = node_id
        self.defects = defects
        self.coefficients = coefficients or deployment.coefficients
        self._card = deployment.card
        self._sensor_seed = crc32(f"{seed} {node_id}".encode())
        self._batch_limit = deployment.max_batch
        self._time_s = 0.0
        self._state = _new_state(deployment, requests, self.coefficients, self._sensor_seed)

    @property
    def time_s(self) -> float:
        """Simulated seconds since the start."""
        return self._time_s

    def set_cap_w(self, cap_w: float, card: int | None = None) -> None:
        """Limit all cards, or one; InvalidInput outside the card's range, and nothing changes."""
        self._card.check_cap_w(cap_w, self.node_id)
        if card is not None and not 0 <= card < self.deployment.gpus:
            raise InvalidInput(f"{self.node_id} has cards 0-{self.deployment.gpus - 1}, not {card}")
        self._state.cap_w[slice(None) if card is None else card] = cap_w
        retune(self._state, self.coefficients, self._time_s)

    def set_clock_mhz(self, clock_mhz: float | None) -> None:
        """Lock the highest SM clock of all cards, or free it; InvalidInput outside the range."""
        if clock_mhz is not None:
            self._card.check_clock_mhz(clock_mhz, self.node_id)
        self._state.most[:] = 1.0 if clock_mhz is None else clock_mhz / self._card.max_mhz
        retune(self._state, self.coefficients, self._time_s)

    def set_batch_limit(self, limit: int) -> None:
        """How many requests the node runs at once; a lower limit drains, it never preempts."""
        if not 1 <= limit <= self.deployment.max_batch:
            raise InvalidInput(
                f"{self.node_id}: batch limit {limit} is outside 1-{self.deployment.max_batch}"
            )
        self._batch_limit = limit
        self._state.limit[:] = shares(limit, self.deployment.replicas)

    def advance(self, until_s: float) -> None:
        """Let the node run until a moment; one that has passed changes nothing."""
        if until_s > self._time_s:
            advance(self._state, self.coefficients, self._card.sampled, until_s)
            self._time_s = until_s

    def read_cards(self) -> tuple[CardReading, ...]:
        """What the driver says of each card, with the sensors' defects unless switched off."""
        state, card = self._state, self._card
        power_w, energy_j = state.power_w, state.energy_j
        if self.defects:
            power_w = card_power_w(state, self._sensor_seed)
            energy_j = state.counter_j
        return tuple(
            CardReading(
                uuid=f"{self.node_id}-gpu{index}",
                enforced_w=float(state.cap_w[index]),
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
        mean_ms, recent = recent_itl(self._state, self._time_s)
        ttft = recent_ttft(self._state, self._time_s)
        return EngineReading(
            running=self.running,
            waiting=self.waiting,
            batch_limit=self._batch_limit,
            max_batch=self.deployment.max_batch,
            generation_tokens=self.tokens,
            itl_mean_ms=mean_ms,
            itl_p95_ms=itl_quantile_ms(recent, 0.95),
            ttft_p95_ms=float(np.quantile(ttft, 0.95)) if ttft.size else None,
            itl_p99_ms=itl_quantile_ms(recent, 0.99),
            ttft_p99_ms=float(np.quantile(ttft, 0.99)) if ttft.size else None,
        )

    @property
    def running(self) -> int:
        """Requests that prefill or decode now."""
        return int(self._state.decoding.sum() + self._state.queue_count.sum())

    @property
    def waiting(self) -> int:
        """Requests that arrived and were not admitted yet."""
        arrived = int(np.searchsorted(self._state.arrival_s, self._time_s, side="right"))
        return max(0, arrived - int(self._state.counts[HEAD]))

    @property
    def finished(self) -> int:
        """Requests served to their last token."""
        return int(self._state.counts[FINISHED])

    @property
    def tokens(self) -> float:
        """Output tokens since the start."""
        return float(self._state.tokens.sum())

    @property
    def gpu_power_w(self) -> float:
        """True power of all cards at this instant."""
        return float(self._state.power_w.sum())

    @property
    def gpu_energy_j(self) -> float:
        """True energy of all cards since the start."""
        return float(self._state.energy_j.sum())

    @property
    def wall_power_w(self) -> float:
        """True power of the whole server at this instant."""
        return self.coefficients.host_factor * self.gpu_power_w + self.coefficients.host_w

    @property
    def wall_energy_j(self) -> float:
        """True energy of the whole server since the start."""
        host_j = self.coefficients.host_w * self._time_s
        return self.coefficients.host_factor * self.gpu_energy_j + host_j

    def latency(self) -> LatencyLog:
        """Everything since the start; the difference of two logs is a window."""
        state, count = self._state, int(self._state.counts[FIRST_TOKENS])
        return LatencyLog(
            state.itl.copy(),
            float(state.itl_total_ms[0]),
            state.first_at_s[:count].copy(),
            state.first_ms[:count].copy(),
        )

    def clone(self) -> "SimNode":
        """An independent copy that goes on as this one would."""
        other = copy.copy(self)
        other.__dict__["_state"] = self._state.copy()
        return other


def _new_state(
    deployment: Deployment, requests: Requests, coefficients: Coefficients, seed: int
) -> State:
    return new_state(
        (requests.arrival_s, requests.prompt_tokens, requests.output_tokens),
        replicas=deployment.replicas,
        cards=deployment.gpus,
        room=deployment.entry.max_batch,
        longest=int(requests.output_tokens.max(initial=1)),
        first_tokens=requests.arrival_s.size,
        cap_w=deployment.card.default_w,
        idle_w=coefficients.idle_w,
        seed=seed,
    )


def shares(limit: int, replicas: int) -> list[int]:
    """A node's batch limit split over its replicas, as evenly as whole requests allow."""
    each, over = divmod(limit, replicas)
    return [each + (index < over) for index in range(replicas)]


def recent_itl(state: State, now_s: float) -> tuple[float | None, npt.NDArray[np.float64]]:
    """Mean ITL and histogram of the last five seconds, in slots of half a second."""
    first = (now_s - WINDOW_S) / SLOT_S
    rows = (state.slot >= first) & (state.slot <= now_s / SLOT_S)
    counts = state.recent[rows].sum(axis=0) if rows.any() else np.zeros_like(state.itl)
    tokens = counts.sum()
    return (float(state.recent_ms[rows].sum() / tokens) if tokens > 0.0 else None), counts


def recent_ttft(state: State, now_s: float) -> npt.NDArray[np.float64]:
    """Times to first tokens of the last five seconds in milliseconds."""
    kept = min(int(state.counts[FIRST_TOKENS]), state.first_ms.size)
    if kept < state.first_ms.size:
        first = int(np.searchsorted(state.first_at_s[:kept], now_s - WINDOW_S))
        return state.first_ms[first:kept]
    return state.first_ms[state.first_at_s >= now_s - WINDOW_S]


def saturated(deployment: Deployment, seconds: float, seed: int) -> Requests:
    """A queue that does not empty for `seconds`, of requests as the deployment's workload."""
    c, workload = deployment.coefficients, deployment.workload
    least_ms = c.base_ms + c.request_ms * deployment.entry.max_batch + c.prefill_ms
    tokens = deployment.max_batch * 1000.0 / least_ms * seconds
    count = 2 * deployment.max_batch + HEADROOM * tokens / workload.output_mean
    return queued(workload, int(count) + 100, seed)


def poisson(
    deployment: Deployment,
    rate_tok_s: float | Callable[[float], float],
    seconds: float,
    seed: int,
) -> Requests:
    """Poisson arrivals that ask for `rate_tok_s` output tokens a second on average."""
    return arriving(deployment.workload, rate_tok_s, seconds, seed)


def trace(path: Path, deployment: Deployment, scale: float, seconds: float) -> Requests:
    """Arrivals and lengths of a trace file, `scale` times as many a second, for `seconds`."""
    del deployment  # a trace has lengths of its own
    return read_trace(path, scale, seconds)


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
    """Run a node saturated at one cap, batch and clock, and measure after a quarter of the time."""
    warm_s = WARM_UP * seconds
    node = SimNode(
        deployment,
        saturated(deployment, seconds + warm_s, seed),
        seed=seed,
        coefficients=coefficients,
    )
    node.set_cap_w(cap_w)
    node.set_clock_mhz(clock_mhz)
    node.set_batch_limit(batch)
    node.advance(warm_s)
    gpu_j, wall_j, tokens, log = node.gpu_energy_j, node.wall_energy_j, node.tokens, node.latency()
    node.advance(warm_s + seconds)
    window = node.latency() - log
    return OperatingPoint(
        (node.gpu_energy_j - gpu_j) / seconds,
        (node.wall_energy_j - wall_j) / seconds,
        (node.tokens - tokens) / seconds,
        window.itl_mean_ms or 0.0,
        window.itl_ms(0.95) or 0.0,
        window.itl_ms(0.99) or 0.0,
    )
