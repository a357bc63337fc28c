"""A simulated serving engine: requests wait, run together at one pace, and finish."""

import heapq
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from integrations.twin.cards import GpuSpec
from integrations.twin.serving import ModelSpec, max_batch_of, replicas_of
from orchestrator.domain.errors import EngineError, InvalidInput

WINDOW_S: Final = 5.0
PATIENCE_S: Final = 60.0
QUEUE_FACTOR: Final = 4


@dataclass(slots=True)
class Counters:
    """Totals that survive a restart of the engine, for reports and tests."""

    tokens: float = 0.0
    tokens_dropped: float = 0.0
    requests: int = 0
    finished: int = 0
    dropped: int = 0


@dataclass(frozen=True, slots=True)
class Latencies:
    """Over the last five seconds, in milliseconds; None while nothing was served."""

    itl_mean_ms: float | None
    itl_p95_ms: float | None
    itl_p99_ms: float | None
    ttft_mean_ms: float | None
    ttft_p95_ms: float | None


class Engine:
    """The engine of one node. Batch sizes count requests on the whole node.

    Every running request gains tokens at the same pace, so each is one entry in a heap keyed by
    the progress at which it ends. Lowering the batch limit drains; it never preempts.
    """

    def __init__(self, gpu: GpuSpec, model: ModelSpec, gpus: int) -> None:
        self.gpu = gpu
        self.model = model
        self.replicas = replicas_of(model, gpus)
        self.max_batch = max_batch_of(model, gpus)
        self.total = Counters()
        self._waiting: deque[tuple[float, float]] = deque()
        self._running: list[float] = []
        self._start()

    def _start(self) -> None:
        self.healthy = True
        self.batch_limit = self.max_batch
        self.generation_tokens = 0.0
        self._progress = 0.0
        self._steps: deque[tuple[float, float, float, float]] = deque()
        self._ttfts: deque[tuple[float, float]] = deque()

    @property
    def running(self) -> int:
        """Requests that generate tokens now."""
        return len(self._running)

    @property
    def waiting(self) -> int:
        """Requests that arrived and were not admitted yet."""
        return len(self._waiting)

    @property
    def replica_batch(self) -> float:
        """Running requests per replica; the load balancer spreads them evenly."""
        return len(self._running) / self.replicas

    @property
    def kv_usage(self) -> float:
        """Share of the key-value cache in use, taken as proportional to what runs."""
        return min(1.0, len(self._running) / (1.1 * self.max_batch))

    def set_batch_limit(self, limit: int) -> None:
        """Admit up to `limit` requests; InvalidInput outside 1..max_batch, EngineError if down."""
        if not self.healthy:
            raise EngineError("the engine is starting; set the batch limit when it is healthy")
        if not 1 <= limit <= self.max_batch:
            raise InvalidInput(f"batch limit {limit} is outside 1-{self.max_batch}")
        self.batch_limit = limit

    def stop(self) -> None:
        """The engine dies with everything it held; the lost requests are counted."""
        lost = [end - self._progress for end in self._running]
        lost += [tokens for _, tokens in self._waiting]
        self._drop(lost)
        self._running.clear()
        self._waiting.clear()
        self.healthy = False

    def start(self) -> None:
        """Come up empty, at the largest batch, with counters at zero."""
        self._start()

    def step(
        self, now_s: float, arrivals: Sequence[float], clocks: Sequence[float], dt_s: float
    ) -> None:
        """Let `dt_s` pass: take arrivals in, admit what fits, generate, and let go what ended."""
        self.total.requests += len(arrivals)
        if not self.healthy:
            self._drop(arrivals)
            return
        room = max(0, QUEUE_FACTOR * self.max_batch - len(self._waiting))
        self._waiting.extend((now_s, tokens) for tokens in arrivals[:room])
        self._drop(arrivals[room:])
        self._expire(now_s)
        self._admit(now_s)
        self._generate(now_s, clocks, dt_s)

    def _drop(self, lengths: Sequence[float]) -> None:
        self.total.dropped += len(lengths)
        self.total.tokens_dropped += sum(lengths)

    def _expire(self, now_s: float) -> None:
        while self._waiting and now_s - self._waiting[0][0] > PATIENCE_S:
            self._drop([self._waiting.popleft()[1]])

    def _admit(self, now_s: float) -> None:
        while self._waiting and len(self._running) < self.batch_limit:
            arrived_s, tokens = self._waiting.popleft()
            heapq.heappush(self._running, self._progress + tokens)
            self._ttfts.append((now_s, 1000.0 * (now_s - arrived_s) + self.model.prefill_ms))
        while self._ttfts and self._ttfts[0][0] < now_s - WINDOW_S:
            self._ttfts.popleft()

    def _generate(self, now_s: float, clocks: Sequence[float], dt_s: float) -> None:
        while self._steps and self._steps[0][0] < now_s - WINDOW_S:
            self._steps.popleft()
        if not self._running:
            return
        batch = self.replica_batch
        pace = self.model.steps_per_s(self.gpu, batch, clocks)
        tokens = len(self._running) * pace * dt_s
        self._progress += pace * dt_s
        while self._running and self._running[0] <= self._progress:
            tokens -= self._progress - heapq.heappop(self._running)
            self.total.finished += 1
        self.generation_tokens += tokens
        self.total.tokens += tokens
        self._steps.append((now_s, tokens, 1000.0 / pace, batch))

    def latencies(self) -> Latencies:
        """Means weighted by tokens; a percentile is the mean of the steps' own percentiles."""
        weight = sum(tokens for _, tokens, _, _ in self._steps)
        ttfts = sorted(ttft for _, ttft in self._ttfts)
        return Latencies(
            itl_mean_ms=self._weighted(weight, 0.0),
            itl_p95_ms=self._weighted(weight, self.model.p95_spread),
            itl_p99_ms=self._weighted(weight, self.model.p99_spread),
            ttft_mean_ms=sum(ttfts) / len(ttfts) if ttfts else None,
            ttft_p95_ms=ttfts[int(0.95 * (len(ttfts) - 1))] if ttfts else None,
        )

    def _weighted(self, weight: float, spread: float) -> float | None:
        if weight <= 0.0:
            return None
        tail = self.model.tail
        steps = self._steps
        return sum(tokens * ms * tail(batch, spread) for _, tokens, ms, batch in steps) / weight
