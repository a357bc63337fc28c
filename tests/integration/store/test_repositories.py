"""What is stored comes back as it was, and repeats change nothing."""

from dataclasses import replace
from datetime import UTC, datetime, time, timedelta, timezone

import pytest
from sqlalchemy import Engine, select

from orchestrator.domain.breach import Breach
from orchestrator.domain.budget import Budget, GridPolicy
from orchestrator.domain.decision import decide
from orchestrator.domain.errors import (
    ConfigurationError,
    Conflict,
    DuplicateSignal,
    InvalidInput,
    NotFound,
)
from orchestrator.domain.events import Shortfall
from orchestrator.domain.signals import SignalKey
from orchestrator.store.accounts import Accounts, Audit
from orchestrator.store.canonical import encode
from orchestrator.store.decisions import Decisions
from orchestrator.store.engine import open_engine, reading
from orchestrator.store.events import Breaches, Events, Shortfalls
from orchestrator.store.models import Models
from orchestrator.store.operations import Arming, Budgets, Lockouts, Policies
from orchestrator.store.record_tables import decision_nodes
from orchestrator.store.signals import Signals
from orchestrator.store.tables import api_tokens, documents, users
from orchestrator.store.topologies import Facilities, Topologies
from tests.integration.store.records import (
    FRONTIER,
    KEY,
    NOON,
    TOPOLOGY,
    after,
    decision,
    event,
    signal,
)


def clock() -> datetime:
    """Noon for ever."""
    return NOON


def test_a_signal_is_taken_once(engine: Engine) -> None:
    """A repeat is known, the same id with other content is refused and changes nothing."""
    signals = Signals(engine)
    assert signals.add(signal(), b'{"v": 9}', "mqtt", NOON)
    assert not signals.add(signal(), b'{"v":9}', "http", after(1))
    assert not signals.add(replace(signal(), starts_at=after(1)), b'{"v": 9}', "mqtt", after(1))
    with pytest.raises(DuplicateSignal, match="utility/event-1"):
        signals.add(signal(limit_w=8_000.0), b'{"v": 8}', "mqtt", after(2))
    (stored,) = signals.list()
    assert (stored.signal, stored.origin, stored.received_at) == (signal(), "mqtt", NOON)


def test_a_signal_stands_until_it_ends_or_is_withdrawn(engine: Engine) -> None:
    """Neither an ended nor a withdrawn signal stands; both stay on record."""
    signals = Signals(engine)
    forever = replace(signal("forever"), ends_at=None)
    for one in (signal(), signal("short", lasts_s=10), forever):
        signals.add(one, one.key.id, "http", NOON)
    assert {s.key.id for s in signals.standing(after(9))} == {"event-1", "short", "forever"}
    signals.cancel(KEY, after(10))
    signals.cancel(KEY, after(20))
    assert [s.key.id for s in signals.standing(after(10))] == ["forever"]
    assert {s.signal.key.id: s.cancelled_at for s in signals.list()} == {
        "event-1": after(10),
        "short": None,
        "forever": None,
    }
    with pytest.raises(NotFound, match="utility/unknown"):
        signals.cancel(SignalKey("utility", "unknown"), NOON)


def test_moments_come_back_in_utc(engine: Engine) -> None:
    """A moment of another zone is the same instant afterwards, in UTC, microseconds included."""
    tokyo = timezone(timedelta(hours=9))
    moment = datetime(2026, 3, 14, 21, 0, 0, 123456, tzinfo=tokyo)
    Signals(engine).add(replace(signal(), issued_at=moment), b"", "http", moment)
    (stored,) = Signals(engine).list()
    assert stored.received_at == stored.signal.issued_at == moment
    assert stored.received_at.tzinfo == UTC


def test_a_moment_without_a_zone_is_refused(engine: Engine) -> None:
    """Nobody guesses time zones."""
    with pytest.raises(InvalidInput, match="time zone"):
        Audit(engine).add(datetime(2026, 3, 14, 12), "ann", "a", "b")  # noqa: DTZ001


def test_budgets_are_replaced_and_removed(engine: Engine) -> None:
    budgets = Budgets(engine, clock)
    night = Budget("night", "rack-1", 12_000.0, time(22), time(6), (0, 4), "Europe/Berlin")
    budgets.put(replace(night, limit_w=11_000.0))
    budgets.put(night)
    assert budgets.list() == [night]
    budgets.delete("night")
    assert budgets.list() == []
    with pytest.raises(NotFound):
        budgets.delete("night")


