"""How fast and how exactly a site follows its limit: step, ramp, and a signal every two seconds."""

import math
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from rich.console import Console
from rich.table import Table

from integrations.twin.fingerprint import twin_hash
from integrations.twin.node import Deployment, saturated
from orchestrator.bench.pjm import Score, performance
from orchestrator.bench.plant.node_run import PERIOD_S
from orchestrator.bench.plant.site_cases import Member, members, models, topology
from orchestrator.bench.plant.site_run import SiteRun, open_site

Floats = NDArray[np.float64]

WARM_UP_S = 120.0
BAND = 0.02
SIGNAL_S = 2.0
HIGH, LOW = 0.85, 0.60
AMPLITUDE = 0.10
WIDTH = 110
SCORED = ("score", "accuracy", "delay", "precision")
SITE = (
    Deployment("H100", "llama-3.1-70b", 4),
    Deployment("H100", "qwen3-32b", 4),
    Deployment("H100", "llama-3.1-70b", 4),
)


@dataclass(frozen=True, slots=True)
class Response:
    """What the site made of one signal. Watts at the meter, true power.

    settling_s: until power stays within BAND of the new limit, None if it does not. overshoot: the
    most above the limit, as a share of it, once power has first come within BAND of it. rms: of
    power minus limit over the limit, after warm-up.
    """

    signal: str
    settling_s: float | None
    overshoot: float
    rms: float
    rms_above: float
    score: Score | None

    def row(self) -> dict[str, object]:
        """One JSON object."""
        return asdict(self)


def respond(seed: int, seconds: float) -> list[Response]:
    """Every signal on a site of its own."""
    full_w = full_power_w(nodes(seed))
    half = WARM_UP_S + 60.0
    return [
        _step("step down", seed, full_w, HIGH, LOW, half),
        _step("step up", seed, full_w, LOW, HIGH, half),
        _ramp(seed, full_w),
        _regulation(seed, full_w, seconds),
    ]


def bench(seed: int, seconds: float) -> dict[str, Any]:
    """Every response as JSON, with the twin's hash."""
    found = respond(seed, seconds)
    return {"simulated": True, "twin": twin_hash(), "rows": [response.row() for response in found]}


def show(result: dict[str, Any]) -> None:
    """Print the responses for people."""
    table = Table(
        title=f"SIMULATED on the twin {result['twin']}: three saturated nodes, real loops"
    )
    table.add_column("signal")
    table.caption = (
        "overshoot, RMS, RMS above: of metered power over its limit, shares of the limit. "
        "PJM score: mean of accuracy, delay and precision, 1 is best."
    )
    for name in ("settling", "overshoot", "RMS", "RMS above"):
        table.add_column(name, justify="right")
    for name in ("PJM score", "accuracy", "delay", "precision"):
        table.add_column(name, justify="right")
    for row in result["rows"]:
        score = row["score"] or {}
        table.add_row(
            row["signal"],
            "" if row["settling_s"] is None else f"{row['settling_s']:.1f} s",
            *(f"{row[name]:.2%}" for name in ("overshoot", "rms", "rms_above")),
            *(
                f"{score[n]:.3f}" if score else ""
                for n in ("score", "accuracy", "delay", "precision")
            ),
        )
    console = Console()
    console.width = max(console.width, WIDTH)
    console.print(table)


def nodes(seed: int) -> tuple[Member, ...]:
    """Three saturated nodes without targets: each uses the whole of its limit."""
    return members(SITE, [None] * len(SITE), "saturated", seed)


def full_power_w(site: Sequence[Member]) -> float:
    """What the site draws at the wall, unconstrained and saturated."""
    return sum(member.case.wall.of(member.full.power_w) for member in site)


