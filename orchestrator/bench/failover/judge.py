"""What a fault did to the site: true power over the limit in force, and caps that rose."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

from orchestrator.demo.measure import Sample


@dataclass(frozen=True, slots=True)
class Cut:
    """A limit that falls, in watts; the old one counts until ramp_s after at_s (monotonic)."""

    at_s: float
    before_w: float
    after_w: float
    ramp_s: float

    def allowed_w(self, at_s: float) -> float:
        """The limit in force at a second."""
        return self.after_w if at_s >= self.at_s + self.ramp_s else self.before_w


@dataclass(frozen=True, slots=True)
class Verdict:
    """What true power did.

    overshoot_w: the most above the limit in force; over_s, over_ws: for how long and how much.
    complied_s: from the cut until power stays under the new limit, None if it does not within the
    time that was watched.
    """

    overshoot_w: float
    over_s: float
    over_ws: float
    complied_s: float | None


def judge(samples: Sequence[Sample], cut: Cut) -> Verdict:
    """Compare samples with the limit in force; each counts until the next."""
    excess = [max(0.0, sample.power_w - cut.allowed_w(sample.at_s)) for sample in samples]
    steps = [after.at_s - before.at_s for before, after in pairwise(samples)]
    over = [(watts, step) for watts, step in zip(excess, steps, strict=False) if watts > 0.0]
    return Verdict(
        overshoot_w=max(excess, default=0.0),
        over_s=sum(step for _, step in over),
        over_ws=sum(watts * step for watts, step in over),
        complied_s=_complied_s(samples, cut),
    )


def _complied_s(samples: Sequence[Sample], cut: Cut) -> float | None:
    since = [sample for sample in samples if sample.at_s >= cut.at_s]
    above = [i for i, sample in enumerate(since) if sample.power_w > cut.after_w]
    if not above:
        return 0.0
    if above[-1] + 1 >= len(since):
        return None
    return since[above[-1] + 1].at_s - cut.at_s
