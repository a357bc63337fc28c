"""A parametric form of a serving node: few numbers with a meaning, so few points suffice.

A decoding step reads the shared weights once, reads the experts that the batch touches, and
works for every running request. A share of that work scales with the clock. A card's draw
saturates with the batch; where the cap is below it, the clock falls until the draw meets the cap:
dynamic power falls with a power of the clock while the voltage falls too, and in proportion to the
clock below the voltage's floor.
"""

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import least_squares

Floats = NDArray[np.float64]

PRIOR: Final = 0.03
"""Weight of the starting values beside the measurements' relative errors: decides what few points
leave open, and little else."""
LOWEST_CLOCK: Final = 0.05
SPAN: Final = {"exponent": 0.5, "floor": 1.5, "follow": 0.1, "free_mhz": 0.3}
"""How far a packed number may move from where it starts; everything else a factor of 20."""
NUDGE: Final = 1e-3
NAMES: Final = (
    "base_ms", "expert_ms", "expert_batch", "request_ms", "weight_share", "request_share",
    "low_w", "span_w", "half_batch", "idle_w", "exponent", "floor", "follow", "free_mhz",
)  # fmt: skip
LOGISTIC: Final = ("weight_share", "request_share", "floor")


@dataclass(frozen=True, slots=True)
class Physics:
    """The fitted numbers by name; times in ms for the node's whole batch, watts of one card.

    weight_share, request_share: of the weights' and the requests' time, what scales with 1/clock.
    exponent: of dynamic power in the clock above `floor`. follow: what cards draw of a cap that
    binds. free_mhz: the clock of cards that nothing holds back.
    """

    values: dict[str, float]
    gpus: int

    def clock(self, cap_w: Floats, batch: Floats, clock_mhz: Floats) -> Floats:
        """The clock that cap and lock allow, 1 when neither holds the card back."""
        value = self.values
        locked = np.minimum(1.0, clock_mhz / value["free_mhz"])
        draw_w = self._draw_w(batch)
        share = (value["follow"] * cap_w - value["idle_w"]) / np.maximum(
            draw_w - value["idle_w"], 1.0
        )
        share = np.clip(share, 1e-3, None)
        above = share ** (1.0 / value["exponent"])
        below = share / value["floor"] ** (value["exponent"] - 1.0)
        capped = np.where(above >= value["floor"], above, below)
        return np.clip(np.minimum(locked, capped), LOWEST_CLOCK, 1.0)

    def step_ms(self, cap_w: Floats, batch: Floats, clock_mhz: Floats) -> Floats:
        """Mean time between two tokens of one request."""
        value = self.values
        experts = value["expert_ms"] * -np.expm1(-batch / value["expert_batch"])
        weights, requests = value["base_ms"] + experts, value["request_ms"] * batch
        scaled = value["weight_share"] * weights + value["request_share"] * requests
        slower = 1.0 / self.clock(cap_w, batch, clock_mhz) - 1.0
        found: Floats = weights + requests + scaled * slower
        return found

    def tok_s(self, cap_w: Floats, batch: Floats, clock_mhz: Floats) -> Floats:
        """Tokens per second of the node."""
        found: Floats = 1000.0 * batch / self.step_ms(cap_w, batch, clock_mhz)
        return found

    def power_w(self, cap_w: Floats, batch: Floats, clock_mhz: Floats) -> Floats:
        """Watts of all cards."""
        value, clock = self.values, self.clock(cap_w, batch, clock_mhz)
        above = clock ** value["exponent"]
        below = clock * value["floor"] ** (value["exponent"] - 1.0)
        share = np.where(clock >= value["floor"], above, below)
        busy_w = np.maximum(self._draw_w(batch) - value["idle_w"], 1.0)
        found: Floats = self.gpus * (value["idle_w"] + busy_w * share)
        return found

    def _draw_w(self, batch: Floats) -> Floats:
        value = self.values
        found: Floats = value["low_w"] + value["span_w"] * batch / (batch + value["half_batch"])
        return found