def follow(site: Sequence[Member], limit_w: Callable[[float], float], seconds: float) -> SiteRun:
    """Run the site with a limit that is told anew every SIGNAL_S seconds when it has changed."""
    plants = {
        member.name: member.plant(saturated(member.case.deployment, seconds, member.case.seed))
        for member in site
    }
    services = {member.name: member.service for member in site}
    roomy_w = 2.0 * full_power_w(site)
    run = open_site(topology(site, roomy_w), plants, models(site), services)
    run.arm()
    told_w = math.nan
    for index in range(round(seconds / PERIOD_S)):
        now_s = index * PERIOD_S
        wanted_w = limit_w(now_s)
        if wanted_w != told_w and now_s % SIGNAL_S == 0.0:
            told_w = wanted_w
            run.ask(wanted_w)
        run.tick()
    return run


def _step(
    name: str, seed: int, full_w: float, before: float, after: float, at_s: float
) -> Response:
    run = follow(
        nodes(seed), lambda now_s: full_w * (before if now_s < at_s else after), at_s + 60.0
    )
    first = round(at_s / PERIOD_S)
    power, limit = _after(run, first)
    settled = _settled(np.abs(power / limit - 1.0) <= BAND)
    reached = np.flatnonzero(power <= limit * (1.0 + BAND))
    crossed = int(reached[0]) if reached.size else 0
    overshoot = float(np.max(power[crossed:] / limit[crossed:] - 1.0))
    seconds = None if settled is None else settled * PERIOD_S
    return Response(name, seconds, max(0.0, overshoot), *_rms(power, limit), None)


def _ramp(seed: int, full_w: float) -> Response:
    def limit_w(now_s: float) -> float:
        share = min(1.0, max(0.0, (now_s - WARM_UP_S) / 120.0))
        return full_w * (HIGH + (LOW - HIGH) * share)

    run = follow(nodes(seed), limit_w, WARM_UP_S + 180.0)
    power, limit = _after(run, round(WARM_UP_S / PERIOD_S))
    over = float(np.max(power / limit - 1.0))
    return Response("ramp", None, max(0.0, over), *_rms(power, limit), None)


def _regulation(seed: int, full_w: float, seconds: float) -> Response:
    """A random signal of +-AMPLITUDE of full power around the middle, every two seconds."""
    middle = 0.5 * (HIGH + LOW)
    wander = _wander(seed, round((WARM_UP_S + seconds) / SIGNAL_S) + 1)

    def limit_w(now_s: float) -> float:
        return full_w * (middle + AMPLITUDE * float(wander[int(now_s / SIGNAL_S)]))

    run = follow(nodes(seed), limit_w, WARM_UP_S + seconds)
    power, limit = _after(run, round(WARM_UP_S / PERIOD_S))
    score = performance(limit - middle * full_w, power - middle * full_w, PERIOD_S)
    over = float(np.max(power / limit - 1.0))
    return Response("regulation", None, max(0.0, over), *_rms(power, limit), score)


def _wander(seed: int, count: int) -> Floats:
    """A smooth random signal in [-1, 1] with periods of half a minute to several minutes."""
    random = np.random.default_rng((seed, 11))
    times_s = SIGNAL_S * np.arange(count)
    waves = [
        np.sin(2.0 * math.pi * (times_s / period_s + random.random()))
        for period_s in (37.0, 83.0, 190.0, 430.0)
    ]
    total = np.sum(waves, axis=0) + 0.3 * random.standard_normal(count)
    return np.asarray(total / np.max(np.abs(total)), dtype=np.float64)


def _after(run: SiteRun, first: int) -> tuple[Floats, Floats]:
    return np.array(run.wall_w[first:]), np.array(run.limits_w[first:])


def _settled(inside: NDArray[np.bool_]) -> int | None:
    """The first index from which everything is inside, None if the end is not."""
    if not inside[-1]:
        return None
    outside = np.flatnonzero(~inside)
    return int(outside[-1]) + 1 if outside.size else 0


def _rms(power: Floats, limit: Floats) -> tuple[float, float]:
    error = power / limit - 1.0
    return float(np.sqrt(np.mean(error**2))), float(np.sqrt(np.mean(np.maximum(error, 0.0) ** 2)))
