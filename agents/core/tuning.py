"""The paper's policy: which cap per card and which batch serve the target for the fewest joules.

The model's throughput is corrected by a factor that a PID controller keeps. A new operating point
is chosen when the ceiling, the target or the frontier changes, or when the measured throughput
stays off by more than the dead band for several intervals.
"""

from dataclasses import dataclass, field, replace
from typing import Final

from agents.core import pid as pids
from agents.core.pid import Gains, Pid
from orchestrator.domain.frontier import Candidate, Frontier
from orchestrator.domain.telemetry import EngineReading

GAINS: Final = Gains(kp=0.1, ki=0.05, kd=0.05, filter_s=2.0, low=-0.3, high=0.3)
DEAD_BAND: Final = 0.05
PATIENCE_S: Final = 2.0
SMOOTHING_S: Final = 1.5
BINDS: Final = 0.95


@dataclass(frozen=True, slots=True)
class Order:
    """What the lease and the orchestrator ask for now; watts over all cards."""

    ceiling_w: float
    target_tok_s: float | None
    frontier: Frontier | None
    cards: int


@dataclass(frozen=True, slots=True)
class Choice:
    """An operating point. cap_w: per card, None for equal shares of the ceiling.

    batch: None leaves the engine's limit alone.
    """

    cap_w: float | None = None
    batch: int | None = None


@dataclass(frozen=True, slots=True)
class Plant:
    """What the node does now: tokens per second, watts and the limits they run against."""

    tok_s: float | None
    power_w: float | None
    enforced_w: float | None
    engine: EngineReading | None

    @property
    def waits(self) -> bool:
        """Whether requests wait, so that more throughput would be used."""
        return self.engine is not None and self.engine.waiting > 0

    @property
    def binds(self) -> bool:
        """Whether the cap or the batch limit holds the node back."""
        full = self.engine is not None and self.engine.running >= self.engine.batch_limit
        if self.power_w is None or self.enforced_w is None:
            return full
        return full or self.power_w >= BINDS * self.enforced_w


@dataclass(frozen=True, slots=True)
class Tuner:
    """State of the policy. off_s: how long the error has been beyond the dead band.

    bias: predicted throughput is multiplied by 1 - bias.
    """

    order: Order | None = None
    choice: Choice = field(default_factory=Choice)
    pid: Pid = field(default_factory=Pid)
    bias: float = 0.0
    tok_s: float | None = None
    at_s: float = 0.0
    off_s: float = 0.0


def tune(tuner: Tuner, order: Order, plant: Plant, now_s: float) -> Tuner:
    """Follow the measurement, and choose anew where there is reason to."""
    dt_s, tuner = now_s - tuner.at_s, replace(tuner, at_s=now_s)
    if order != tuner.order:
        return _choose(_start(tuner, order), order)
    target_tok_s = order.target_tok_s
    if not target_tok_s or plant.tok_s is None or dt_s <= 0:
        return tuner
    tuner = _measure(tuner, target_tok_s, plant, plant.tok_s, dt_s)
    return _choose(tuner, order) if tuner.off_s >= PATIENCE_S else tuner


def choose(order: Order, bias: float = 0.0) -> Choice:
    """The most tokens per joule among the candidates that meet the target within the ceiling.

    Without such a candidate: equal shares of the whole ceiling, and the batch of the fastest
    candidate that fits.
    """
    frontier = order.frontier
    if frontier is None or not frontier.points or frontier.cards != order.cards:
        return Choice()
    fitting = [p for p in frontier.points if p.cap_w * order.cards <= order.ceiling_w + 1e-6]
    meeting = [p for p in fitting if _meets(p, order.target_tok_s, bias)]
    if meeting:
        best = max(meeting, key=lambda p: (p.tok_s / max(p.power_w, 1.0), p.tok_s))
        return Choice(best.cap_w, best.batch)
    return Choice(None, max(fitting, key=_speed, default=min(frontier.points, key=_cap)).batch)


def batch_of(engine: EngineReading | None, wanted: int | None, *, reached: bool) -> int | None:
    """The batch limit to set now, None to leave it: down at once, up once the caps are there."""
    if engine is None or wanted is None:
        return None
    limit = max(1, min(wanted, engine.max_batch))
    if limit < engine.batch_limit or (limit > engine.batch_limit and reached):
        return limit
    return None


def _meets(point: Candidate, target_tok_s: float | None, bias: float) -> bool:
    return target_tok_s is not None and point.tok_s * (1.0 - bias) >= target_tok_s


def _speed(point: Candidate) -> float:
    return point.tok_s


def _cap(point: Candidate) -> float:
    return point.cap_w


def _start(tuner: Tuner, order: Order) -> Tuner:
    """Go on with the present bias, or without one where the model or the target is another."""
    before = tuner.order
    same = before is not None and (before.target_tok_s, before.frontier) == (
        order.target_tok_s,
        order.frontier,
    )
    bias = tuner.bias if same else 0.0
    return replace(
        tuner, order=order, bias=bias, off_s=0.0, pid=pids.reset(tuner.pid, GAINS, 0.0, bias)
    )


def _choose(tuner: Tuner, order: Order) -> Tuner:
    return replace(tuner, choice=choose(order, tuner.bias), off_s=0.0)


def _measure(tuner: Tuner, target_tok_s: float, plant: Plant, tok_s: float, dt_s: float) -> Tuner:
    """One PID step on min(target, offered) - measured, relative to the target.

    While nothing waits all that is offered is served, so measured is what was offered. The integral
    also stands still while the whole ceiling is used: there is nothing left to choose.
    """
    before = tok_s if tuner.tok_s is None else tuner.tok_s
    smooth = before + (tok_s - before) * dt_s / (SMOOTHING_S + dt_s)
    wanted = target_tok_s if plant.waits else min(target_tok_s, smooth)
    error = (wanted - smooth) / target_tok_s
    integrate = plant.waits and plant.binds and tuner.choice.cap_w is not None
    pid, bias = pids.advance(
        tuner.pid, GAINS, error, smooth / target_tok_s, dt_s, integrate=integrate
    )
    off_s = tuner.off_s + dt_s if abs(error) > DEAD_BAND else 0.0
    return replace(tuner, pid=pid, bias=bias, tok_s=smooth, off_s=off_s)