def fit_physics(
    *,
    cap_w: Floats,
    batch: Floats,
    clock_mhz: Floats,
    gpus: int,
    tok_s: Floats,
    power_w: Floats,
) -> Physics:
    """Least squares of relative errors of both targets, robust against single bad runs.

    Arrays of one shape (n,), n of at least 2; the same points give the same numbers.
    """
    start = _start(cap_w, batch, clock_mhz, tok_s, power_w / gpus)
    origin = _pack(start)

    def errors(packed: Floats) -> Floats:
        form = Physics(_unpack(packed), gpus)
        return np.concatenate(
            [
                np.log(form.tok_s(cap_w, batch, clock_mhz) / tok_s),
                np.log(form.power_w(cap_w, batch, clock_mhz) / power_w),
                PRIOR * (packed - origin),
            ]
        )

    span = np.array([SPAN.get(name, 3.0) for name in NAMES])
    bounds = (origin - span, origin + span)
    found = least_squares(errors, origin, bounds=bounds, loss="soft_l1", f_scale=0.05, max_nfev=25)
    return Physics(_unpack(found.x), gpus)


def sensitivities(form: Physics, cap_w: Floats, batch: Floats, clock_mhz: Floats) -> Floats:
    """How the logarithms of both targets move with each packed number, (2, n, numbers)."""
    packed = _pack(form.values)

    def logs(moved: Floats) -> Floats:
        other = Physics(_unpack(moved), form.gpus)
        both = other.tok_s(cap_w, batch, clock_mhz), other.power_w(cap_w, batch, clock_mhz)
        return np.log(np.stack(both))

    columns = [
        (logs(packed + nudge) - logs(packed - nudge)) / (2 * NUDGE)
        for nudge in NUDGE * np.eye(len(NAMES))
    ]
    return np.stack(columns, axis=-1)


def typical(cap_w: Floats, batch: Floats, clock_mhz: Floats, gpus: int) -> Physics:
    """A node of which nothing is known but how far its caps and batches reach."""
    middle = float(np.sqrt(batch.min() * batch.max()))
    tok_s = 1000.0 * batch / (10.0 * (1.0 + batch / middle))
    card_w = float(cap_w.max()) * (0.5 + 0.4 * batch / (batch + middle))
    return Physics(_start(cap_w, batch, clock_mhz, tok_s, card_w), gpus)


def _start(
    cap_w: Floats, batch: Floats, clock_mhz: Floats, tok_s: Floats, card_w: Floats
) -> dict[str, float]:
    step_ms = 1000.0 * batch / tok_s
    least, most = float(step_ms.min()), float(step_ms.max())
    locked = clock_mhz[np.isfinite(clock_mhz)]
    return {
        "base_ms": 0.7 * least,
        "expert_ms": 0.3 * least,
        "expert_batch": float(np.median(batch)),
        "request_ms": max(most - least, 0.1 * least) / float(batch.max()),
        "weight_share": 0.15,
        "request_share": 0.7,
        "low_w": 0.7 * float(card_w.max()),
        "span_w": 0.4 * float(card_w.max()),
        "half_batch": float(np.median(batch)),
        "idle_w": 0.5 * float(min(card_w.min(), cap_w.min())),
        "exponent": 2.4,
        "floor": 0.6,
        "follow": 0.99,
        "free_mhz": float(locked.max()) if len(locked) else 1.0,
    }


def _pack(values: dict[str, float]) -> Floats:
    """Logarithms, and log-odds of what lies between 0 and 1: any packed number is allowed."""
    return np.array(
        [np.log(values[name] / (1.0 - values[name] if name in LOGISTIC else 1.0)) for name in NAMES]
    )


def _unpack(packed: Floats) -> dict[str, float]:
    plain = np.exp(packed)
    return {
        name: float(value / (1.0 + value) if name in LOGISTIC else value)
        for name, value in zip(NAMES, plain, strict=True)
    }
