"""Breaches: what exceeds a limit after its ramp, from the first warning until it is resolved.

    warning ──▶ critical ──▶ escalated
       └────────────┴────────────┴──▶ resolved

Severity only rises while a breach is open, one rung a step. Only evidence resolves: a meter that
dies during a breach of its own leaves it open as it is, and the record says that nothing is known.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Final, Literal

from orchestrator.domain.compliance import REPORT_EVERY_S, TOLERANCE_W
from orchestrator.domain.moment import Moment

BreachStatus = Literal["warning", "critical", "escalated", "resolved"]
Standing = Literal["over", "exposed", "under", "unknown"]
LADDER: Final[tuple[BreachStatus, ...]] = ("warning", "critical", "escalated")


@dataclass(frozen=True, slots=True)
class BreachRules:
    """When a breach opens, worsens and ends; seconds, and a fraction of the limit."""

    open_after_s: float = 2.0
    critical_fraction: float = 0.02
    critical_after_s: float = 10.0
    escalate_after_s: float = 30.0
    resolve_after_s: float = 10.0


@dataclass(frozen=True, slots=True)
class Evidence:
    """What is known of one limit now, watts.

    allowed_w: the limit in force, or more while its ramp runs. exposed_w: the most that may be
    drawn, None where nothing is armed. metered_w: None without a fresh meter.
    """

    limit_id: str
    allowed_w: float
    exposed_w: float | None
    metered_w: float | None
    cause: str


@dataclass(frozen=True, slots=True)
class Breach:
    """One breach of one limit, as it is stored; times in UTC.

    started_at: when the excess began, before it was a warning. worst_w, excess_ws: watts and
    watt-seconds above the limit, by the meter once the meter has shown it (measured), by the
    exposures until then. known: False while the meter that showed it is silent.
    """

    limit_id: str
    started_at: datetime
    status: BreachStatus
    warning_at: datetime
    critical_at: datetime | None
    escalated_at: datetime | None
    resolved_at: datetime | None
    worst_w: float
    excess_ws: float
    cause: str
    measured: bool
    known: bool = True


@dataclass(frozen=True, slots=True)
class Course:
    """How an excess goes on. opened: it is a breach; grave_s: seconds that count for severity."""

    breach: Breach
    at_s: float
    reported_s: float
    standing: Standing = "under"
    excess_w: float = 0.0
    opened: bool = False
    over_s: float = 0.0
    grave_s: float = 0.0
    under_s: float = 0.0


def follow(
    before: Course | None, evidence: Evidence, now: Moment, rules: BreachRules
) -> Course | None:
    """Take what is known now. None: the limit is kept, and there is nothing to remember.

    A course whose breach is resolved is the last one. What was seen counts until it is seen anew.
    """
    standing = _standing(before, evidence)
    if before is None:
        return _begun(evidence, standing, now) if standing in ("over", "exposed") else None
    course = _measured(_passed(before, evidence, now), evidence, standing)
    if not course.opened:
        return None if standing == "under" else _opened(course, now, rules)
    if course.under_s >= rules.resolve_after_s and standing == "under":
        return _moved(course, "resolved", now)
    return _worsened(course, evidence, now, rules)


@dataclass(slots=True)
class BreachBook:
    """All breaches that are open, and excesses that may become one. opened: since the start."""

    rules: BreachRules = field(default_factory=BreachRules)
    opened: int = 0
    _courses: dict[str, Course] = field(default_factory=dict)

    def restore(self, breaches: Iterable[Breach], now: Moment) -> None:
        """Go on with breaches that an earlier leader left open: as they are until evidence says."""
        for breach in breaches:
            self._courses[breach.limit_id] = Course(
                breach, now.monotonic_s, now.monotonic_s, "unknown", opened=True
            )

    def update(self, evidence: Evidence, now: Moment) -> Breach | None:
        """Take what is known of one limit; returns the record when it is to be stored."""
        before = self._courses.pop(evidence.limit_id, None)
        after = follow(before, evidence, now, self.rules)
        if after is None:
            return None
        self.opened += after.opened and (before is None or not before.opened)
        due = _is_due(before, after, now)
        if after.breach.status != "resolved":
            kept = replace(after, reported_s=now.monotonic_s) if due else after
            self._courses[evidence.limit_id] = kept
        return after.breach if due else None

    def standing(self) -> tuple[Breach, ...]:
        """The open breaches, by limit."""
        return tuple(c.breach for _, c in sorted(self._courses.items()) if c.opened)

    def escalated(self) -> frozenset[str]:
        """Limits below which the tightest measures are in force."""
        return frozenset(b.limit_id for b in self.standing() if b.status == "escalated")


def _standing(before: Course | None, evidence: Evidence) -> Standing:
    """The meter speaks first; the exposures stand in for one that is not there."""
    if evidence.metered_w is not None and evidence.metered_w > evidence.allowed_w + TOLERANCE_W:
        return "over"
    exposed_w = evidence.exposed_w
    if exposed_w is not None and exposed_w > evidence.allowed_w + TOLERANCE_W:
        return "exposed" if evidence.metered_w is not None else "over"
    if before is not None and before.breach.measured and evidence.metered_w is None:
        return "unknown"
    return "under"


def _excess_w(evidence: Evidence, measured: bool) -> float:
    value_w = evidence.metered_w if measured else evidence.exposed_w
    return 0.0 if value_w is None else max(0.0, value_w - evidence.allowed_w)


def _is_metered_over(evidence: Evidence) -> bool:
    return _excess_w(evidence, measured=True) > TOLERANCE_W


def _begun(evidence: Evidence, standing: Standing, now: Moment) -> Course:
    measured = _is_metered_over(evidence)
    excess_w = _excess_w(evidence, measured)
    breach = Breach(
        limit_id=evidence.limit_id,
        started_at=now.utc,
        status="warning",
        warning_at=now.utc,
        critical_at=None,
        escalated_at=None,
        resolved_at=None,
        worst_w=excess_w,
        excess_ws=0.0,
        cause=evidence.cause,
        measured=measured,
    )
    return Course(breach, now.monotonic_s, now.monotonic_s, standing, excess_w)


def _passed(course: Course, evidence: Evidence, now: Moment) -> Course:
    """Let what was seen last count for the time until now; nothing is made up for silence."""
    passed_s = max(0.0, now.monotonic_s - course.at_s)
    over, grave = course.standing in ("over", "exposed"), course.standing == "over"
    silent = course.breach.measured and evidence.metered_w is None
    added_ws = 0.0 if silent else course.excess_w * passed_s
    breach = replace(course.breach, excess_ws=course.breach.excess_ws + added_ws)
    return replace(
        course,
        breach=breach,
        at_s=now.monotonic_s,
        over_s=course.over_s + passed_s if over else 0.0,
        grave_s=course.grave_s + (passed_s if grave else 0.0),
        under_s=course.under_s + passed_s if course.standing == "under" else 0.0,
    )


def _measured(course: Course, evidence: Evidence, standing: Standing) -> Course:
    """Note the excess now. From the first time the meter shows it, only the meter counts."""
    breach = course.breach
    if not breach.measured and _is_metered_over(evidence):
        breach = replace(breach, measured=True, worst_w=0.0, excess_ws=0.0)
    excess_w = _excess_w(evidence, breach.measured)
    known = evidence.metered_w is not None or not breach.measured
    breach = replace(breach, worst_w=max(breach.worst_w, excess_w), known=known)
    return replace(course, breach=breach, standing=standing, excess_w=excess_w)


def _opened(course: Course, now: Moment, rules: BreachRules) -> Course:
    if course.over_s <= rules.open_after_s:
        return course
    return replace(course, opened=True, breach=replace(course.breach, warning_at=now.utc))


def _worsened(course: Course, evidence: Evidence, now: Moment, rules: BreachRules) -> Course:
    """One rung up, if it is due."""
    much = _excess_w(evidence, measured=True) > rules.critical_fraction * evidence.allowed_w
    due: BreachStatus = "warning"
    if course.grave_s > rules.escalate_after_s:
        due = "escalated"
    elif course.grave_s > rules.critical_after_s or much:
        due = "critical"
    present = LADDER.index(course.breach.status)
    if LADDER.index(due) <= present:
        return course
    return _moved(course, LADDER[present + 1], now)


def _moved(course: Course, status: BreachStatus, now: Moment) -> Course:
    breach = replace(course.breach, status=status, known=True)
    match status:
        case "critical":
            breach = replace(breach, critical_at=now.utc)
        case "escalated":
            breach = replace(breach, escalated_at=now.utc)
        case _:
            breach = replace(breach, resolved_at=now.utc)
    return replace(course, breach=breach)


def _is_due(before: Course | None, after: Course, now: Moment) -> bool:
    """What changed is stored at once, how it grows every ten seconds."""
    if not after.opened:
        return False
    if before is None or not before.opened or now.monotonic_s - before.reported_s >= REPORT_EVERY_S:
        return True
    old, new = before.breach, after.breach
    return (old.status, old.known, old.measured) != (new.status, new.known, new.measured)
