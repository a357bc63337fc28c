"""The physics of a serving step: how long it takes and what it draws, over batch and clock.

A step of `decoding` requests and `prompt` prefilled tokens takes, at full clock, the measured time.
At a relative clock f its compute time grows by 1 / f and overlaps with its memory time as a smooth
roofline; communication ignores the clock. Dynamic power is in part the memory's, which follows the
achieved speed, and in part the cores', which follows f^exponent above the clock where the voltage
reaches its floor, and f below it.
"""

import math
from typing import Final, NamedTuple

from numba import njit

from integrations.twin.coefficients import Coefficients

LEAST_CLOCK: Final = 0.001
MOST_TRIES: Final = 60
NEAR: Final = 1e-6


class Work(NamedTuple):
    """One step at full clock: its time, compute over memory time, and a card's draw."""

    step_ms: float
    intensity: float
    draw_w: float


@njit(cache=True, error_model="numpy")
def work(c: Coefficients, decoding: float, prompt: float) -> Work:
    """The step of a replica that decodes and prefills at once."""
    experts_ms = c.expert_ms * (1.0 - math.exp(-decoding / c.expert_batch))
    requests_ms = c.request_ms * decoding / (1.0 + decoding / c.request_batch)
    decode_ms = c.base_ms + experts_ms + requests_ms
    prefill_ms = 0.0
    if prompt > 0.0:
        touched = math.exp(-decoding / c.expert_batch) - math.exp(
            -(decoding + prompt) / c.expert_batch
        )
        prefill_ms = c.prefill_base_ms + c.prefill_ms * prompt + c.expert_ms * touched
    memory_ms = c.base_ms + experts_ms + (1.0 - c.request_compute) * requests_ms
    compute_ms = (
        c.base_compute * c.base_ms
        + c.expert_compute * experts_ms
        + c.request_compute * requests_ms
        + prefill_ms
    )
    decode_w = c.low_w + c.span_w * decoding / (decoding + c.half_batch)
    total_ms = decode_ms + prefill_ms
    draw_w = (decode_w * decode_ms + c.prefill_w * prefill_ms) / total_ms
    return Work(total_ms, compute_ms / memory_ms, max(draw_w, c.idle_w))


@njit(cache=True, error_model="numpy")
def slowdown(c: Coefficients, w: Work, clock: float) -> float:
    """The step's time at a clock over its time at full clock."""
    full = w.intensity * w.intensity
    slow = full / (clock * clock)
    overlap = math.sqrt(math.sqrt((1.0 + slow * slow) / (1.0 + full * full)))
    return c.communication + (1.0 - c.communication) * overlap


@njit(cache=True, error_model="numpy")
def core_power(c: Coefficients, clock: float) -> float:
    """The cores' dynamic power at a clock over that at full clock."""
    if clock >= c.voltage_floor:
        return clock**c.exponent  # type: ignore[no-any-return]
    return c.voltage_floor ** (c.exponent - 1.0) * clock  # type: ignore[no-any-return]


@njit(cache=True, error_model="numpy")
def power_w(c: Coefficients, w: Work, clock: float, speed: float) -> float:
    """A card's power at its clock while its replica achieves `speed` of the full pace."""
    memory = c.memory_power / (1.0 + w.intensity)
    dynamic = memory * speed + (1.0 - memory) * core_power(c, clock)
    return c.idle_w + (w.draw_w - c.idle_w) * dynamic


@njit(cache=True, error_model="numpy")
def clock_under(c: Coefficients, w: Work, cap_w: float, most: float) -> float:
    """The highest clock up to `most` at which a card stays under its cap, within a millionth.

    By false position, whose end that stays is pulled in (the Illinois rule).
    """
    low, high, moved = LEAST_CLOCK, most, 0
    over_w = _excess_w(c, w, most, cap_w)
    if over_w <= 0.0:
        return most
    under_w = _excess_w(c, w, low, cap_w)
    for _ in range(MOST_TRIES):
        middle = low - under_w * (high - low) / (over_w - under_w)
        excess_w = _excess_w(c, w, middle, cap_w)
        if excess_w > 0.0:
            under_w *= 0.5 if moved > 0 else 1.0
            high, over_w, moved = middle, excess_w, 1
        else:
            over_w *= 0.5 if moved < 0 else 1.0
            low, under_w, moved = middle, excess_w, -1
            if excess_w > -NEAR * cap_w:
                break
    return low


@njit(cache=True, error_model="numpy")
def _excess_w(c: Coefficients, w: Work, clock: float, cap_w: float) -> float:
    return power_w(c, w, clock, 1.0 / slowdown(c, w, clock)) - cap_w
