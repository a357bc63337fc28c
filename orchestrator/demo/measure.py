"""What the demo measures, from outside the service: the plant's meter and its true totals."""

import threading
import time
from bisect import bisect_left
from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any

from integrations.twin.client import TwinConnection
from integrations.twin.plant import Plant
from integrations.twin.site import TwinSite
from orchestrator.domain.errors import BallastError

METER_EVERY_S = 0.1
TRUTH_EVERY_S = 0.5


@dataclass(frozen=True, slots=True)
class Sample:
    """Metered watts at a monotonic second."""

    at_s: float
    power_w: float


@dataclass(frozen=True, slots=True)
class NodeTruth:
    """A node of the plant: sum of enforced limits, watts; admitted batch; p95 latency."""

    enforced_w: float
    batch_limit: int
    tokens: float
    itl_p95_ms: float | None


@dataclass(frozen=True, slots=True)
class Truth:
    """The plant at a monotonic second: its own clock, all tokens so far, its nodes."""

    at_s: float
    time_s: float
    tokens: float
    nodes: dict[str, NodeTruth]


@dataclass(slots=True)
class Observer:
    """Polls the plant on threads of its own until stopped."""

    host: str
    port: int
    power: list[Sample] = field(default_factory=list)
    truths: list[Truth] = field(default_factory=list)
    _stopping: threading.Event = field(default_factory=threading.Event)
    _threads: list[threading.Thread] = field(default_factory=list)

    def start(self) -> None:
        """Begin to observe."""
        for work, every_s in ((self._meter, METER_EVERY_S), (self._truth, TRUTH_EVERY_S)):
            connection = TwinConnection(self.host, self.port)
            thread = threading.Thread(
                target=self._poll, args=(work, connection, every_s), daemon=True
            )
            self._threads.append(thread)
            thread.start()

    def stop(self) -> None:
        """End after the polls in progress."""
        self._stopping.set()
        for thread in self._threads:
            thread.join(2.0)

    def between(self, since_s: float, until_s: float) -> list[Sample]:
        """Meter samples in [since_s, until_s)."""
        first = bisect_left(self.power, since_s, key=lambda sample: sample.at_s)
        last = bisect_left(self.power, until_s, key=lambda sample: sample.at_s)
        return self.power[first:last]

    def _poll(self, work: Any, connection: TwinConnection, every_s: float) -> None:
        while not self._stopping.wait(every_s):
            try:
                work(connection)
            except BallastError:
                continue

    def _meter(self, connection: TwinConnection) -> None:
        answer = connection.call("meter", limit_id=None)
        self.power.append(Sample(time.monotonic(), float(answer["power_w"])))

    def _truth(self, connection: TwinConnection) -> None:
        answer = connection.call("truth")
        nodes = {
            name: NodeTruth(
                enforced_w=node["enforced_w"],
                batch_limit=node["batch_limit"],
                tokens=node["totals"]["tokens"],
                itl_p95_ms=node["itl_p95_ms"],
            )
            for name, node in answer["nodes"].items()
        }
        self.truths.append(Truth(time.monotonic(), answer["time_s"], answer["tokens_total"], nodes))


def mean_w(samples: Sequence[Sample]) -> float:
    """Mean power of samples in watts; 0 of none."""
    return sum(sample.power_w for sample in samples) / len(samples) if samples else 0.0


def highest_mean_w(samples: Sequence[Sample], window_s: float) -> float:
    """The highest mean over any window of the samples, watts."""
    best, first, total = 0.0, 0, 0.0
    for index, sample in enumerate(samples):
        total += sample.power_w
        while sample.at_s - samples[first].at_s > window_s:
            total -= samples[first].power_w
            first += 1
        if sample.at_s - samples[0].at_s >= window_s * 0.9:
            best = max(best, total / (index - first + 1))
    return best


def itl_p95_ms(truths: Sequence[Truth]) -> float | None:
    """The nodes' 95th percentiles of inter-token latency, weighted by tokens, over the truths."""
    total = weighted = 0.0
    for before, after in pairwise(truths):
        for name, node in after.nodes.items():
            made = node.tokens - before.nodes[name].tokens
            if node.itl_p95_ms is not None and made > 0:
                total += made
                weighted += made * node.itl_p95_ms
    return weighted / total if total else None


def tokens_without_event(
    site: TwinSite, truths: Sequence[Truth], published_s: float
) -> tuple[float, float]:
    """Tokens with and without the event, from its publication to the last truth.

    The same seed is simulated again; its caps and batches follow the recorded ones until the
    event and then stay as they were.
    """
    plant = Plant(site)
    before = [truth for truth in truths if truth.at_s < published_s]
    for truth in before:
        plant.advance(truth.time_s - plant.time_s)
        _set_like(plant, truth)
    start, last = plant.tokens_total, truths[-1]
    plant.advance(last.time_s - plant.time_s)
    return last.tokens - before[-1].tokens, plant.tokens_total - start


def _set_like(plant: Plant, truth: Truth) -> None:
    for name, seen in truth.nodes.items():
        node = plant.node(name)
        for card in node.cards:
            cap_w = seen.enforced_w / len(node.cards)
            card.set_limit_w(min(max(cap_w, card.spec.min_w), card.spec.max_w))
        node.engine.set_batch_limit(seen.batch_limit)
