"""The event simulator of a serving node: replicas admit, prefill and decode step by step.

Compiled; everything lives in the arrays of `State`. A replica is always at one of its steps or
idle; the one whose next event comes first moves, so that the shared queue is served in order.
"""

import math
from typing import Final

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
    State,
)

POWER_TAU_S: Final = 0.15
LEAST_CHUNK: Final = 256


@njit(cache=True)
def advance(s: State, c: Coefficients, sampled: float, until_s: float) -> None:
    """Let the node run until a moment. `sampled`: the share of time that the power sensor sees."""
    while True:
        replica, event_s = _next_event(s)
        if event_s > until_s:
            break
        _spend(s, sampled, replica, event_s)
        if s.busy[replica]:
            _end_step(s, replica)
        _start_step(s, c, replica, event_s)
    for replica in range(s.limit.size):
        _spend(s, sampled, replica, until_s)


@njit(cache=True)
def retune(s: State, c: Coefficients, now_s: float) -> None:
    """Steps in progress go on at the clocks that the present caps and locks allow."""
    for replica in range(s.limit.size):
        if s.busy[replica]:
            left = (s.end_s[replica] - now_s) / s.length_s[replica]
            s.length_s[replica] = _set_targets(s, c, replica)
            s.end_s[replica] = now_s + left * s.length_s[replica]


@njit(cache=True)
def _next_event(s: State) -> tuple[int, float]:
    first, first_s = 0, math.inf
    for replica in range(s.limit.size):
        event_s = math.inf
        if s.busy[replica]:
            event_s = s.end_s[replica]
        elif s.counts[HEAD] < s.counts[TAIL] and s.limit[replica] > 0:
            event_s = max(s.at_s[replica], s.arrival_s[s.counts[HEAD]])
        if event_s < first_s:
            first, first_s = replica, event_s
    return first, first_s


@njit(cache=True)
def _running(s: State, replica: int) -> int:
    return s.decoding[replica] + s.queue_count[replica]  # type: ignore[no-any-return]


@njit(cache=True)
def _admit(s: State, replica: int, now_s: float) -> None:
    """Take waiting requests in while this replica has room and none with room has less to do."""
    while (
        s.counts[HEAD] < s.counts[TAIL]
        and s.arrival_s[s.counts[HEAD]] <= now_s
        and _running(s, replica) < s.limit[replica]
        and _takes(s, replica, now_s)
    ):
        request = s.counts[HEAD]
        place = (s.queue_head[replica] + s.queue_count[replica]) % s.queue_left.shape[1]
        s.queue_arrival_s[replica, place] = s.arrival_s[request]
        s.queue_left[replica, place] = s.prompt[request]
        s.queue_output[replica, place] = s.output[request]
        s.queue_count[replica] += 1
        s.queue_tokens[replica] += s.prompt[request]
        s.counts[HEAD] += 1


@njit(cache=True)
def _takes(s: State, replica: int, now_s: float) -> bool:
    room, least = 0, _running(s, replica)
    for other in range(s.limit.size):
        free = s.limit[other] - _running(s, other)
        if free > 0:
            room += free
            least = min(least, _running(s, other))
    if _running(s, replica) <= least:
        return True
    last = s.counts[HEAD] + room - 1
    return last < s.counts[TAIL] and s.arrival_s[last] <= now_s  # type: ignore[no-any-return]


@njit(cache=True)
def _start_step(s: State, c: Coefficients, replica: int, now_s: float) -> None:
    _admit(s, replica, now_s)
    if _running(s, replica) == 0:
        _rest(s, c, replica)
        return
    budget = max(int(c.chunk_tokens) - s.decoding[replica], LEAST_CHUNK)
    s.batch[replica] = s.decoding[replica]
    s.chunk[replica] = min(budget, s.queue_tokens[replica])
    s.noise[replica] = math.exp(c.jitter * _normal(s, replica) - 0.5 * c.jitter * c.jitter)
    s.busy[replica] = True
    s.start_s[replica] = now_s
    s.length_s[replica] = _set_targets(s, c, replica)
    s.end_s[replica] = now_s + s.length_s[replica]


@njit(cache=True)
def _rest(s: State, c: Coefficients, replica: int) -> None:
    s.busy[replica] = False
    size = s.cap_w.size // s.limit.size
    for card in range(replica * size, (replica + 1) * size):
        s.target_w[card] = min(c.idle_w, s.cap_w[card])
        s.clock[card] = s.most[card]


@njit(cache=True)
def _set_targets(s: State, c: Coefficients, replica: int) -> float:
    """Clocks and powers of a replica's cards for the step in progress; its length in seconds.

    The slowest card sets the pace; the others wait for it at their own clocks.
    """
    load = work(c, float(s.batch[replica]), float(s.chunk[replica]))
    size = s.cap_w.size // s.limit.size
    first = replica * size
    pace = 1.0
    for card in range(first, first + size):
        same = card > first and s.cap_w[card] == s.cap_w[card - 1]
        s.clock[card] = (
            s.clock[card - 1] if same else clock_under(c, load, s.cap_w[card], s.most[card])
        )
        pace = min(pace, s.clock[card])
    slow = slowdown(c, load, pace)
    for card in range(first, first + size):
        s.target_w[card] = power_w(c, load, s.clock[card], 1.0 / slow)
    return 0.001 * load.step_ms * slow * s.noise[replica]  # type: ignore[no-any-return]


