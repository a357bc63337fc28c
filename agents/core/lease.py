"""The lease of a power cap: what is taken, what is refused, and how it ends.

    none --setpoint--> held --end, gap in the loop--> expired --setpoint--> held
                        ^------------------------------------------------------|

A tightening is always taken. Anything else needs this incarnation, a newer fence, an epoch that
nobody has passed, and a lease that has not ended on the agent's own clock. Without a lease the
ceiling only ever falls. The lease of a release ends in "none" again, the caps where the cards had
them before Ballast; a tightening voids it.
"""

import math
from dataclasses import dataclass, replace
from typing import Final, Literal

from orchestrator.domain.setpoint import NO_FENCE, Ack, Fence, Setpoint

MIN_DESCENT_S: Final = 2.0
MAX_DESCENT_S: Final = 5.0
Status = Literal["none", "held", "expired"]


@dataclass(frozen=True, slots=True)
class Terms:
    """What the operator fixed for a node.

    fail_safe_w: watts over all cards without a lease. jitter: in [0, 1], spreads the descents of
    a site's nodes over MIN_DESCENT_S to MAX_DESCENT_S seconds.
    """

    node: str
    fail_safe_w: float
    jitter: float = 0.0

    @property
    def descent_s(self) -> float:
        """How long this node takes from the end of a lease down to fail-safe."""
        return MIN_DESCENT_S + (MAX_DESCENT_S - MIN_DESCENT_S) * self.jitter


@dataclass(frozen=True, slots=True)
class Descent:
    """A straight way down from one ceiling to another, in watts and seconds of the agent."""

    from_w: float
    to_w: float
    since_s: float
    over_s: float

    def at(self, now_s: float) -> float:
        """The ceiling in watts at a time."""
        share = min(1.0, max(0.0, now_s - self.since_s) / self.over_s)
        return self.to_w if share >= 1.0 else self.from_w - (self.from_w - self.to_w) * share


@dataclass(frozen=True, slots=True)
class Lease:
    """State of the lease.

    armed: whether a setpoint was ever taken. fence, limit_w: of the setpoint last taken.
    ceiling_w: the sum of caps in force, None before the first setpoint or reading.
    ends_s: end of the lease in force, None without one. setpoint: the one that granted it.
    """

    incarnation: str
    armed: bool = False
    highest_epoch: int = 0
    fence: Fence = NO_FENCE
    limit_w: float | None = None
    ceiling_w: float | None = None
    ends_s: float | None = None
    setpoint: Setpoint | None = None
    descent: Descent | None = None

    @property
    def held(self) -> bool:
        """Whether a lease is in force, so that caps may rise up to the ceiling."""
        return self.ends_s is not None

    @property
    def releasing(self) -> bool:
        """Whether the node is being given back: caps may rise to their prior limits."""
        return self.held and self.setpoint is not None and self.setpoint.release is True

    @property
    def status(self) -> Status:
        """The word for telemetry."""
        if self.held:
            return "held"
        return "expired" if self.armed else "none"


def receive(
    terms: Terms, lease: Lease, setpoint: Setpoint, enforced_w: float | None, now_s: float
) -> tuple[Lease, Ack]:
    """Take or refuse a setpoint. enforced_w: sum of enforced limits, None when unknown."""
    if setpoint.node != terms.node:
        return lease, _ack(terms, lease, setpoint, f"refused: it is for node {setpoint.node}")
    epoch = max(lease.highest_epoch, setpoint.fence.epoch)
    seen = replace(lease, highest_epoch=epoch)
    if lease.held and setpoint == lease.setpoint and setpoint.limit_w == lease.ceiling_w:
        return seen, _ack(terms, lease, setpoint, "already in force", accepted=True)
    objection = _objection(lease, setpoint, now_s)
    if objection is None:
        return _grant(seen, setpoint), _ack(terms, lease, setpoint, "taken", accepted=True)
    if setpoint.limit_w < in_force_w(lease, enforced_w):
        reason = f"taken because it tightens, but no lease: {objection}"
        return _tighten(seen, setpoint), _ack(terms, lease, setpoint, reason, accepted=True)
    return seen, _ack(terms, lease, setpoint, f"refused: {objection}")


