"""What each node is off its model by, learned from what it reports.

Two factors a node, on throughput and on power. They are learned only where the model makes a
claim and the node can show it: settled under its limits, inside the profiled range, with requests
waiting, held by its cap or its batch. Decisions use them; what an agent corrects on its own, point
by point, starts from the same uncorrected model, so that nothing is corrected twice. Exposure never
depends on either: caps are what counts.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from math import exp, log, log1p
from typing import Final

from orchestrator.domain.frontier import Frontier
from orchestrator.domain.surface import Surface
from orchestrator.domain.telemetry import Telemetry

SETTLED_S: Final = 5.0
BINDS: Final = 0.95
QUEUE: Final = 0.05
MEMORY_S: Final = 300.0
"""Evidence beyond this many seconds begins to be forgotten."""
PRIOR_S: Final = 20.0
"""Seconds of evidence that the model itself is worth."""
LEAST_S: Final = 30.0
MOST_GAP_S: Final = 5.0
QUOTE_EVERY_S: Final = 30.0
QUANTUM: Final = 0.02
LEAST_MOVE: Final = 0.03
MOST_MOVE: Final = 0.1
FURTHEST: Final = 2.0
DEFAULT_BAND: Final = 0.1


@dataclass(frozen=True, slots=True)
class Bias:
    """Factors on a model's throughput and power, each within 1/FURTHEST .. FURTHEST."""

    tok_s: float = 1.0
    power: float = 1.0


@dataclass(frozen=True, slots=True)
class Learning:
    """What is known of one node against one version of its model.

    tok_s, power: mean logarithms of measured over expected. weight_s: seconds of evidence.
    at_s: of the last report, usable or not. bias: what decisions use, since quoted_s; it moves
    rarely and in steps. beyond_s: for how long the estimate has been outside the model's band.
    """

    model_version: str
    at_s: float
    tok_s: float = 0.0
    power: float = 0.0
    weight_s: float = 0.0
    bias: Bias = field(default_factory=Bias)
    quoted_s: float = float("-inf")
    beyond_s: float = 0.0

    def estimate(self) -> Bias:
        """The best guess now, drawn towards the model while there is little evidence."""
        trust = self.weight_s / (self.weight_s + PRIOR_S)
        return Bias(_bounded(exp(trust * self.tok_s)), _bounded(exp(trust * self.power)))


def learn(
    before: Learning | None,
    telemetry: Telemetry,
    model: Frontier,
    surface: Surface,
    now_s: float,
) -> Learning:
    """Take one report. A new version of the model is learned anew."""
    if before is None or before.model_version != model.model_version:
        return Learning(model.model_version, now_s)
    passed_s = min(max(0.0, now_s - before.at_s), MOST_GAP_S)
    known = replace(before, at_s=now_s)
    ratios = _ratios(telemetry, model.cards, surface)
    if ratios is None or passed_s <= 0:
        return known
    weight_s = min(known.weight_s + passed_s, MEMORY_S)
    share = passed_s / weight_s
    known = replace(
        known,
        tok_s=known.tok_s + share * (ratios[0] - known.tok_s),
        power=known.power + share * (ratios[1] - known.power),
        weight_s=weight_s,
    )
    beyond_s = known.beyond_s + passed_s if _beyond(known, model) else 0.0
    return _quote(replace(known, beyond_s=beyond_s), now_s)


def corrected(frontier: Frontier, bias: Bias) -> Frontier:
    """The frontier of one node: every point times its factors, power never above the caps."""
    if bias == Bias():
        return frontier
    points = tuple(
        replace(
            point,
            tok_s=point.tok_s * bias.tok_s,
            power_w=min(point.power_w * bias.power, frontier.limit_w(point)),
        )
        for point in frontier.points
    )
    return replace(frontier, points=points)


def quoted(learned: Mapping[str, Learning | None]) -> dict[str, Bias]:
    """The factors that decisions use, by node; nodes that follow their model are left out."""
    return {
        node: known.bias
        for node, known in learned.items()
        if known is not None and known.bias != Bias()
    }


def _ratios(telemetry: Telemetry, cards: int, surface: Surface) -> tuple[float, float] | None:
    """Logarithms of measured over expected; None where the report is no evidence."""
    tok_s, power_w, enforced_w = telemetry.tok_s, telemetry.power_w, telemetry.enforced_w
    running, waiting = telemetry.running, telemetry.waiting
    if not (tok_s and power_w and enforced_w and running) or waiting is None:
        return None
    settled = telemetry.settled_s >= SETTLED_S and telemetry.pending_w is None
    full = telemetry.batch_limit is not None and running >= telemetry.batch_limit
    held = full or power_w >= BINDS * enforced_w
    if not (settled and held) or waiting <= QUEUE * running or telemetry.foreign:
        return None
    expected = surface.at(enforced_w / cards, running, telemetry.clock_mhz)
    if expected is None or min(expected.tok_s, expected.power_w) <= 0:
        return None
    return _log(tok_s / expected.tok_s), _log(power_w / expected.power_w)


def _beyond(known: Learning, model: Frontier) -> bool:
    estimate = known.estimate()
    bands = ((estimate.tok_s, model.tok_s_band), (estimate.power, model.power_band))
    return any(
        abs(log(factor)) > log1p(DEFAULT_BAND if band is None else band) for factor, band in bands
    )


def _quote(known: Learning, now_s: float) -> Learning:
    if known.weight_s < LEAST_S or now_s - known.quoted_s < QUOTE_EVERY_S:
        return known
    estimate = known.estimate()
    bias = Bias(_step(known.bias.tok_s, estimate.tok_s), _step(known.bias.power, estimate.power))
    return known if bias == known.bias else replace(known, bias=bias, quoted_s=now_s)


def _step(before: float, wanted: float) -> float:
    """A step towards what is wanted, on the grid of quanta; none for little."""
    if abs(wanted - before) < LEAST_MOVE:
        return before
    reached = before + min(MOST_MOVE, max(-MOST_MOVE, wanted - before))
    return round(_bounded(round(reached / QUANTUM) * QUANTUM), 6)


def _bounded(factor: float) -> float:
    return min(FURTHEST, max(1.0 / FURTHEST, factor))


def _log(ratio: float) -> float:
    return log(_bounded(ratio))
