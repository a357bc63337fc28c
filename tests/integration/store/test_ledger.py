"""The exposure ledger fences old leaders out and never forgets a grant."""

from datetime import datetime

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import Engine

from orchestrator.domain.errors import Conflict
from orchestrator.domain.setpoint import Fence
from orchestrator.ports import Grant, Ledger
from orchestrator.store.ledger import SqlLedger
from tests.integration.store.records import NOON


def clock() -> datetime:
    """Noon for ever."""
    return NOON


def ledger(engine: Engine, leader: str = "a") -> Ledger:
    """A ledger as the core sees it."""
    return SqlLedger(engine, leader, clock)


def grant(node: str, limit_w: float, epoch: int, sequence: int = 1) -> Grant:
    return Grant(node, limit_w, Fence(epoch, sequence))


def test_each_leader_starts_above_every_epoch(engine: Engine) -> None:
    """An epoch is above the stored one and above the one seen in the field."""
    assert ledger(engine).take_over().epoch == 1
    assert ledger(engine, "b").take_over(at_least=41).epoch == 42
    assert ledger(engine, "c").take_over(at_least=7).epoch == 43


def test_a_new_leader_finds_what_nodes_hold(engine: Engine) -> None:
    """Grants outlive their leader."""
    first = ledger(engine)
    epoch = first.take_over().epoch
    first.commit(epoch, [grant("n1", 4000.0, epoch), grant("n2", 3000.0, epoch)])
    assert ledger(engine, "b").take_over().held_w == {"n1": 4000.0, "n2": 3000.0}


def test_an_old_copy_of_the_database_says_nothing_of_what_nodes_hold(engine: Engine) -> None:
    """A ledger that never heard of an epoch has missed its grants; nor does its next leader know.

    An epoch that the database itself gave to somebody is no such sign.
    """
    first = ledger(engine)
    epoch = first.take_over().epoch
    first.commit(epoch, [grant("n1", 4000.0, epoch)])
    assert ledger(engine, "b").take_over(at_least=epoch).held_w == {"n1": 4000.0}
    assert ledger(engine, "c").take_over(at_least=40).held_w == {}
    assert ledger(engine, "d").take_over().held_w == {}


def test_an_old_leader_writes_nothing(engine: Engine) -> None:
    """After a take-over the old epoch's commits and lowerings are refused whole."""
    old, new = ledger(engine), ledger(engine, "b")
    epoch = old.take_over().epoch
    old.commit(epoch, [grant("n1", 4000.0, epoch)])
    new.take_over()
    with pytest.raises(Conflict, match="take over"):
        old.commit(epoch, [grant("n1", 5000.0, epoch), grant("n2", 5000.0, epoch)])
    with pytest.raises(Conflict, match="take over"):
        old.lower(epoch, {"n1": 1000.0})
    assert new.take_over().held_w == {"n1": 4000.0}


def test_a_commit_never_lowers_and_evidence_does(engine: Engine) -> None:
    """A grant below what a node may hold leaves it charged; evidence frees it."""
    mine = ledger(engine)
    epoch = mine.take_over().epoch
    mine.commit(epoch, [grant("n1", 4000.0, epoch)])
    mine.commit(epoch, [grant("n1", 2000.0, epoch, 2)])
    mine.lower(epoch, {"n2": 1500.0})
    after = mine.take_over()
    assert after.held_w == {"n1": 4000.0, "n2": 1500.0}
    mine.lower(after.epoch, {"n1": 2000.0})
    assert mine.take_over().held_w == {"n1": 2000.0, "n2": 1500.0}


@settings(
    max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(
    grants=st.lists(
        st.tuples(st.sampled_from(["n1", "n2"]), st.floats(100.0, 9000.0)), min_size=1, max_size=8
    )
)
def test_held_watts_are_the_most_ever_granted(
    engine: Engine, grants: list[tuple[str, float]]
) -> None:
    """Without evidence a node is charged at its highest grant, whatever came after."""
    mine = ledger(engine)
    start = mine.take_over()
    mine.lower(start.epoch, {"n1": 0.0, "n2": 0.0})
    for sequence, (node, limit_w) in enumerate(grants, start=1):
        mine.commit(start.epoch, [grant(node, limit_w, start.epoch, sequence)])
    highest = {"n1": 0.0, "n2": 0.0}
    for node, limit_w in grants:
        highest[node] = max(highest[node], limit_w)
    assert mine.take_over().held_w == highest
