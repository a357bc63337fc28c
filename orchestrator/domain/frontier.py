"""The power-performance frontier of a deployment: what a watt buys on a node."""

from collections.abc import Iterable
from dataclasses import dataclass

from orchestrator.domain.errors import InvalidProfile


@dataclass(frozen=True, slots=True)
class Candidate:
    """One operating point: a cap per card and a batch limit, with what the model expects of it.

    cap_w: watts per card. power_w: of all the node's cards. tok_s: of the node.
    itl_p95_ms, itl_p99_ms: None where the profile did not measure them.
    clock_mhz: the highest SM clock that the cards are locked to, None where it is left free.
    """

    cap_w: float
    batch: int
    power_w: float
    tok_s: float
    itl_p95_ms: float | None = None
    itl_p99_ms: float | None = None
    clock_mhz: float | None = None


@dataclass(frozen=True, slots=True)
class Frontier:
    """The candidates that no other beats in both limit and throughput, by rising limit.

    cards: number of cards of the node the profile was taken on; a candidate's node limit is
    cap_w x cards. model_version names the fit it came from. tok_s_band, power_band: half widths of
    the model's error bands as fractions, which hold about nine of ten runs; None where unknown.
    The points never leave the range that was profiled.
    """

    deployment: str
    model_version: str
    cards: int
    points: tuple[Candidate, ...]
    tok_s_band: float | None = None
    power_band: float | None = None

    def limit_w(self, point: Candidate) -> float:
        """Sum of enforced limits in watts that the candidate asks for."""
        return point.cap_w * self.cards

    def covers(self, cap_w: float) -> bool:
        """Whether the model was profiled at so low a cap; above the last point no more is drawn."""
        return bool(self.points) and cap_w >= self.points[0].cap_w * (1.0 - 1e-3)

    def within(self, limit_w: float) -> Candidate | None:
        """The fastest candidate whose node limit is at most limit_w, None if there is none."""
        fitting = [point for point in self.points if self.limit_w(point) <= limit_w + 1e-9]
        return fitting[-1] if fitting else None

    def tok_s_at(self, cap_w: float) -> float:
        """Throughput expected at a cap per card, linear between the frontier's points.

        Below the first point it falls in proportion to the cap, above the last it stays.
        """
        below = [point for point in self.points if point.cap_w <= cap_w]
        if len(below) == len(self.points):
            return self.points[-1].tok_s
        upper = self.points[len(below)]
        if not below:
            return upper.tok_s * cap_w / upper.cap_w
        share = (cap_w - below[-1].cap_w) / (upper.cap_w - below[-1].cap_w)
        return below[-1].tok_s + share * (upper.tok_s - below[-1].tok_s)

    def max_tok_s(self) -> float:
        """Throughput of the fastest candidate, tokens per second of the node."""
        return self.points[-1].tok_s


def pareto(
    deployment: str,
    model_version: str,
    cards: int,
    candidates: Iterable[Candidate],
    *,
    tok_s_band: float | None = None,
    power_band: float | None = None,
) -> Frontier:
    """Keep the candidates that buy more tokens with every watt of cap they ask for.

    Among equal caps and throughputs the lower expected power wins.
    Raises InvalidProfile when no candidate has a positive throughput.
    """
    ordered = sorted(candidates, key=lambda c: (c.cap_w, -c.tok_s, c.power_w))
    kept: list[Candidate] = []
    for candidate in ordered:
        if candidate.tok_s > (kept[-1].tok_s if kept else 0.0):
            kept.append(candidate)
    if not kept:
        raise InvalidProfile(f"{deployment}: no candidate has a positive throughput")
    return Frontier(deployment, model_version, cards, tuple(kept), tok_s_band, power_band)