def test_the_last_policy_is_in_force(engine: Engine) -> None:
    policies = Policies(engine, clock)
    assert policies.get() == GridPolicy()
    policies.put(GridPolicy(carbon_above_g_per_kwh=300.0, carbon_limit_w=10_000.0))
    policies.put(GridPolicy(price_above_per_mwh=-5.0, price_limit_w=10_000.0))
    assert policies.get() == GridPolicy(price_above_per_mwh=-5.0, price_limit_w=10_000.0)


def test_arming_and_lockouts_are_sets(engine: Engine) -> None:
    arming, lockouts = Arming(engine, clock), Lockouts(engine, clock)
    arming.arm("rack-1", by="ann")
    arming.arm("rack-1")
    arming.arm("rack-2")
    arming.disarm("rack-2")
    arming.disarm("rack-3")
    assert arming.armed() == {"rack-1"}
    lockouts.lock("node-1", "smoke")
    lockouts.lock("node-1", "fire")
    lockouts.lock("node-2", "visit")
    lockouts.release("node-2")
    assert lockouts.locked() == {"node-1"}
    assert lockouts.reasons() == {"node-1": "fire"}


def test_a_topology_is_a_new_version_only_when_it_differs(engine: Engine) -> None:
    """Back to an earlier tree is a new version of the same document."""
    topologies = Topologies(engine)
    assert topologies.current() is None
    other = replace(TOPOLOGY, firm_limit_w=8000.0)
    hashes = [topologies.put(tree, NOON) for tree in (TOPOLOGY, TOPOLOGY, other, TOPOLOGY)]
    assert topologies.current() == TOPOLOGY
    assert hashes[0] == hashes[1] == hashes[3] != hashes[2]
    with reading(engine) as connection:
        assert len(connection.execute(select(documents)).all()) == 2


def test_simulated_and_real_records_never_mix(engine: Engine) -> None:
    """A database belongs to the facility that claimed it first."""
    facilities = Facilities(engine)
    facilities.claim("demo", simulated=True, at=NOON)
    facilities.claim("demo", simulated=True, at=after(9))
    with pytest.raises(ConfigurationError, match="simulated site 'demo', not to the real"):
        facilities.claim("demo", simulated=False, at=NOON)


def test_one_model_of_a_deployment_is_active(engine: Engine) -> None:
    models = Models(engine)
    sha256 = models.add_samples("chat", "cap_w,batch\n", simulated=True, at=NOON)
    assert models.samples(sha256) == "cap_w,batch\n"
    newer = replace(FRONTIER, model_version="chat-2")
    for frontier in (FRONTIER, newer, newer):
        models.add_model(
            frontier,
            replace(frontier, points=frontier.points[::-1]),
            samples_sha256=sha256,
            recipe={"trees": 60, "seed": 0},
            metrics={"mape": 0.03},
            simulated=True,
            at=NOON,
        )
    assert models.frontiers() == {}
    models.activate("chat-1")
    models.activate("chat-2")
    assert models.frontiers() == {"chat": newer}
    assert models.candidates() == {"chat": replace(newer, points=newer.points[::-1])}
    active = {model.version: model.active for model in models.versions("chat")}
    assert active == {"chat-1": False, "chat-2": True}
    assert models.versions("chat")[0].recipe == '{"seed":0,"trees":60}'
    with pytest.raises(NotFound):
        models.activate("chat-3")
    with pytest.raises(Conflict):
        models.add_model(
            replace(FRONTIER, model_version="x"),
            FRONTIER,
            samples_sha256="unknown",
            recipe={},
            metrics={},
            simulated=True,
            at=NOON,
        )


def test_a_stored_decision_replays_byte_for_byte(engine: Engine) -> None:
    """Deciding again from the stored inputs gives the stored outcome."""
    decisions = Decisions(engine)
    decisions.add(decision(), 3)
    decisions.add(decision(), 3)
    stored = decisions.get("d-1")
    assert stored == decision()
    assert encode(decide(stored.inputs)) == decisions.outcome_text("d-1")
    assert decisions.inputs_text("d-1") == encode(decision().inputs)
    with pytest.raises(NotFound):
        decisions.get("d-2")


def test_large_inputs_are_stored_once(engine: Engine) -> None:
    """Decisions of one topology and one frontier share their documents."""
    decisions = Decisions(engine)
    Topologies(engine).put(TOPOLOGY, NOON)
    for number in range(1, 4):
        decisions.add(decision(f"d-{number}", number), 3)
    with reading(engine) as connection:
        assert len(connection.execute(select(documents)).all()) == 2
    recent = decisions.recent(2)
    assert [summary.id for summary in recent] == ["d-3", "d-2"]
    assert [summary.id for summary in decisions.recent(9, before=recent[-1].decided_at)] == ["d-1"]


