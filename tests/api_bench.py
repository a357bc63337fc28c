"""The HTTP API on a real database, with a control thread that only records."""

import shutil
import threading
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from itertools import count
from pathlib import Path
from typing import Any

from sqlalchemy import Engine

from integrations.grid.dsx_flex import DsxFlexConfig, decode_load_targets
from orchestrator.api.app import create_api
from orchestrator.api.auth import Doorman
from orchestrator.api.context import ApiContext
from orchestrator.domain.errors import DatabaseUnavailable
from orchestrator.domain.signals import Signal, SignalBatch, SignalKey
from orchestrator.domain.topology import Limit, Node, Topology
from orchestrator.services.alarms import Alarms
from orchestrator.services.calibration import Calibration
from orchestrator.services.event_reports import EventReports
from orchestrator.services.history import History, Ring
from orchestrator.services.ingest import Ingest
from orchestrator.services.operations import Operations
from orchestrator.services.operator_events import OperatorEvents
from orchestrator.services.replay import Replay
from orchestrator.store.accounts import Accounts, Audit
from orchestrator.store.canonical import encode
from orchestrator.store.decisions import Decisions
from orchestrator.store.engine import open_engine, sqlite_url
from orchestrator.store.events import Breaches, Events
from orchestrator.store.migrate import upgrade
from orchestrator.store.models import Models
from orchestrator.store.operations import Arming, Budgets, Lockouts, Policies
from orchestrator.store.reports import Reports
from orchestrator.store.signals import Signals
from tests.asgi_client import AsgiClient
from tests.recording_control import NOON, RecordingControl, a_snapshot

TOPOLOGY = Topology(
    limits=(
        Limit("site", "facility", 20_000, uncontrolled_w=500),
        Limit("rack-a", "rack", 15_000, parent="site"),
    ),
    nodes=tuple(Node(f"node-{n}", "rack-a", "llama-70b", 8, 5600, 1600, 1800) for n in (1, 2)),
    firm_limit_w=8_000,
)
DSX = DsxFlexConfig(feeds={"main-a": "site"}, allow_unsigned=True)


@dataclass
class Clock:
    """Stands still until it is moved."""

    now: datetime = NOON

    def __call__(self) -> datetime:
        return self.now


class Outages(Signals):
    """The signals of a database that can be away."""

    away = False

    def add(self, signal: Signal, raw: bytes | str, origin: str, received_at: datetime) -> bool:
        self._check()
        return super().add(signal, raw, origin, received_at)

    def cancel(self, key: SignalKey, at: datetime) -> None:
        self._check()
        super().cancel(key, at)

    def standing(self, now: datetime) -> list[Signal]:
        self._check()
        return super().standing(now)

    def _check(self) -> None:
        if self.away:
            raise DatabaseUnavailable("the database is away, on purpose")


@dataclass
class Pulse:
    """How the service is doing, as the test wants it."""

    age_s: float = 0.1
    queues: Mapping[str, int] = field(default_factory=lambda: {"control": 2})
    losses: Mapping[str, int] = field(default_factory=lambda: {"telemetry": 5})

    def control_age_s(self) -> float:
        return self.age_s

    def waiting(self) -> Mapping[str, int]:
        return self.queues

    def dropped(self) -> Mapping[str, int]:
        return self.losses


class ApiBench:
    """Everything below the API, by name, and clients for it."""

    def __init__(self, engine: Engine) -> None:
        self.engine = engine
        self.clock = Clock()
        self.control = RecordingControl(a_snapshot())
        self.signals = Outages(engine)
        self.audit = Audit(engine)
        self.accounts = Accounts(engine)
        self.pulse = Pulse()
        self.ring = Ring()
        self.ingest = self.new_ingest()
        self.context = self._context()
        self.app = create_api(self.context)
        self._tokens: dict[str, str] = {}

    def new_ingest(self) -> Ingest:
        """An ingest as after a restart."""
        return Ingest(
            topology=TOPOLOGY,
            signals=self.signals,
            audit=self.audit,
            control=self.control,
            clock=self.clock,
            known=[stored.signal for stored in self.signals.list()],
            decode_targets=_decode,
        )

    def client(self, role: str | None = "operator") -> AsgiClient:
        """A client with a token of the role; None for one without a token."""
        headers = {} if role is None else {"Authorization": f"Bearer {self.token(role)}"}
        return AsgiClient(self.app, headers)

    def token(self, role: str) -> str:
        if role not in self._tokens:
            name = role.replace(":", "-")
            self._tokens[role] = self.accounts.create_token(name, role, NOON)
        return self._tokens[role]

    def _context(self) -> ApiContext:
        ids = count(1)
        decisions, models = Decisions(self.engine), Models(self.engine)
        budgets, policies = Budgets(self.engine, self.clock), Policies(self.engine, self.clock)
        reports = Reports(self.engine)
        return ApiContext(
            topology=TOPOLOGY,
            control=self.control,
            clock=self.clock,
            doorman=Doorman(self.accounts, self.clock),
            ingest=self.ingest,
            operations=Operations(
                topology=TOPOLOGY,
                budgets=budgets,
                policies=policies,
                arming=Arming(self.engine, self.clock),
                lockouts=Lockouts(self.engine, self.clock),
                audit=self.audit,
                control=self.control,
                clock=self.clock,
            ),
            operator_events=OperatorEvents(TOPOLOGY, self.ingest, lambda: f"event-{next(ids)}"),
            alarms=Alarms(self.ingest, self.signals, lambda: f"alarm-{next(ids)}"),
            replay=Replay(decisions, encode),
            calibration=Calibration(
                models=models, control=self.control, clock=self.clock, simulated=True
            ),
            history=History(self.ring, reports),
            event_reports=EventReports(Events(self.engine), reports, TOPOLOGY),
            signals=self.signals,
            breaches=Breaches(self.engine),
            budgets=budgets,
            policies=policies,
            decisions=decisions,
            models=models,
            accounts=self.accounts,
            audit=self.audit,
            health=self.pulse,
            stopping=threading.Event(),
        )


def migrated_file(folder: Path) -> Path:
    """An empty database of the newest schema, to be copied."""
    path = folder / "template.db"
    engine = open_engine(sqlite_url(str(path)))
    upgrade(engine)
    engine.dispose()
    return path


def bench_on(template: Path, folder: Path) -> ApiBench:
    """A bench on a copy of the template."""
    path = folder / "ballast.db"
    shutil.copy(template, path)
    return ApiBench(open_engine(sqlite_url(str(path))))


def envelope(**changes: Any) -> dict[str, Any]:
    """A limit of 10 kW for an hour from noon."""
    base = {
        "source": "utility",
        "id": "dr-17",
        "issued_at": "2030-01-01T12:00:00Z",
        "expires_at": "2030-01-01T13:00:00Z",
        "kind": "limit",
        "payload": {"value": 10, "unit": "kW"},
    }
    return base | changes


def _decode(topic: str, raw: bytes, now: datetime) -> SignalBatch:
    return decode_load_targets(topic, raw, DSX, now)