def advance(terms: Terms, lease: Lease, enforced_w: float | None, now_s: float) -> Lease:
    """Let time pass: end a lease that is over, and bring the ceiling down without one."""
    if not lease.armed or (lease.ends_s is not None and now_s < lease.ends_s):
        return lease
    if lease.ceiling_w is None:
        return _start_in_fail_safe(terms, lease, enforced_w, now_s)
    if lease.releasing:
        return _give_back(lease)
    if lease.held or lease.descent is None:
        lease = _end(terms, lease, enforced_w, now_s)
    if lease.descent is None or lease.ceiling_w is None:
        return lease
    ceiling_w = min(lease.ceiling_w, lease.descent.at(now_s))
    return replace(lease, ceiling_w=_lower(ceiling_w, enforced_w))


def interrupt(
    terms: Terms, lease: Lease, incarnation: str, enforced_w: float | None, now_s: float
) -> Lease:
    """Go on as a new incarnation after a gap: a lease in force ends now."""
    renamed = replace(lease, incarnation=incarnation)
    return _end(terms, renamed, enforced_w, now_s) if lease.held else renamed


def in_force_w(lease: Lease, enforced_w: float | None) -> float:
    """The limit that a tightening must undercut; infinite while nothing is known."""
    if lease.held and lease.ceiling_w is not None:
        return lease.ceiling_w
    return _lower(math.inf if lease.ceiling_w is None else lease.ceiling_w, enforced_w)


def _objection(lease: Lease, setpoint: Setpoint, now_s: float) -> str | None:
    """Why a setpoint grants no lease, None when it does."""
    if setpoint.incarnation != lease.incarnation:
        return f"based on incarnation {setpoint.incarnation}, this is {lease.incarnation}"
    if setpoint.fence.epoch < lease.highest_epoch:
        return f"epoch {setpoint.fence.epoch} is over, {lease.highest_epoch} has been seen"
    if setpoint.fence <= lease.fence:
        return f"not newer than {lease.fence.epoch}.{lease.fence.sequence}"
    if setpoint.stamp_s > now_s:
        return f"its stamp lies {setpoint.stamp_s - now_s:.3f} s in the future of this clock"
    if now_s >= setpoint.ends_s:
        return f"its lease ended {now_s - setpoint.ends_s:.3f} s ago"
    return None


def _grant(lease: Lease, setpoint: Setpoint) -> Lease:
    return replace(
        lease,
        armed=True,
        fence=setpoint.fence,
        limit_w=setpoint.limit_w,
        ceiling_w=setpoint.limit_w,
        ends_s=setpoint.ends_s,
        setpoint=setpoint,
        descent=None,
    )


def _tighten(lease: Lease, setpoint: Setpoint) -> Lease:
    return replace(
        lease,
        armed=True,
        fence=max(lease.fence, setpoint.fence),
        limit_w=setpoint.limit_w,
        ceiling_w=setpoint.limit_w,
        setpoint=None if lease.releasing else lease.setpoint,
    )


def _give_back(lease: Lease) -> Lease:
    """As before the first setpoint, but for the fence."""
    return replace(lease, armed=False, limit_w=None, ceiling_w=None, ends_s=None, setpoint=None)


def _end(terms: Terms, lease: Lease, enforced_w: float | None, now_s: float) -> Lease:
    from_w = in_force_w(replace(lease, ends_s=None), enforced_w)
    descent = Descent(from_w, min(from_w, terms.fail_safe_w), now_s, terms.descent_s)
    return replace(lease, ceiling_w=from_w, ends_s=None, setpoint=None, descent=descent)


def _start_in_fail_safe(
    terms: Terms, lease: Lease, enforced_w: float | None, now_s: float
) -> Lease:
    ceiling_w = _lower(terms.fail_safe_w, enforced_w)
    descent = Descent(ceiling_w, ceiling_w, now_s, terms.descent_s)
    return replace(lease, ceiling_w=ceiling_w, descent=descent)


def _lower(ceiling_w: float, enforced_w: float | None) -> float:
    return ceiling_w if enforced_w is None else min(ceiling_w, enforced_w)


def _ack(
    terms: Terms, lease: Lease, setpoint: Setpoint, reason: str, *, accepted: bool = False
) -> Ack:
    return Ack(terms.node, lease.incarnation, setpoint.fence, accepted, reason)
