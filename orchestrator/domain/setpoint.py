"""A power cap given as a lease: what the orchestrator sends and how it is ordered."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, order=True)
class Fence:
    """Position of a setpoint in the order of all setpoints ever sent to a node.

    The epoch belongs to one leader, the sequence counts within it.
    """

    epoch: int
    sequence: int


NO_FENCE = Fence(0, 0)


@dataclass(frozen=True, slots=True)
class Setpoint:
    """A leased ceiling for one node.

    limit_w: watts, the sum of the enforced limits of the node's GPUs, host overhead excluded.
    target_tok_s: output tokens per second to hold if the limit allows it; None asks for the
        best tokens per second within the limit.
    ttl_s: the lease ends at stamp_s + ttl_s on the agent's own clock.
    incarnation, stamp_s: echo of the telemetry this setpoint is based on.
    releases_shed: the fence of the shed that this setpoint ends, with all before it.
    release: True gives the node back: its cards return to their limits from before Ballast, and
        the lease ends without a descent. None in every other setpoint.
    """

    node: str
    limit_w: float
    target_tok_s: float | None
    ttl_s: float
    fence: Fence
    incarnation: str
    stamp_s: float
    decision_id: str
    releases_shed: Fence | None = None
    release: bool | None = None

    @property
    def ends_s(self) -> float:
        """End of the lease in seconds of the agent's clock."""
        return self.stamp_s + self.ttl_s


@dataclass(frozen=True, slots=True)
class Ack:
    """An agent's answer to a setpoint: taken or refused, and why."""

    node: str
    incarnation: str
    fence: Fence
    accepted: bool
    reason: str
