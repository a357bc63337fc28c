"""The event simulator of a serving node: replicas admit, prefill and decode step by step.

Compiled; everything lives in the arrays of `State`. A replica is always at one of its steps or
idle; the one whose next event comes first moves, so that the shared queue is served in order.
"""

import math
from typing import Any, Final

import numpy as np
from numba import njit

from integrations.twin.coefficients import Coefficients
from integrations.twin.latency import BIN_LOG, BINS, FIRST_MS
from integrations.twin.physics import clock_under, power_w, slowdown, work
from integrations.twin.state import (
    FINISHED,
    FIRST_TOKENS,
    HEAD,
    SENSOR_RING,
    SENSOR_S,
    SLOT_S,
    SLOTS,
    TAIL,
    Floats,
    Records,
    State,
)

inner: Final = njit(  # type: ignore[call-overload]
    cache=True, error_model="numpy", no_cpython_wrapper=True, no_cfunc_wrapper=True
)
"""For what only compiled code calls: without a way in from Python it compiles faster."""

POWER_TAU_S: Final = 0.15
LEAST_CHUNK: Final = 256


@njit(cache=True, error_model="numpy")
def advance(s: State, c: Coefficients, sampled: float, until_s: float) -> None:
    """Let the node run until a moment. `sampled`: the share of time that the power sensor sees."""
    size = s.cards.size // s.replicas.size
    while True:
        index, event_s = _next_event(s)
        if event_s > until_s:
            break
        r = s.replicas[index]
        cards, seen_w = _own(s, index, size)
        _spend(r, cards, seen_w, sampled, event_s)
        if r.busy:
            _end_step(s, index, r)
        _admit(s, index, r, event_s)
        _start_step(r, cards, c, event_s)
    for index in range(s.replicas.size):
        cards, seen_w = _own(s, index, size)
        _spend(s.replicas[index], cards, seen_w, sampled, until_s)


@njit(cache=True, error_model="numpy")
def retune(replicas: Records, cards: Records, c: Coefficients, now_s: float) -> None:
    """Steps in progress go on at the clocks that the present caps and locks allow."""
    size = cards.size // replicas.size
    for index in range(replicas.size):
        r = replicas[index]
        if r.busy:
            left = (r.end_s - now_s) / r.length_s
            r.length_s = _set_targets(r, cards[index * size : (index + 1) * size], c)
            r.end_s = now_s + left * r.length_s


@inner
def _own(s: State, index: int, size: int) -> tuple[Records, Floats]:
    first, end = index * size, (index + 1) * size
    return s.cards[first:end], s.sampled_w[first:end]


@inner
def _next_event(s: State) -> tuple[int, float]:
    first, first_s = 0, math.inf
    for index in range(s.replicas.size):
        r = s.replicas[index]
        event_s = math.inf
        if r.busy:
            event_s = r.end_s
        elif s.counts[HEAD] < s.counts[TAIL] and r.limit > 0:
            event_s = max(r.at_s, s.requests[s.counts[HEAD]].arrival_s)
        if event_s < first_s:
            first, first_s = index, event_s
    return first, first_s


@inner
def _admit(s: State, index: int, r: Any, now_s: float) -> None:
    """Take waiting requests in while this replica has room and none with room has less to do."""
    while (
        s.counts[HEAD] < s.counts[TAIL]
        and s.requests[s.counts[HEAD]].arrival_s <= now_s
        and r.decoding + r.queue_count < r.limit
        and _takes(s, r.decoding + r.queue_count, now_s)
    ):
        request = s.requests[s.counts[HEAD]]
        place = s.queue[index, (r.queue_head + r.queue_count) % s.queue.shape[1]]
        place.arrival_s = request.arrival_s
        place.prompt = request.prompt
        place.output = request.output
        r.queue_count += 1
        r.queue_tokens += request.prompt
        s.counts[HEAD] += 1


@inner
def _takes(s: State, running: int, now_s: float) -> bool:
    """Whether a replica with so many running requests is the one to take the next."""
    room, least = 0, running
    for index in range(s.replicas.size):
        other = s.replicas[index]
        busy = other.decoding + other.queue_count
        if busy < other.limit:
            room += other.limit - busy
            least = min(least, busy)
    if running <= least:
        return True
    last = s.counts[HEAD] + room - 1
    return last < s.counts[TAIL] and s.requests[last].arrival_s <= now_s  # type: ignore[no-any-return]


@inner
def _start_step(r: Any, cards: Records, c: Coefficients, now_s: float) -> None:
    r.busy = r.decoding + r.queue_count > 0
    if not r.busy:
        for card in range(cards.size):
            cards[card].target_w = min(c.idle_w, cards[card].cap_w)
        return
    r.batch = r.decoding
    r.chunk = min(max(int(c.chunk_tokens) - r.decoding, LEAST_CHUNK), r.queue_tokens)
    r.noise = math.exp(c.jitter * _normal(r) - 0.5 * c.jitter * c.jitter)
    r.start_s = now_s
    r.length_s = _set_targets(r, cards, c)
    r.end_s = now_s + r.length_s


