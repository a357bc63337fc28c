"""Which epochs have been used, as the reports of nodes prove it."""

from orchestrator.control.state import NodeState, State
from orchestrator.domain.telemetry import Telemetry


def epoch_used(state: State, node: NodeState, telemetry: Telemetry) -> int:
    """The highest epoch that a report proves to be taken by somebody else; ours must be above it.

    After an old copy of the database was restored, our own epoch may have been led before: a node
    then knows it before we have sent it anything, or names a setpoint that we have not sent yet.
    """
    sent_epoch = node.sent.fence.epoch if node.sent else None
    unsent = telemetry.highest_epoch == state.epoch != sent_epoch
    ahead = telemetry.fence.epoch == state.epoch and telemetry.fence.sequence > state.sequence
    return state.epoch + 1 if unsent or ahead else telemetry.highest_epoch
