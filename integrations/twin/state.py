"""The whole state of a simulated node as arrays, so that compiled code can advance it.

R replicas, G cards, N requests. Times in seconds of the node's own clock.
"""

from typing import Final, NamedTuple

import numpy as np
import numpy.typing as npt

from integrations.twin.latency import BINS

SLOTS: Final = 11
SLOT_S: Final = 0.5
SENSOR_S: Final = 0.1
SENSOR_RING: Final = 16

HEAD, TAIL, FIRST_TOKENS, FINISHED = 0, 1, 2, 3
"""Indices into `counts`: next request to admit, end of the requests, first tokens, finished."""

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]


class State(NamedTuple):
    """One node. `replica_cards` is G / R.

    Requests: arrival_s, prompt, output (N,), in order of arrival; counts (4,).
    Replicas (R,): limit of running requests; busy; at_s, to where power is integrated; start_s,
    end_s, length_s of the step in progress, its batch and chunk of prompt tokens, its number;
    noise, its jitter; decoding; tokens made; random, the generator's state.
    finish (R, M): decoding requests that end with step i modulo M.
    Prefill queue (R, Q) as a ring: queue_arrival_s, queue_left, queue_output, queue_head and
    queue_count (R,), queue_tokens (R,).
    Cards (G,): cap_w; most, the locked relative clock; clock; speed; power_w now; target_w;
    energy_j. Sensor (G,): opened_j, counter_j; sampled_w (G, ring); edge (R,), its next edge.
    Latency: itl (BINS,), itl_total_ms (1,), recent (slots, BINS), recent_ms, slot (slots,);
    first_at_s, first_ms, a ring of first tokens.
    """

    arrival_s: Floats
    prompt: Ints
    output: Ints
    counts: Ints
    limit: Ints
    busy: npt.NDArray[np.bool_]
    at_s: Floats
    start_s: Floats
    end_s: Floats
    length_s: Floats
    batch: Ints
    chunk: Ints
    number: Ints
    noise: Floats
    decoding: Ints
    tokens: Floats
    random: npt.NDArray[np.uint64]
    finish: Ints
    queue_arrival_s: Floats
    queue_left: Ints
    queue_output: Ints
    queue_head: Ints
    queue_count: Ints
    queue_tokens: Ints
    cap_w: Floats
    most: Floats
    clock: Floats
    power_w: Floats
    target_w: Floats
    energy_j: Floats
    opened_j: Floats
    counter_j: Floats
    sampled_w: Floats
    edge: Ints
    itl: Floats
    itl_total_ms: Floats
    recent: Floats
    recent_ms: Floats
    slot: Ints
    first_at_s: Floats
    first_ms: Floats

    def copy(self) -> "State":
        """An independent copy; the requests, which nobody writes, are shared."""
        shared = {"arrival_s", "prompt", "output"}
        own = {name: array.copy() for name, array in self._asdict().items() if name not in shared}
        return self._replace(**own)


def _empty_queue(replicas: int, room: int) -> dict[str, npt.NDArray[np.generic]]:
    return {
        "queue_arrival_s": np.zeros((replicas, room)),
        "queue_left": np.zeros((replicas, room), np.int64),
        "queue_output": np.zeros((replicas, room), np.int64),
        "queue_head": np.zeros(replicas, np.int64),
        "queue_count": np.zeros(replicas, np.int64),
        "queue_tokens": np.zeros(replicas, np.int64),
    }


def _idle_cards(cards: int, cap_w: float, idle_w: float) -> dict[str, npt.NDArray[np.generic]]:
    return {
        "cap_w": np.full(cards, cap_w),
        "most": np.ones(cards),
        "clock": np.ones(cards),
        "power_w": np.full(cards, idle_w),
        "target_w": np.full(cards, idle_w),
        "energy_j": np.zeros(cards),
        "opened_j": np.zeros(cards),
        "counter_j": np.zeros(cards),
        "sampled_w": np.full((cards, SENSOR_RING), idle_w),
    }


def _no_latencies(first_tokens: int) -> dict[str, npt.NDArray[np.generic]]:
    return {
        "itl": np.zeros(BINS),
        "itl_total_ms": np.zeros(1),
        "recent": np.zeros((SLOTS, BINS)),
        "recent_ms": np.zeros(SLOTS),
        "slot": np.full(SLOTS, -1, np.int64),
        "first_at_s": np.zeros(first_tokens),
        "first_ms": np.zeros(first_tokens),
    }


def new_state(
    requests: tuple[Floats, Ints, Ints],
    *,
    replicas: int,
    cards: int,
    room: int,
    longest: int,
    first_tokens: int,
    cap_w: float,
    idle_w: float,
    seed: int,
) -> State:
    """An idle node at time 0.

    requests: arrival_s, prompt, output (N,). room: the most requests on a replica. longest: the
    most output tokens of a request. first_tokens: how many first tokens are remembered.
    """
    arrival_s, prompt, output = requests
    integers = np.zeros((5, replicas), np.int64)
    times = np.zeros((6, replicas))
    return State(
        arrival_s=arrival_s,
        prompt=prompt,
        output=output,
        counts=np.array([0, arrival_s.size, 0, 0], np.int64),
        limit=np.full(replicas, room, np.int64),
        busy=np.zeros(replicas, np.bool_),
        at_s=times[0].copy(),
        start_s=times[1].copy(),
        end_s=times[2].copy(),
        length_s=times[3].copy(),
        batch=integers[0].copy(),
        chunk=integers[1].copy(),
        number=integers[2].copy(),
        noise=np.ones(replicas),
        decoding=integers[3].copy(),
        tokens=times[4].copy(),
        random=np.random.default_rng(seed).integers(1, 2**63, replicas).astype(np.uint64),
        finish=np.zeros((replicas, longest + 2), np.int64),
        edge=integers[4].copy(),
        **_empty_queue(replicas, room + 1),  # type: ignore[arg-type]
        **_idle_cards(cards, cap_w, idle_w),  # type: ignore[arg-type]
        **_no_latencies(first_tokens),  # type: ignore[arg-type]
    )
