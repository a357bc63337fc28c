"""All that the HTTP API stands on; put together by the composition root."""

import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from orchestrator.api.auth import Doorman
from orchestrator.domain.topology import Topology
from orchestrator.ports import Control
from orchestrator.services.alarms import Alarms
from orchestrator.services.calibration import Calibration
from orchestrator.services.event_reports import EventReports
from orchestrator.services.history import History
from orchestrator.services.ingest import Ingest
from orchestrator.services.operations import Operations
from orchestrator.services.operator_events import OperatorEvents
from orchestrator.services.replay import Replay
from orchestrator.store.accounts import Accounts, Audit
from orchestrator.store.decisions import Decisions
from orchestrator.store.events import Breaches
from orchestrator.store.models import Models
from orchestrator.store.operations import Budgets, Policies
from orchestrator.store.signals import Signals


class Health(Protocol):
    """How the service itself is doing; never blocks."""

    def control_age_s(self) -> float:
        """Seconds since the last control step."""

    def waiting(self) -> Mapping[str, int]:
        """Lengths of the queues, by name."""

    def dropped(self) -> Mapping[str, int]:
        """What was dropped since the start, by name, telemetry included."""


@dataclass(frozen=True, slots=True)
class ApiContext:
    """Services, repositories and the control thread.

    clock: the time in UTC. stopping: set when the service ends, so that streams end too.
    """

    topology: Topology
    control: Control
    clock: Callable[[], datetime]
    doorman: Doorman
    ingest: Ingest
    operations: Operations
    operator_events: OperatorEvents
    alarms: Alarms
    replay: Replay
    calibration: Calibration
    history: History
    event_reports: EventReports
    signals: Signals
    breaches: Breaches
    budgets: Budgets
    policies: Policies
    decisions: Decisions
    models: Models
    accounts: Accounts
    audit: Audit
    health: Health
    stopping: threading.Event