@njit(cache=True)
def _end_step(s: State, replica: int) -> None:
    now_s, batch = s.end_s[replica], s.batch[replica]
    if batch > 0:
        _log_step(s, now_s, 1000.0 * (now_s - s.start_s[replica]), batch)
    place = s.number[replica] % s.finish.shape[1]
    done = s.finish[replica, place]
    s.finish[replica, place] = 0
    s.decoding[replica] -= done
    s.counts[FINISHED] += done
    s.tokens[replica] += batch
    _end_chunk(s, replica, now_s)
    s.number[replica] += 1


@njit(cache=True)
def _end_chunk(s: State, replica: int, now_s: float) -> None:
    """Whoever's prompt is complete gets its first token and decodes from the next step on."""
    left = s.chunk[replica]
    s.queue_tokens[replica] -= left
    while s.queue_count[replica] > 0:
        place = s.queue_head[replica]
        taken = min(left, s.queue_left[replica, place])
        left -= taken
        s.queue_left[replica, place] -= taken
        if s.queue_left[replica, place] > 0:
            return
        _log_first(s, now_s, 1000.0 * (now_s - s.queue_arrival_s[replica, place]))
        s.tokens[replica] += 1.0
        s.queue_head[replica] = (place + 1) % s.queue_left.shape[1]
        s.queue_count[replica] -= 1
        more = s.queue_output[replica, place] - 1
        if more > 0:
            s.decoding[replica] += 1
            s.finish[replica, (s.number[replica] + more) % s.finish.shape[1]] += 1
        else:
            s.counts[FINISHED] += 1


@njit(cache=True)
def _log_step(s: State, now_s: float, ms: float, tokens: int) -> None:
    place = min(max(int(math.log(ms / FIRST_MS) / BIN_LOG), 0), BINS - 1)
    s.itl[place] += tokens
    s.itl_total_ms[0] += tokens * ms
    slot = int(now_s / SLOT_S)
    row = slot % SLOTS
    if s.slot[row] != slot:
        s.slot[row] = slot
        s.recent[row, :] = 0.0
        s.recent_ms[row] = 0.0
    s.recent[row, place] += tokens
    s.recent_ms[row] += tokens * ms


@njit(cache=True)
def _log_first(s: State, now_s: float, ms: float) -> None:
    if s.first_ms.size > 0:
        place = s.counts[FIRST_TOKENS] % s.first_ms.size
        s.first_at_s[place] = now_s
        s.first_ms[place] = ms
        s.counts[FIRST_TOKENS] += 1


@njit(cache=True)
def _spend(s: State, sampled: float, replica: int, until_s: float) -> None:
    """Integrate the cards' power up to a moment, stopping where their sensors open and close."""
    while True:
        edge = s.edge[replica]
        edge_s = SENSOR_S * (edge // 2 + sampled * (edge % 2))
        _follow(s, replica, min(edge_s, until_s))
        if edge_s > until_s:
            return
        _sense(s, replica, edge, sampled)
        s.edge[replica] += 1


@njit(cache=True)
def _follow(s: State, replica: int, until_s: float) -> None:
    """Power goes to its target with a first-order lag."""
    dt_s = until_s - s.at_s[replica]
    if dt_s <= 0.0:
        return
    s.at_s[replica] = until_s
    gone = -math.expm1(-dt_s / POWER_TAU_S)
    size = s.cap_w.size // s.limit.size
    for card in range(replica * size, (replica + 1) * size):
        excess_w = s.power_w[card] - s.target_w[card]
        s.energy_j[card] += s.target_w[card] * dt_s + excess_w * POWER_TAU_S * gone
        s.power_w[card] -= excess_w * gone


@njit(cache=True)
def _sense(s: State, replica: int, edge: int, sampled: float) -> None:
    size = s.cap_w.size // s.limit.size
    for card in range(replica * size, (replica + 1) * size):
        if edge % 2 == 0:
            s.opened_j[card] = s.energy_j[card]
            s.counter_j[card] = s.energy_j[card]
        else:
            seen_w = (s.energy_j[card] - s.opened_j[card]) / (SENSOR_S * sampled)
            s.sampled_w[card, (edge // 2) % SENSOR_RING] = seen_w


@njit(cache=True)
def _uniform(s: State, replica: int) -> float:
    """The next number of a replica's own xorshift generator, above 0 and at most 1."""
    x = s.random[replica]
    x ^= x << np.uint64(13)
    x ^= x >> np.uint64(7)
    x ^= x << np.uint64(17)
    s.random[replica] = x
    return (float(x >> np.uint64(11)) + 1.0) / 9007199254740993.0


@njit(cache=True)
def _normal(s: State, replica: int) -> float:
    radius = math.sqrt(-2.0 * math.log(_uniform(s, replica)))
    return radius * math.cos(2.0 * math.pi * _uniform(s, replica))
