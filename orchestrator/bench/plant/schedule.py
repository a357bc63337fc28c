"""What a run asks of a node over time: stretches of a budget, a target and an offered load."""

from bisect import bisect_right
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property

from integrations.twin.node import Deployment, Requests, poisson, saturated

WARM_UP_S = 60.0
"""A node has served for so long before anything is asked of it; see node_run.run."""


@dataclass(frozen=True, slots=True)
class Stretch:
    """From start_s on: the most that the node may draw at the wall, and what it shall serve."""

    start_s: float
    budget_w: float
    target_tok_s: float


@dataclass(frozen=True)
class Schedule:
    """Stretches in order, the first at 0, and when the run ends."""

    stretches: tuple[Stretch, ...]
    seconds: float

    @cached_property
    def starts_s(self) -> list[float]:
        """When each stretch begins."""
        return [stretch.start_s for stretch in self.stretches]

    def at(self, now_s: float) -> Stretch:
        """The stretch in force."""
        return self.stretches[bisect_right(self.starts_s, now_s + 1e-9) - 1]

    def spans(self) -> list[tuple[Stretch, float, float]]:
        """Each stretch with its beginning and end."""
        ends = [*self.starts_s[1:], self.seconds]
        return [
            (stretch, stretch.start_s, end_s)
            for stretch, end_s in zip(self.stretches, ends, strict=True)
        ]


def in_turn(
    shares: tuple[float, ...], full_tok_s: float, budget_w: float, seconds: float
) -> Schedule:
    """Equally long stretches, each with a target that is a share of full_tok_s."""
    each_s = seconds / len(shares)
    return Schedule(
        tuple(
            Stretch(index * each_s, budget_w, share * full_tok_s)
            for index, share in enumerate(shares)
        ),
        seconds,
    )


def offered(deployment: Deployment, load: str, schedule: Schedule, seed: int) -> Requests:
    """Requests of a run.

    load: "saturated", a queue that never empties, or "poisson", arrivals that make the target.
    """
    seconds = WARM_UP_S + schedule.seconds
    if load == "saturated":
        return saturated(deployment, seconds, seed)
    rate: Callable[[float], float] = lambda s: schedule.at(max(0.0, s - WARM_UP_S)).target_tok_s  # noqa: E731
    return poisson(deployment, rate, seconds, seed)
