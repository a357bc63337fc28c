"""What a node reports: rates from counters, and for how long the caps have held."""

from dataclasses import dataclass, replace
from typing import Final

from agents.core.effects import Reading
from agents.core.guard import Guard
from agents.core.lease import Lease
from orchestrator.domain.telemetry import Telemetry

WINDOW_S: Final = 0.2
"""Counters of real cards move in jumps; over less than this their slope says nothing."""
JUMP_S: Final = 0.1
"""The longest jump of an energy counter: so much more time its next value may stand for."""
MEAN_S: Final = 1.0
"""Power is reported as a mean over at least this long, once that much is known."""
TOLERANCE: Final = 0.02
TOLERANCE_W: Final = 5.0


@dataclass(frozen=True, slots=True)
class Count:
    """A counter's value at a time."""

    value: float
    at_s: float


@dataclass(frozen=True, slots=True)
class Meters:
    """State of the measurement.

    energy: the cards' counters together, the latest last, over a little more than MEAN_S.
    limits_w: enforced limits of the last reading. settled_from: where the counters stood when
    power began to stay under limits that did not change.
    """

    energy: tuple[Count, ...] = ()
    power_w: float | None = None
    limits_w: tuple[tuple[str, float], ...] = ()
    settled_from: Count | None = None
    tokens: Count | None = None
    tok_s: float | None = None

    @property
    def settled_s(self) -> float:
        """For how many seconds power has stayed under unchanged enforced limits."""
        if not self.energy or self.settled_from is None:
            return 0.0
        return max(0.0, self.energy[-1].at_s - self.settled_from.at_s)


def measure(meters: Meters, guard: Guard, reading: Reading, *, wrote: bool) -> Meters:
    """Take one reading, that guard has observed already; wrote: a limit was written before it."""
    return _tokens(_power(meters, guard, reading, wrote=wrote), reading)


def telemetry(
    node: str, lease: Lease, guard: Guard, meters: Meters, reading: Reading, notes: tuple[str, ...]
) -> Telemetry:
    """The report of one reading."""
    engine = reading.engine
    return Telemetry(
        node=node,
        incarnation=lease.incarnation,
        stamp_s=reading.sampled_s,
        fence=lease.fence,
        limit_w=lease.ceiling_w if lease.held else lease.limit_w,
        highest_epoch=lease.highest_epoch,
        lease=lease.status,
        enforced_w=guard.enforced_w,
        pending_w=guard.charge_w if guard.pending else None,
        power_w=meters.power_w,
        settled_s=meters.settled_s,
        tok_s=meters.tok_s,
        itl_p95_ms=engine.itl_p95_ms if engine else None,
        ttft_p95_ms=engine.ttft_p95_ms if engine else None,
        running=engine.running if engine else None,
        waiting=engine.waiting if engine else None,
        batch_limit=engine.batch_limit if engine else None,
        foreign=guard.foreign,
        notes=notes,
    )


def _power(meters: Meters, guard: Guard, reading: Reading, *, wrote: bool) -> Meters:
    enforced_w = guard.enforced_w
    if reading.cards is None or enforced_w is None:
        return replace(meters, energy=(), power_w=None, settled_from=None)
    limits_w = tuple((card.uuid, card.enforced_w) for card in reading.cards)
    now = Count(sum(card.energy_j for card in reading.cards), reading.sampled_s)
    last = meters.energy[-1] if meters.energy else None
    if last is None or now.value < last.value:
        return replace(meters, energy=(now,), limits_w=limits_w, settled_from=now)
    if wrote or limits_w != meters.limits_w:
        meters = replace(meters, limits_w=limits_w, settled_from=now)
    if now.at_s - last.at_s < WINDOW_S:
        return meters
    energy = (*(c for c in meters.energy[:-1] if now.at_s - c.at_s <= MEAN_S + 0.5), last, now)
    start = meters.settled_from
    recent = energy[0] if start is None or start.at_s < energy[0].at_s else start
    held = start is not None and _under(recent, now, enforced_w)
    return replace(
        meters,
        energy=energy,
        power_w=_slope(energy[0], now),
        settled_from=start if held else now,
    )


def _under(start: Count, now: Count, enforced_w: float) -> bool:
    """Whether the energy since start fits under the limits, as far as the counters can tell."""
    most_w = enforced_w * (1.0 + TOLERANCE) + TOLERANCE_W
    return now.value - start.value <= most_w * (now.at_s - start.at_s + JUMP_S)


def _slope(start: Count, now: Count) -> float:
    return (now.value - start.value) / (now.at_s - start.at_s)


def _tokens(meters: Meters, reading: Reading) -> Meters:
    engine = reading.engine
    if engine is None:
        return replace(meters, tokens=None, tok_s=None)
    now, before = Count(engine.generation_tokens, reading.engine_s), meters.tokens
    if before is None or now.value < before.value:
        return replace(meters, tokens=now, tok_s=None)
    if now.at_s - before.at_s < WINDOW_S:
        return meters
    rate = (now.value - before.value) / (now.at_s - before.at_s)
    return replace(meters, tokens=now, tok_s=rate)
