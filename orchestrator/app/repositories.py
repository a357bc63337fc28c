"""All repositories over one database, and the database made ready for this facility."""

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Engine

from orchestrator.domain.errors import UnsafeChange
from orchestrator.domain.failsafe import unaffordable
from orchestrator.domain.topology import Topology
from orchestrator.runtime.credentials import ensure_secret
from orchestrator.runtime.folders import make_folder
from orchestrator.settings import Settings
from orchestrator.store.accounts import Accounts, Audit
from orchestrator.store.decisions import Decisions
from orchestrator.store.engine import open_engine
from orchestrator.store.events import Breaches, Events
from orchestrator.store.migrate import upgrade
from orchestrator.store.models import Models
from orchestrator.store.operations import Arming, Budgets, Clock, Lockouts, Policies
from orchestrator.store.reports import Reports
from orchestrator.store.signals import Signals
from orchestrator.store.topologies import Facilities, Topologies

ADMIN = "admin"


@dataclass(frozen=True, slots=True)
class Repositories:
    """One of each."""

    engine: Engine
    accounts: Accounts
    arming: Arming
    audit: Audit
    breaches: Breaches
    budgets: Budgets
    decisions: Decisions
    events: Events
    lockouts: Lockouts
    models: Models
    policies: Policies
    reports: Reports
    signals: Signals
    topologies: Topologies


def open_repositories(settings: Settings, clock: Clock) -> Repositories:
    """Open the database, bring it up to date, and claim it for this facility.

    Raises DatabaseUnavailable, NewerDatabase, or ConfigurationError when it is another facility's.
    """
    make_folder(settings.data_dir)
    engine = open_engine(settings.database)
    upgrade(engine)
    Facilities(engine).claim(settings.site, settings.simulated, clock())
    return Repositories(
        engine=engine,
        accounts=Accounts(engine),
        arming=Arming(engine, clock),
        audit=Audit(engine),
        breaches=Breaches(engine),
        budgets=Budgets(engine, clock),
        decisions=Decisions(engine),
        events=Events(engine),
        lockouts=Lockouts(engine, clock),
        models=Models(engine),
        policies=Policies(engine, clock),
        reports=Reports(engine),
        signals=Signals(engine),
        topologies=Topologies(engine),
    )


def ensure_admin(accounts: Accounts, settings: Settings, now: datetime) -> None:
    """Let `admin` sign in with the password in the secrets folder."""
    password = ensure_secret(settings.secrets_dir, ADMIN)
    if accounts.verify_password(ADMIN, password) is None:
        accounts.put_user(ADMIN, password, "admin", now)


def accept_topology(topologies: Topologies, topology: Topology, now: datetime) -> list[str]:
    """Store the topology if it is safe. Raises UnsafeChange for a change that is not.

    Returns what is unaffordable about a topology that was in force already: the service then
    only tightens.
    """
    problems = unaffordable(topology)
    if problems and topologies.current() != topology:
        raise UnsafeChange(
            "the fail-safe is not affordable: "
            + "; ".join(problems)
            + ". Lower the fail-safe caps, or raise the limit"
        )
    topologies.put(topology, now)
    return problems