def test_a_decision_names_the_signal_that_bound_each_node(engine: Engine) -> None:
    """Nodes that the event's limit binds carry its signal; one that cannot move carries none."""
    Decisions(engine).add(decision(), 3)
    columns = [decision_nodes.c[name] for name in ("node", "bound_limit_id", "signal_id")]
    with reading(engine) as connection:
        found = connection.execute(select(*columns).order_by(decision_nodes.c.node)).all()
    assert [tuple(row) for row in found] == [
        ("node-1", "site", "event-1"),
        ("node-2", "site", "event-1"),
        ("node-3", None, None),
    ]


def test_an_event_keeps_its_latest_record(engine: Engine) -> None:
    events = Events(engine)
    events.put(event("scheduled"))
    events.put(event())
    assert events.get(KEY) == event()
    assert events.open() == [event()]
    events.put(event("completed", after(60)))
    assert events.open() == []
    assert events.list() == [event("completed", after(60))]


def test_shortfalls_are_kept_once(engine: Engine) -> None:
    """The recorder may repeat a shortfall whose answer it lost."""
    shortfall = Shortfall("site", NOON, after(2), 150.0, 100.0, "a node was silent", measured=True)
    shortfalls = Shortfalls(engine)
    for _ in range(2):
        shortfalls.add(shortfall)
    assert shortfalls.list(NOON) == [shortfall]


def test_passwords_and_tokens_open_the_door_and_are_not_stored(engine: Engine) -> None:
    """Right credentials give the role, wrong, unknown and revoked ones nothing."""
    accounts = Accounts(engine)
    assert not accounts.has_users()
    accounts.put_user("ann", "correct horse", "operator", NOON)
    assert accounts.has_users()
    assert accounts.verify_password("ann", "correct horse") == "operator"
    assert accounts.verify_password("ann", "correct hors") is None
    assert accounts.verify_password("bob", "correct horse") is None
    token = accounts.create_token("ci", "viewer", NOON)
    assert accounts.role_of(token) == "viewer"
    assert accounts.role_of(token + "x") is None
    with pytest.raises(Conflict, match="ci"):
        accounts.create_token("ci", "admin", NOON)
    with reading(engine) as connection:
        rows = [*connection.execute(select(users)), *connection.execute(select(api_tokens))]
    assert not any(secret in str(row) for row in rows for secret in (token, "correct horse"))
    accounts.revoke("ci", after(1))
    assert accounts.role_of(token) is None


@pytest.mark.parametrize(
    ("name", "password", "role"),
    [("", "long enough", "viewer"), ("a", "short", "viewer"), ("a", "long enough", "root")],
)
def test_bad_accounts_are_refused(engine: Engine, name: str, password: str, role: str) -> None:
    with pytest.raises(InvalidInput):
        Accounts(engine).put_user(name, password, role, NOON)  # type: ignore[arg-type]
    assert not Accounts(engine).has_users()


def test_the_audit_lists_the_latest_first(engine: Engine) -> None:
    audit = Audit(engine)
    audit.add(NOON, "ann", "budget.set", "night", "12 kW")
    audit.add(after(1), "ann", "budget.deleted", "night")
    assert [line.action for line in audit.list()] == ["budget.deleted", "budget.set"]


@pytest.mark.parametrize("url", ["mysql://x/y", "nonsense", "sqlite+other:///x", ""])
def test_other_databases_are_refused_without_their_password(url: str) -> None:
    with pytest.raises(ConfigurationError) as refused:
        open_engine(url)
    assert "password" not in str(refused.value).replace("user:password@host", "")


def test_a_breach_is_one_row_and_open_until_it_is_resolved(engine: Engine) -> None:
    """What became of it replaces what was known; the latest come first."""
    breaches = Breaches(engine)
    opened = Breach(
        "site", NOON, "warning", after(2), None, None, None, 50.0, 100.0, "a cause", measured=True
    )
    later = replace(opened, limit_id="rack-1", started_at=after(9))
    for breach in (opened, later, replace(opened, status="resolved", resolved_at=after(30))):
        breaches.put(breach)
    assert breaches.open() == [later]
    assert [(b.limit_id, b.status) for b in breaches.list()] == [
        ("rack-1", "warning"), ("site", "resolved"),
    ]  # fmt: skip
    assert breaches.list(before=after(9))[0].resolved_at == after(30)
