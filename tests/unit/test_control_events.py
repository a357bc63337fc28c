"""The control step: what goes out, when, and what is charged meanwhile."""

from dataclasses import replace

import pytest

from orchestrator.domain.events import EventRecord, Shortfall
from orchestrator.domain.telemetry import Description, MeterReading
from orchestrator.domain.timeline import Bound
from orchestrator.messages import (
    Effect,
    LowerLedger,
    MeterRead,
    SignalCancelled,
    SignalReceived,
    StoreDecision,
    StoreEvent,
    StoreShortfall,
    TelemetryReceived,
)
from tests.control_bench import SETTINGS, TICK_S, Bench, sends
from tests.site_samples import at, signal

TTL_S = SETTINGS.ttl_s


@pytest.fixture
def bench() -> Bench:
    """Four armed nodes that follow; 6 kW are almost enough for all of them."""
    found = Bench()
    found.settle()
    return found


def described(name: str) -> Description:
    """The first words of a node whose boot gate is proven."""
    return Description(name, "run-1", "0.1.0", "dense", ("x", "y"), 400, 1400, 1400, True, ("cap",))


def decisions(effects: list[Effect]) -> list[str]:
    return [e.decision.cause for e in effects if isinstance(e, StoreDecision)]


def events(effects: list[Effect]) -> list[EventRecord]:
    return [e.event for e in effects if isinstance(e, StoreEvent)]


def site_bound(bench: Bench) -> Bound:
    return bench.state.bounds["site"]


def test_a_cancelled_event_gives_its_watts_back_after_its_recovery(bench: Bench) -> None:
    bench.metered_w = 5000.0
    bench.run(2)
    bench.step(SignalReceived(signal(value=3000.0, ends_s=900), stored=True))
    bench.run(2)
    cancelled = bench.step(SignalCancelled(signal().key))
    assert [record.status for record in events(cancelled)] == ["recovering"]
    assert site_bound(bench).limit_w == 5000
    assert "recovery" in site_bound(bench).reason
    bench.run(SETTINGS.recovery_s)
    assert site_bound(bench).limit_w == 6000


def test_a_replayed_signal_changes_nothing(bench: Bench) -> None:
    one = signal(value=3000.0, ends_s=900)
    bench.step(SignalReceived(one, stored=False), SignalReceived(one, stored=True))
    bench.run(5)
    before = bench.state.decisions
    assert bench.step(SignalReceived(one, stored=False), SignalReceived(one, stored=True)) == []
    assert bench.state.decisions == before


def test_an_unstored_signal_cannot_loosen_a_stored_one(bench: Bench) -> None:
    """Neither under another id of its source nor under the same."""
    bench.step(SignalReceived(signal(value=3000.0, ends_s=900), stored=True))
    newer = signal("two", 5000.0, ends_s=900, issued_s=1)
    bench.step(SignalReceived(newer, stored=False))
    bench.step(SignalReceived(signal(value=5000.0, ends_s=900), stored=False))
    assert site_bound(bench).limit_w == 3000
    assert bench.state.events.records[signal().key].status == "active"
    bench.step(SignalReceived(newer, stored=True))
    assert site_bound(bench).limit_w == 5000


def test_an_unstored_reduction_tightens_at_once_and_its_event_is_stored_later(
    bench: Bench,
) -> None:
    bench.metered_w = 5000.0
    bench.run(3)
    cut = signal("cut", 0.4, kind="reduction", ends_s=900)
    effects = bench.step(SignalReceived(cut, stored=False))
    assert len(sends(effects, "decrease")) == 4
    assert events(effects) == []
    assert site_bound(bench).limit_w == pytest.approx(3000)
    (record,) = events(bench.step(SignalReceived(cut, stored=True)))
    assert (record.status, record.baseline_w) == ("active", 5000)


def test_a_signal_of_a_limit_nobody_knows_is_left_out(bench: Bench) -> None:
    bench.step(SignalReceived(signal(value=1.0, limit_id="rack-9"), stored=True))
    assert site_bound(bench).limit_w == 6000


def test_a_limit_of_zero_watts_brings_every_node_to_its_minimum(bench: Bench) -> None:
    effects = bench.step(SignalReceived(signal(value=0.0), stored=False))
    assert {s.limit_w for s in sends(effects, "decrease")} == {400.0}


def test_a_limit_that_physics_forbids_is_a_shortfall_after_its_ramp(bench: Bench) -> None:
    asked = signal(value=0.0, deadline_s=4.0, starts_s=bench.now_s, ends_s=900)
    bench.step(SignalReceived(asked, stored=True))

    def found(seconds: float) -> list[Shortfall]:
        return [e.shortfall for e in bench.run(seconds) if isinstance(e, StoreShortfall)]

    assert found(4.0) == []
    site = [s for s in found(11.0) if s.limit_id == "site"]
    assert [s.worst_w for s in site] == [pytest.approx(4 * 500 + 200)]
    assert not site[0].measured


def test_a_meter_that_repeats_itself_is_silent(bench: Bench) -> None:
    stuck = MeterRead(MeterReading("site", 4000.0, at(0).utc))
    for _ in range(40):
        bench.step(stuck)
        bench.run(TICK_S)
    assert bench.state.metered_w("site", bench.now_s) is None


def test_evidence_that_frees_watts_goes_to_the_ledger(bench: Bench) -> None:
    effects = bench.step(SignalReceived(signal(value=3000.0), stored=True))
    effects += bench.run(3)
    lowered = [e.held_w for e in effects if isinstance(e, LowerLedger)]
    assert lowered
    assert all(w == bench.agents[name].enforced_w for held in lowered for name, w in held.items())


def test_an_event_goes_on_after_a_restart_before_its_signal_is_read_back(bench: Bench) -> None:
    bench.step(SignalReceived(signal(value=3000.0, ends_s=900), stored=True))
    bench.run(1)
    restarted = Bench(events=tuple(bench.state.events.records.values()), epoch=2)
    assert events(restarted.effects) == []
    restarted.step(SignalReceived(signal(value=3000.0, ends_s=900), stored=True))
    assert restarted.state.events.records[signal().key].status == "active"
    assert site_bound(restarted).limit_w == 3000


def test_a_report_of_a_node_nobody_registered_changes_nothing(bench: Bench) -> None:
    stranger = replace(bench.agents["a"].report(bench.now_s), node="z")
    assert bench.step(TelemetryReceived(stranger)) == []
