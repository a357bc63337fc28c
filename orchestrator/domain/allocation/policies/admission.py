"""Who keeps what it needs when not everybody can: strictly by tier, priority and activity.

The lowest tier first, then the larger priority, then the active, then whose watts are worth more
where that is known, then the smaller id. Whoever fits under every limit and tenant maximum over
it is let in, the others are passed over.
"""

from typing import Final

import numpy as np

from orchestrator.domain.allocation.policies.instance import Bools, Instance
from orchestrator.domain.allocation.policies.steps import Room, admit_in_order, room
from orchestrator.domain.allocation.tree import Floats, Ints

ROUNDING: Final = 1e-12


def in_order(instance: Instance, worth: Floats | None = None) -> Ints:
    """Devices from the first to be served to the first to be shed; worth: of a watt, by device."""
    per_w = np.zeros(len(instance.order)) if worth is None else worth
    keys = (instance.order, -per_w, ~instance.active, -instance.priority, instance.tier)
    return np.lexsort(keys)


def admit(
    instance: Instance, held_w: Floats, needed_w: Floats, worth: Floats | None = None
) -> Bools:
    """Who may go from what it holds to what it needs; where all fit, everybody."""
    nest = instance.nest._replace(room_w=instance.nest.room_w * (1 + ROUNDING))
    rows = instance.rows._replace(most_w=instance.rows.most_w * (1 + ROUNDING))
    if (nest.sums(needed_w) <= nest.room_w).all() and (rows.sums(needed_w) <= rows.most_w).all():
        return np.ones(len(needed_w), dtype=np.bool_)
    left: Room = room(nest, rows, held_w)
    return np.asarray(
        admit_in_order(left, in_order(instance, worth), needed_w - held_w), dtype=np.bool_
    )
