"""The shed slot: a ceiling beside the lease, moved by the site's broadcast.

    ceiling in force = min(lease, slot)

A shed only ever lowers the slot, whatever its epoch and in whatever order sheds arrive. Only a
setpoint that is granted as a lease and names the shed, or a later one, empties it. The slot
outlives the lease, and with the journal the process.
"""

import math
from dataclasses import dataclass, field, replace

from agents.core import lease as leases
from agents.core.lease import Lease, Terms
from orchestrator.domain.setpoint import NO_FENCE, Fence, Setpoint
from orchestrator.domain.shed import NO_LEVEL, NodeTable, Shed
from orchestrator.domain.telemetry import Telemetry


@dataclass(frozen=True, slots=True)
class Slot:
    """What outlives the process. fence: of the newest shed taken or released, never goes back.

    level, cap_w: of the tightest shed in force, watts over all cards; None without one.
    """

    fence: Fence = NO_FENCE
    level: int = NO_LEVEL
    cap_w: float | None = None


@dataclass(frozen=True, slots=True)
class Sheds:
    """State of the fast path. canary: fence of the newest one heard."""

    slot: Slot = field(default_factory=Slot)
    table: NodeTable | None = None
    canary: Fence | None = None

    def ceiling_w(self, lease: Lease) -> float | None:
        """The sum of caps in force, None while nothing may be touched."""
        if lease.ceiling_w is None or self.slot.cap_w is None:
            return lease.ceiling_w
        return min(lease.ceiling_w, self.slot.cap_w)


def learn(terms: Terms, sheds: Sheds, table: NodeTable) -> Sheds:
    """Take the node's row of the table; what is in force stays as it is."""
    return replace(sheds, table=table) if table.node == terms.node else sheds


def hear(
    terms: Terms, sheds: Sheds, lease: Lease, shed: Shed, enforced_w: float | None
) -> tuple[Sheds, Lease]:
    """Take a broadcast. enforced_w: sum of enforced limits, None when unknown.

    A node that was never armed is moved by nothing: its operator has let Ballast watch, not act,
    and it is charged at nameplate. It notes canaries all the same.
    """
    seen = replace(lease, highest_epoch=max(lease.highest_epoch, shed.fence.epoch))
    if shed.canary:
        return replace(sheds, canary=max(sheds.canary or NO_FENCE, shed.fence)), seen
    if not lease.armed or _released(sheds.slot, shed):
        return sheds, seen
    return replace(sheds, slot=_tightened(sheds, terms, lease, shed, enforced_w)), seen


def release(sheds: Sheds, lease: Lease, setpoint: Setpoint) -> Sheds:
    """Empty the slot if this very setpoint granted the lease and names the shed or a later one."""
    named = setpoint.releases_shed
    if named is None or lease.setpoint is not setpoint or named < sheds.slot.fence:
        return sheds
    return replace(sheds, slot=Slot(named))


def reported(telemetry: Telemetry, sheds: Sheds, lease: Lease) -> Telemetry:
    """A report with what the slot holds; the limit of a lease in force is what both allow."""
    slot = sheds.slot
    known = slot.fence != NO_FENCE
    return replace(
        telemetry,
        limit_w=sheds.ceiling_w(lease) if lease.held else telemetry.limit_w,
        shed=slot.fence if known else None,
        shed_level=slot.level if known else None,
        shed_table=sheds.table.table if sheds.table else None,
        canary=sheds.canary,
    )


def _released(slot: Slot, shed: Shed) -> bool:
    """Whether its own leader has ended this shed: it comes late, or once more."""
    ended = slot.cap_w is None and shed.fence.epoch == slot.fence.epoch
    return ended and shed.fence <= slot.fence


def _tightened(
    sheds: Sheds, terms: Terms, lease: Lease, shed: Shed, enforced_w: float | None
) -> Slot:
    slot, fence = sheds.slot, max(sheds.slot.fence, shed.fence)
    held_w = math.inf if slot.cap_w is None else slot.cap_w
    cap_w = _cap_w(sheds, terms, lease, shed, enforced_w)
    if cap_w < held_w:
        return Slot(fence, shed.level, cap_w)
    return replace(slot, fence=fence)


def _cap_w(sheds: Sheds, terms: Terms, lease: Lease, shed: Shed, enforced_w: float | None) -> float:
    """The level's cap; without the table that it is meant for, the tightest that is known of."""
    table = sheds.table
    if table is not None and table.table == shed.table:
        return table.cap_w(shed.level)
    return min(terms.fail_safe_w, leases.in_force_w(lease, enforced_w))