@inner
def _set_targets(r: Any, cards: Records, c: Coefficients) -> float:
    """Clocks and powers of a replica's cards for the step in progress; its length in seconds.

    The slowest card sets the pace; the others wait for it at their own clocks.
    """
    load = work(c, float(r.batch), float(r.chunk))
    pace = 1.0
    for index in range(cards.size):
        card = cards[index]
        if index > 0 and card.cap_w == cards[index - 1].cap_w:
            card.clock = cards[index - 1].clock
        else:
            card.clock = clock_under(c, load, card.cap_w, card.most)
        pace = min(pace, card.clock)
    slow = slowdown(c, load, pace)
    for index in range(cards.size):
        cards[index].target_w = power_w(c, load, cards[index].clock, 1.0 / slow)
    return 0.001 * load.step_ms * slow * r.noise  # type: ignore[no-any-return]


@inner
def _end_step(s: State, index: int, r: Any) -> None:
    if r.batch > 0:
        _log_step(s, r.end_s, 1000.0 * (r.end_s - r.start_s), r.batch)
    place = r.number % s.finish.shape[1]
    s.counts[FINISHED] += s.finish[index, place]
    r.decoding -= s.finish[index, place]
    s.finish[index, place] = 0
    r.tokens += r.batch
    _end_chunk(s, index, r)
    r.number += 1


@inner
def _end_chunk(s: State, index: int, r: Any) -> None:
    """Whoever's prompt is complete gets its first token and decodes from the next step on."""
    left = r.chunk
    r.queue_tokens -= left
    while r.queue_count > 0:
        request = s.queue[index, r.queue_head]
        taken = min(left, request.prompt)
        left -= taken
        request.prompt -= taken
        if request.prompt > 0:
            return
        _log_first(s.firsts, s.counts, r.end_s, request.arrival_s)
        r.tokens += 1
        r.queue_head = (r.queue_head + 1) % s.queue.shape[1]
        r.queue_count -= 1
        if request.output > 1:
            r.decoding += 1
            s.finish[index, (r.number + request.output - 1) % s.finish.shape[1]] += 1
        else:
            s.counts[FINISHED] += 1


@inner
def _log_step(s: State, now_s: float, ms: float, tokens: int) -> None:
    place = min(max(int(math.log(ms / FIRST_MS) / BIN_LOG), 0), BINS - 1)
    s.itl[place] += tokens
    s.itl_total_ms[0] += tokens * ms
    number = int(now_s / SLOT_S)
    slot = s.slots[number % SLOTS]
    if slot.number != number:
        slot.number = number
        slot.total_ms = 0.0
        s.recent[number % SLOTS, :] = 0.0
    slot.total_ms += tokens * ms
    s.recent[number % SLOTS, place] += tokens


@inner
def _log_first(firsts: Records, counts: Any, now_s: float, arrival_s: float) -> None:
    first = firsts[counts[FIRST_TOKENS] % firsts.size]
    first.at_s = now_s
    first.ms = 1000.0 * (now_s - arrival_s)
    counts[FIRST_TOKENS] += 1


@inner
def _spend(r: Any, cards: Records, seen_w: Floats, sampled: float, until_s: float) -> None:
    """Integrate the cards' power up to a moment, stopping where their sensors open and close."""
    while True:
        edge_s = SENSOR_S * (r.edge // 2 + sampled * (r.edge % 2))
        _follow(r, cards, min(edge_s, until_s))
        if edge_s > until_s:
            return
        _sense(r.edge, cards, seen_w, sampled)
        r.edge += 1


@inner
def _follow(r: Any, cards: Records, until_s: float) -> None:
    """Power goes to its target with a first-order lag."""
    dt_s = until_s - r.at_s
    if dt_s <= 0.0:
        return
    r.at_s = until_s
    gone = -math.expm1(-dt_s / POWER_TAU_S)
    for index in range(cards.size):
        card = cards[index]
        excess_w = card.power_w - card.target_w
        card.energy_j += card.target_w * dt_s + excess_w * POWER_TAU_S * gone
        card.power_w -= excess_w * gone


@inner
def _sense(edge: int, cards: Records, seen_w: Floats, sampled: float) -> None:
    for index in range(cards.size):
        card = cards[index]
        if edge % 2 == 0:
            card.opened_j = card.energy_j
            card.counter_j = card.energy_j
        else:
            mean_w = (card.energy_j - card.opened_j) / (SENSOR_S * sampled)
            seen_w[index, (edge // 2) % SENSOR_RING] = mean_w


@inner
def _uniform(r: Any) -> float:
    """The next number of a replica's own xorshift generator, above 0 and at most 1."""
    x = r.random
    x ^= x << np.uint64(13)
    x ^= x >> np.uint64(7)
    x ^= x << np.uint64(17)
    r.random = x
    return (float(x >> np.uint64(11)) + 1.0) / 9007199254740993.0


@inner
def _normal(r: Any) -> float:
    radius = math.sqrt(-2.0 * math.log(_uniform(r)))
    return radius * math.cos(2.0 * math.pi * _uniform(r))
