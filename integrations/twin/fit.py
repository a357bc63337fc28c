"""Fitting the twin: coefficients that make steps and watts come out as measured."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt
from scipy.optimize import least_squares

from integrations.twin.coefficients import Coefficients
from integrations.twin.gpus import GPUS, Gpu
from integrations.twin.measured import Group, Run

STEPS: Final = 1024
SOFT: Final = 0.1
FLOPS: Final = 400e12
"""Dense 16-bit arithmetic that prefill achieves on an H100: about two fifths of its data sheet."""

WEIGHTS: Final[Mapping[float, float]] = {0.5: 1.0, 0.9: 0.4, 0.95: 0.4, 0.99: 0.4}
MEAN_WEIGHT: Final = 3.0

Floats = npt.NDArray[np.float64]

COMPUTE: Final[Mapping[str, tuple[float, float, float]]] = {
    "dense": (0.20, 0.10, 0.75),
    "hybrid": (0.20, 0.10, 0.65),
    "moe": (0.20, 0.10, 0.45),
}
"""Compute shares of base, expert and request time by kind of model (arXiv 2605.11999, PALS)."""

COMMUNICATION: Final[Mapping[str, float]] = {"dense": 0.05, "hybrid": 0.05, "moe": 0.15}
"""Share of a step that several cards spend on their links."""


@dataclass(frozen=True)
class _Point:
    """A run and the prompt tokens of a sample of its steps, (STEPS,), with their noise."""

    run: Run
    prompt: Floats
    normal: Floats


def _points(group: Group) -> list[_Point]:
    random = np.random.default_rng(7)
    points = []
    for run in group.runs:
        starts = random.poisson(run.batch / group.output_mean, STEPS)
        prompt, _ = group.workload.draw(int(starts.sum()), random)
        ends = np.cumsum(starts)
        total = np.concatenate([[0], np.cumsum(prompt)])
        points.append(
            _Point(run, total[ends] - total[ends - starts], random.standard_normal(STEPS))
        )
    return points


def fitted(group: Group) -> Coefficients:
    """Coefficients of a group: least squares on log errors, so that no run outweighs another."""
    points = _points(group)
    timed = _fit_times(group, points)
    return _fit_power(group, points, timed)


def _fit_times(group: Group, points: list[_Point]) -> Coefficients:
    start = _start(group)
    names = ["base_ms", "request_ms", "prefill_base_ms", "prefill_ms", "jitter"]
    bounds = dict.fromkeys(names, (1e-3, 1e3))
    bounds["prefill_ms"] = (0.3 * start.prefill_ms, 5.0 * start.prefill_ms)
    bounds["jitter"] = (0.01, 0.15)
    bounds["prefill_base_ms"] = (0.01, 100.0)
    if group.kind == "moe":
        names += ["expert_ms", "expert_batch"]
        bounds |= {"expert_ms": (0.01, 300.0), "expert_batch": (2.0, 400.0)}

    def misses(c: Coefficients) -> Floats:
        return np.concatenate([_time_misses(c, point) for point in points])

    return _solve(start, names, bounds, misses)


def _time_misses(c: Coefficients, point: _Point) -> Floats:
    ms = steps_ms(c, point.run.batch, point.prompt)
    ms = ms * np.exp(c.jitter * point.normal - 0.5 * c.jitter**2)
    wanted = point.run.itl_ms
    found = np.quantile(ms, list(wanted))
    weights = np.array([WEIGHTS[q] for q in wanted])
    tails = weights * np.log(found / np.array(list(wanted.values())))
    return np.append(tails, MEAN_WEIGHT * np.log(ms.mean() / point.run.step_ms))


def steps_ms(c: Coefficients, batch: float, prompt: Floats) -> Floats:
    """Times at full clock of steps that decode `batch` and prefill `prompt` tokens, (n,)."""
    decode = c.base_ms + c.request_ms * batch / (1.0 + batch / c.request_batch)
    experts = c.expert_ms * (1.0 - np.exp(-(batch + prompt) / c.expert_batch))
    return np.asarray(
        decode + experts + c.prefill_ms * prompt + c.prefill_base_ms * (prompt > 0.0), np.float64
    )


def _fit_power(group: Group, points: list[_Point], c: Coefficients) -> Coefficients:
    gpu = GPUS[group.gpu]
    names = ["low_w", "span_w", "half_batch"]
    bounds = {
        "low_w": (1.2 * gpu.idle_w, gpu.max_w),
        "span_w": (1.0, gpu.max_w),
        "half_batch": (2.0, 1000.0),
    }

    def misses(trial: Coefficients) -> Floats:
        return np.array([_power_miss(trial, point) for point in points])

    solved = _solve(c, names, bounds, misses)
    return solved._replace(span_w=min(solved.span_w, gpu.max_w - solved.low_w))


def _power_miss(c: Coefficients, point: _Point) -> float:
    total = steps_ms(c, point.run.batch, point.prompt)
    decode = steps_ms(c, point.run.batch, np.zeros(1))[0]
    decode_w = c.low_w + c.span_w * point.run.batch / (point.run.batch + c.half_batch)
    mean_w = np.mean(decode_w * decode + c.prefill_w * (total - decode)) / total.mean()
    return float(np.log(mean_w / point.run.power_w))


def _solve(
    start: Coefficients,
    names: list[str],
    bounds: Mapping[str, tuple[float, float]],
    misses: Callable[[Coefficients], Floats],
) -> Coefficients:
    low, high = (np.log([bounds[name][end] for name in names]) for end in (0, 1))
    first = np.clip(np.log([max(getattr(start, name), 1e-6) for name in names]), low, high)

    def of(logs: Floats) -> Coefficients:
        return start._replace(**dict(zip(names, np.exp(logs).tolist(), strict=True)))

    found = least_squares(
        lambda logs: misses(of(logs)),
        0.98 * first + 0.01 * (low + high),
        bounds=(low, high),
        loss="soft_l1",
        f_scale=SOFT,
        diff_step=1e-3,
    )
    return of(found.x)


def _start(group: Group) -> Coefficients:
    gpu = GPUS[group.gpu]
    least, most = group.runs[0], group.runs[-1]
    request_ms = max((most.step_ms - least.step_ms) / (most.batch - least.batch), 0.005)
    moe = group.kind == "moe"
    base, expert, request = COMPUTE[group.kind]
    flops = FLOPS * gpu.compute * group.gpus
    return Coefficients(
        base_ms=least.step_ms * (0.6 if moe else 0.95),
        expert_ms=0.8 * least.step_ms if moe else 0.0,
        expert_batch=40.0,
        request_ms=request_ms * (0.8 if moe else 0.9),
        request_batch=1e6,
        prefill_base_ms=1.0,
        prefill_ms=1000.0 * 2e9 * group.active_billions / flops,
        chunk_tokens=8192.0,
        base_compute=base,
        expert_compute=expert,
        request_compute=request,
        communication=COMMUNICATION[group.kind] if group.gpus > 1 else 0.0,
        jitter=0.03,
        **_power_start(gpu, least, most, moe=moe),
    )


def _power_start(gpu: Gpu, least: Run, most: Run, *, moe: bool) -> dict[str, float]:
    return {
        "idle_w": gpu.idle_w,
        "low_w": least.power_w,
        "span_w": max(most.power_w - least.power_w, 10.0),
        "half_batch": 60.0,
        "prefill_w": gpu.max_w * (0.88 if moe else 0.97),
        "memory_power": 0.55,
        "exponent": 2.4,
        "voltage_floor": gpu.voltage_floor,
        "host_factor": 1.05,
        "host_w": 345.0,
    }
