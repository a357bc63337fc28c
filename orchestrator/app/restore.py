"""A leader's beginning: the state that a takeover finds, and everything that still stands."""

from orchestrator.app.repositories import Repositories
from orchestrator.control.state import State, new_state
from orchestrator.domain.moment import Moment
from orchestrator.domain.topology import Topology
from orchestrator.messages import (
    ArmingChanged,
    BudgetsChanged,
    FrontiersChanged,
    Input,
    LockoutsChanged,
    PolicyChanged,
    SignalReceived,
)
from orchestrator.ports import Takeover
from orchestrator.settings import Settings


def restored_state(
    settings: Settings,
    topology: Topology,
    takeover: Takeover,
    repositories: Repositories,
    now: Moment,
) -> State:
    """The control state with open events and breaches; raises nothing for one ttl."""
    events = tuple(repositories.events.open())
    state = new_state(settings.control_settings(), topology, takeover, events, now)
    state.breaches.restore(repositories.breaches.open(), now)
    return state


def standing_inputs(repositories: Repositories, now: Moment) -> list[Input]:
    """What operators and the grid have said and not taken back."""
    return [
        FrontiersChanged(repositories.models.frontiers(), repositories.models.candidates()),
        PolicyChanged(repositories.policies.get()),
        BudgetsChanged(tuple(repositories.budgets.list())),
        ArmingChanged(repositories.arming.armed()),
        LockoutsChanged(repositories.lockouts.locked()),
        *(SignalReceived(signal, stored=True) for signal in repositories.signals.standing(now.utc)),
    ]
