"""The serving engine of a simulated site's node: it queues, loses and restarts."""

from dataclasses import dataclass
from typing import Final

import numpy as np

from integrations.twin.machine import Machine
from integrations.twin.state import FIRST_TOKENS, HEAD, REQUEST, TAIL, Records
from integrations.twin.windows import Latencies, recent_latencies
from orchestrator.domain.errors import EngineError

PATIENCE_S: Final = 60.0
QUEUE_FACTOR: Final = 4


@dataclass(frozen=True, slots=True)
class Counters:
    """Totals that survive a restart of the engine, for reports and tests."""

    tokens: float
    tokens_dropped: float
    requests: int
    finished: int
    dropped: int


def queue_room(max_batch: int) -> Records:
    """An empty buffer for the requests that wait, twice as long as the queue may get."""
    return np.zeros(2 * QUEUE_FACTOR * max_batch, REQUEST)


class Engine:
    """The engine of one node. Batch sizes count requests on the whole node.

    A bounded queue of requests with a bounded patience, in front of the simulator's replicas.
    """

    def __init__(self, machine: Machine) -> None:
        self.machine = machine
        self.max_batch = machine.deployment.max_batch
        self.healthy = True
        self._tokens_before = 0.0
        self._requests = self._dropped = 0
        self._tokens_dropped = 0.0
        self._counts = machine.state.counts
        self._counts[HEAD] = self._counts[TAIL] = 0

    @property
    def batch_limit(self) -> int:
        """The most requests that may run now."""
        return self.machine.batch_limit

    @property
    def running(self) -> int:
        """Requests that prefill or generate now."""
        return self.machine.running

    @property
    def waiting(self) -> int:
        """Requests that arrived and were not admitted yet."""
        return int(self._counts[TAIL] - self._counts[HEAD])

    @property
    def generation_tokens(self) -> float:
        """Output tokens since the engine started."""
        return self.machine.tokens - self._tokens_before

    @property
    def kv_usage(self) -> float:
        """Share of the key-value cache in use, taken as proportional to what runs."""
        return min(1.0, self.running / (1.1 * self.max_batch))

    @property
    def total(self) -> Counters:
        """Everything since the plant was built."""
        return Counters(
            self.machine.tokens,
            self._tokens_dropped,
            self._requests,
            self.machine.finished,
            self._dropped,
        )

    def set_batch_limit(self, limit: int) -> None:
        """Admit up to `limit` requests; InvalidInput outside 1..max_batch, EngineError if down."""
        if not self.healthy:
            raise EngineError("the engine is starting; set the batch limit when it is healthy")
        self.machine.set_batch_limit(limit)

    def offer(self, arrivals: Records) -> None:
        """Queue what arrives now; what finds the engine down or the queue full is dropped."""
        self._requests += arrivals.size
        self._expire()
        room = QUEUE_FACTOR * self.max_batch - self.waiting if self.healthy else 0
        self._drop(arrivals["output"][room:])
        self._queue(arrivals[:room])

    def _queue(self, taken: Records) -> None:
        requests = self.machine.state.requests
        head, tail = int(self._counts[HEAD]), int(self._counts[TAIL])
        if tail + taken.size > requests.size:
            requests[: tail - head] = requests[head:tail].copy()
            head, tail = 0, tail - head
        requests[tail : tail + taken.size] = taken
        self._counts[HEAD], self._counts[TAIL] = head, tail + taken.size

    def _expire(self) -> None:
        waiting = self.machine.state.requests[self._counts[HEAD] : self._counts[TAIL]]
        oldest_s = self.machine.time_s - PATIENCE_S
        late = int(np.searchsorted(waiting["arrival_s"], oldest_s))
        self._drop(waiting["output"][:late])
        self._counts[HEAD] += late

    def _drop(self, lengths: Records) -> None:
        self._dropped += lengths.size
        self._tokens_dropped += float(lengths.sum())

    def stop(self) -> None:
        """The engine dies with everything it held; the lost requests are counted."""
        self._drop(self.machine.halt())
        self.healthy = False

    def start(self) -> None:
        """Come up empty, at the largest batch, with counters at zero."""
        self.healthy = True
        self.machine.set_batch_limit(self.max_batch)
        self._tokens_before = self.machine.tokens
        self.machine.state.recent[:] = 0.0
        self._counts[FIRST_TOKENS] = 0

    def latencies(self) -> Latencies:
        """What the requests felt over the last five seconds."""
        return recent_latencies(self.machine.state, self.machine.time_s)
