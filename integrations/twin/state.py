"""The whole state of a simulated node as arrays, so that compiled code can advance it.

R replicas, G cards, N requests. Times in seconds of the node's own clock.
"""

from typing import Any, Final, NamedTuple

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
Records = npt.NDArray[Any]

REQUEST: Final = np.dtype([("arrival_s", "f8"), ("prompt", "i8"), ("output", "i8")])

REPLICA: Final = np.dtype(
    [
        ("limit", "i8"),  # requests that may run
        ("decoding", "i8"),  # requests past their prompt
        ("busy", "?"),  # whether a step is in progress
        ("at_s", "f8"),  # to where the cards' power is integrated
        ("start_s", "f8"),  # of the step in progress
        ("end_s", "f8"),
        ("length_s", "f8"),  # of the whole step at its present clock
        ("noise", "f8"),  # its jitter
        ("batch", "i8"),  # requests that decode in it
        ("chunk", "i8"),  # prompt tokens that it prefills
        ("number", "i8"),  # steps before it
        ("tokens", "i8"),  # output so far
        ("edge", "i8"),  # the next moment at which the power sensors open or close
        ("queue_head", "i8"),  # the prefill queue: its first place, requests and prompt tokens
        ("queue_count", "i8"),
        ("queue_tokens", "i8"),
        ("random", "u8"),  # state of its generator
    ]
)

CARD: Final = np.dtype(
    [
        ("cap_w", "f8"),
        ("most", "f8"),  # the locked clock over the highest
        ("clock", "f8"),
        ("target_w", "f8"),
        ("power_w", "f8"),
        ("energy_j", "f8"),
        ("opened_j", "f8"),  # energy when the sensor last opened
        ("counter_j", "f8"),  # what the energy counter shows
    ]
)

SLOT: Final = np.dtype([("number", "i8"), ("total_ms", "f8")])
FIRST: Final = np.dtype([("at_s", "f8"), ("ms", "f8")])


class State(NamedTuple):
    """One node.

    requests (N,) in order of arrival; counts (4,); replicas (R,); cards (G,).
    finish (R, M): decoding requests that end with step i modulo M. queue (R, Q): requests that
    prefill, a ring each, their prompts shrinking. sampled_w (G, ring): what the power sensors saw.
    itl (BINS,), itl_total_ms (1,): inter-token latencies since the start; recent (slots, BINS),
    slots (slots,): of the last seconds; firsts, a ring of first tokens.
    """

    requests: Records
    counts: Ints
    replicas: Records
    cards: Records
    finish: Ints
    queue: Records
    sampled_w: Floats
    itl: Floats
    itl_total_ms: Floats
    recent: Floats
    slots: Records
    firsts: Records

    def copy(self) -> "State":
        """An independent copy; the requests, which nobody writes, are shared."""
        own = {name: array.copy() for name, array in self._asdict().items() if name != "requests"}
        return self._replace(**own)


def new_state(
    requests: Records,
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

    requests: (N,) of REQUEST. room: the most requests on a replica. longest: the most output tokens
    of a request. first_tokens: how many first tokens are remembered.
    """
    return State(
        requests=requests,
        counts=np.array([0, requests.size, 0, 0], np.int64),
        replicas=_replicas(replicas, room, seed),
        cards=_cards(cards, cap_w, idle_w),
        finish=np.zeros((replicas, longest + 2), np.int64),
        queue=np.zeros((replicas, room + 1), REQUEST),
        sampled_w=np.full((cards, SENSOR_RING), idle_w),
        itl=np.zeros(BINS),
        itl_total_ms=np.zeros(1),
        recent=np.zeros((SLOTS, BINS)),
        slots=np.zeros(SLOTS, SLOT),
        firsts=np.zeros(first_tokens, FIRST),
    )


def _replicas(count: int, room: int, seed: int) -> Records:
    made = np.zeros(count, REPLICA)
    made["limit"] = room
    made["random"] = np.random.default_rng(seed).integers(1, 2**63, count)
    return made


def _cards(count: int, cap_w: float, idle_w: float) -> Records:
    made = np.zeros(count, CARD)
    made["cap_w"] = cap_w
    made["most"] = made["clock"] = 1.0
    made["target_w"] = made["power_w"] = idle_w
    return made
