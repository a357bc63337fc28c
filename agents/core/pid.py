"""A PID controller with bounded output, anti-windup and a filtered derivative on measurement."""

from dataclasses import dataclass, replace


@dataclass(frozen=True, slots=True)
class Gains:
    """kp without unit, ki per second, kd in seconds; filter_s smooths the derivative."""

    kp: float
    ki: float
    kd: float
    filter_s: float
    low: float
    high: float


@dataclass(frozen=True, slots=True)
class Pid:
    """Integral of the error (already times ki), last measurement, smoothed slope per second."""

    integral: float = 0.0
    measured: float | None = None
    slope: float = 0.0


def advance(
    pid: Pid, gains: Gains, error: float, measured: float, dt_s: float, *, integrate: bool
) -> tuple[Pid, float]:
    """One step of dt_s > 0 seconds; the output lies within the gains' bounds.

    The derivative acts on the measurement, so that a new target does not kick. The integral stands
    still without integrate, and while the output is at a bound that it would push further out.
    """
    slope = _slope(pid, gains, measured, dt_s)
    integral = pid.integral + (gains.ki * error * dt_s if integrate else 0.0)
    raw = gains.kp * error + integral - gains.kd * slope
    output = min(gains.high, max(gains.low, raw))
    if (raw > gains.high and error > 0) or (raw < gains.low and error < 0):
        integral = pid.integral
    integral = min(gains.high, max(gains.low, integral))
    return Pid(integral, measured, slope), output


def reset(pid: Pid, gains: Gains, error: float, output: float) -> Pid:
    """Choose the integral so that the next output at this error goes on from output."""
    integral = min(gains.high, max(gains.low, output - gains.kp * error))
    return replace(pid, integral=integral, measured=None, slope=0.0)


def _slope(pid: Pid, gains: Gains, measured: float, dt_s: float) -> float:
    if pid.measured is None:
        return 0.0
    raw = (measured - pid.measured) / dt_s
    return pid.slope + (raw - pid.slope) * dt_s / (gains.filter_s + dt_s)
