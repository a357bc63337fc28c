"""The control step, driven by a fleet that obeys: what is sent, when, and what is charged."""

from dataclasses import replace
from datetime import timedelta
from typing import Any

from orchestrator.control.state import State
from orchestrator.control.step import step
from orchestrator.control.view import view
from orchestrator.domain.decision import decide
from orchestrator.domain.setpoint import NO_FENCE, Fence, Setpoint
from orchestrator.domain.telemetry import MeterReading, Telemetry
from orchestrator.messages import (
    ArmingChanged,
    CommitGrants,
    Effect,
    FrontiersChanged,
    GrantCommitted,
    GrantFailed,
    Input,
    LockoutsChanged,
    MeterRead,
    NodeDescribed,
    SendSetpoint,
    SignalCancelled,
    SignalReceived,
    StepDown,
    StoreDecision,
    StoreEvent,
    StoreShortfall,
    TakenOver,
    TelemetryReceived,
)
from orchestrator.ports import Takeover
from tests.facility import (
    FRONTIER,
    NODES,
    START,
    TTL_S,
    description,
    limit_signal,
    moment,
    state,
    telemetry,
)

ALL = ArmingChanged(frozenset({"facility"}))
EVENT = limit_signal(2500.0, 20, 60)


class Fleet:
    """Agents that take every setpoint at once, and a ledger that answers in the next step."""

    def __init__(self, brain: State | None = None, ledger_answers: bool = True) -> None:
        self.brain = brain or state()
        self.ledger_answers = ledger_answers
        self.mute: set[str] = set()
        self.deaf: set[str] = set()
        self.applied: dict[str, Setpoint] = {}
        self.changed_s = dict.fromkeys(NODES, -60.0)
        self.answers: list[Input] = []
        self.now_s = 0.0
        self.metered_w = 3000.0
        self.sent: list[tuple[float, SendSetpoint]] = []

    def tick(self, *inputs: Input) -> list[Effect]:
        reports = [TelemetryReceived(self.report(name)) for name in NODES if name not in self.mute]
        reading = MeterReading("facility", self.metered_w, moment(self.now_s).utc)
        answers, self.answers = self.answers, []
        everything = [*reports, MeterRead(reading), *answers, *inputs]
        effects = step(self.brain, everything, moment(self.now_s))
        for effect in effects:
            self.take(effect)
        self.now_s += 0.5
        return effects

    def run(self, seconds: float, *inputs: Input) -> list[Effect]:
        effects = self.tick(*inputs)
        for _ in range(int(seconds * 2) - 1):
            effects += self.tick()
        return effects

    def take(self, effect: Effect) -> None:
        if isinstance(effect, CommitGrants) and self.ledger_answers:
            self.answers += [GrantCommitted(g.node, g.fence) for g in effect.grants]
        if isinstance(effect, SendSetpoint):
            self.sent.append((self.now_s, effect))
            name = effect.setpoint.node
            before = self.applied.get(name)
            if name not in self.deaf:
                self.applied[name] = effect.setpoint
                if before is None or before.limit_w != effect.setpoint.limit_w:
                    self.changed_s[name] = self.now_s

    def report(self, name: str) -> Telemetry:
        held = self.applied.get(name)
        report = telemetry(name, stamp_s=self.now_s, settled_s=self.now_s - self.changed_s[name])
        if held is None:
            return report
        return replace(
            report,
            fence=held.fence,
            limit_w=held.limit_w,
            lease="held",
            enforced_w=held.limit_w,
            highest_epoch=held.fence.epoch,
        )

    def started(self) -> "Fleet":
        """Armed, with models, and past the time in which a new leader raises nothing."""
        self.run(TTL_S + 3, ALL, FrontiersChanged({"chat": FRONTIER}))
        self.sent.clear()
        return self

    def charged_w(self) -> float:
        return view(self.brain, moment(self.now_s)).exposure_w


def kinds(effects: list[Effect]) -> list[str]:
    return [effect.kind for effect in effects if isinstance(effect, SendSetpoint)]


def test_in_shadow_everything_is_decided_and_nothing_is_sent() -> None:
    fleet = Fleet()
    effects = fleet.run(30, FrontiersChanged({"chat": FRONTIER}))
    decisions = [e.decision for e in effects if isinstance(e, StoreDecision)]
    assert decisions
    assert decisions[-1].inputs.shadow
    assert fleet.sent == []
    assert view(fleet.brain, moment(30)).mode == "shadow"


def test_racks_are_armed_one_by_one() -> None:
    fleet = Fleet()
    fleet.run(5, ArmingChanged(frozenset({"rack-a"})))
    assert {sent.setpoint.node for _, sent in fleet.sent} == {"a1", "a2"}
    assert view(fleet.brain, moment(5)).mode == "partly armed"


def test_a_cut_leaves_in_the_step_that_brings_the_signal_before_it_is_stored() -> None:
    fleet = Fleet().started()
    now = replace(EVENT, starts_at=moment(fleet.now_s).utc)
    effects = fleet.tick(SignalReceived(now, stored=False))
    assert "decrease" in kinds(effects)
    assert isinstance(effects[0], SendSetpoint)


def test_after_a_cut_exposures_fall_under_the_limit_on_evidence_and_stay() -> None:
    fleet = Fleet().started()
    fleet.run(12, SignalReceived(EVENT, stored=True))
    for _ in range(60):
        fleet.tick()
        assert fleet.charged_w() <= 2500.0 + 0.01


def test_a_signal_that_is_not_stored_may_tighten_but_not_loosen() -> None:
    fleet = Fleet().started()
    fleet.run(20, SignalReceived(EVENT, stored=True))
    laxer = replace(EVENT, value=4000.0, issued_at=START + timedelta(seconds=1))
    laxer = replace(laxer, key=replace(EVENT.key, id="e2"))
    fleet.tick(SignalReceived(laxer, stored=False))
    assert fleet.brain.bounds["facility"].limit_w == 2500.0
    fleet.tick(SignalReceived(laxer, stored=True))
    assert fleet.brain.bounds["facility"].limit_w > 2500.0


def test_a_raise_is_committed_first_and_sent_in_a_later_step() -> None:
    fleet = Fleet().started()
    fleet.run(20, SignalReceived(EVENT, stored=True))
    fleet.sent.clear()
    fleet.ledger_answers = False
    effects = fleet.run(25, SignalCancelled(EVENT.key))
    assert any(isinstance(effect, CommitGrants) for effect in effects)
    assert "raise" not in kinds(effects)


def test_a_raise_that_the_ledger_refused_is_uncharged_and_tried_again() -> None:
    fleet = Fleet().started()
    fleet.run(20, SignalReceived(EVENT, stored=True))
    fleet.ledger_answers = False
    effects = fleet.run(2, SignalCancelled(EVENT.key))
    grants = [g for e in effects if isinstance(e, CommitGrants) for g in e.grants]
    fleet.ledger_answers = True
    effects = fleet.run(4, *(GrantFailed(g.node, g.fence) for g in grants))
    assert "raise" in kinds(effects)


def test_leases_are_renewed_every_third_of_their_time() -> None:
    fleet = Fleet().started()
    fleet.run(TTL_S)
    times = [at for at, sent in fleet.sent if sent.setpoint.node == "a1"]
    assert len(times) >= 3
    assert all(sent.kind == "renewal" for _, sent in fleet.sent)


def test_sequences_rise_and_decisions_replay() -> None:
    fleet = Fleet().started()
    effects = fleet.run(40, SignalReceived(EVENT, stored=True))
    fences = [e.setpoint.fence for e in effects if isinstance(e, SendSetpoint)]
    assert fences == sorted(set(fences))
    for effect in effects:
        if isinstance(effect, StoreDecision):
            assert decide(effect.decision.inputs) == effect.decision.outcome


def test_a_new_leader_renews_and_cuts_but_raises_nothing_for_one_ttl() -> None:
    fleet = Fleet().started()
    fleet.run(20, SignalReceived(EVENT, stored=True))
    held = {name: setpoint.limit_w for name, setpoint in fleet.applied.items()}
    fleet.brain = state(held, epoch=2)
    fleet.brain.raises_from_s = moment(fleet.now_s + TTL_S).monotonic_s
    effects = fleet.run(TTL_S - 1, ALL, FrontiersChanged({"chat": FRONTIER}))
    assert set(kinds(effects)) <= {"renewal", "decrease"}
    assert "renewal" in kinds(effects)
    assert "raise" in kinds(fleet.run(6))


def test_a_higher_epoch_stops_raises_and_renewals_until_we_lead_anew() -> None:
    fleet = Fleet().started()
    effects = fleet.tick(
        TelemetryReceived(telemetry("a1", stamp_s=fleet.now_s + 9, highest_epoch=7))
    )
    assert StepDown(7) in effects
    assert kinds(fleet.run(TTL_S)) == []
    fleet.tick(TakenOver(Takeover(8, {})))
    assert fleet.brain.epoch == 8
    assert "renewal" in kinds(fleet.run(TTL_S))


def test_a_silent_node_is_charged_at_nameplate_and_the_others_make_room() -> None:
    fleet = Fleet().started()
    fleet.run(20, SignalReceived(EVENT, stored=True))
    fleet.mute = {"b2"}
    fleet.run(8)
    seen = view(fleet.brain, moment(fleet.now_s))
    silent = next(found for found in seen.nodes if found.id == "b2")
    assert silent.status == "silent"
    assert silent.charged_w == 1000.0
    assert seen.exposure_w <= 2500.0 + 0.01


def test_a_silent_node_behind_a_boot_gate_keeps_its_charge() -> None:
    fleet = Fleet()
    tree = fleet.brain.topology
    gated = tuple(replace(found, boot_gated=True) for found in tree.nodes)
    fleet.brain.topology = replace(tree, nodes=gated)
    fleet.tick(*(NodeDescribed(description(name, boot_gated=True)) for name in NODES))
    fleet.started().run(20, SignalReceived(EVENT, stored=True))
    fleet.mute = {"b2"}
    fleet.run(8)
    silent = next(f for f in view(fleet.brain, moment(fleet.now_s)).nodes if f.id == "b2")
    assert silent.charged_w < 1000.0


def test_a_node_that_does_not_obey_frees_nothing_and_the_excess_is_on_record() -> None:
    fleet = Fleet().started()
    fleet.deaf = {"a1"}
    effects = fleet.run(40, SignalReceived(EVENT, stored=True))
    stubborn = next(f for f in view(fleet.brain, moment(fleet.now_s)).nodes if f.id == "a1")
    assert stubborn.charged_w == 1000.0
    assert any(isinstance(effect, StoreShortfall) for effect in effects)


def test_a_locked_out_node_is_sent_nothing_and_charged_at_nameplate() -> None:
    fleet = Fleet().started()
    fleet.run(10, LockoutsChanged(frozenset({"a2"})))
    assert "a2" not in {sent.setpoint.node for _, sent in fleet.sent}
    assert view(fleet.brain, moment(fleet.now_s)).nodes[1].status == "locked"


def test_a_foreign_hand_is_reported_and_charged_not_fought() -> None:
    fleet = Fleet().started()
    held = fleet.applied["a1"]
    fleet.mute = {"a1"}
    raised: dict[str, Any] = {
        "fence": held.fence,
        "limit_w": held.limit_w - 200,
        "lease": "held",
        "enforced_w": held.limit_w,
        "foreign": ("x",),
        "stamp_s": fleet.now_s + 1,
    }
    fleet.tick(TelemetryReceived(telemetry("a1", **raised)))
    assert view(fleet.brain, moment(fleet.now_s)).nodes[0].status == "foreign"
    assert "a1" not in {sent.setpoint.node for _, sent in fleet.sent}


def test_an_event_runs_from_its_frozen_baseline_to_the_end_of_its_recovery() -> None:
    fleet = Fleet().started()
    effects = fleet.run(90, SignalReceived(EVENT, stored=True))
    records = [e.event for e in effects if isinstance(e, StoreEvent)]
    assert [record.status for record in records] == [
        "scheduled",
        "active",
        "recovering",
        "completed",
    ]
    assert records[1].baseline_w == 3000.0
    assert records[1].guaranteed


def test_no_rebound_the_baseline_is_the_ceiling_while_an_event_recovers() -> None:
    fleet = Fleet().started()
    fleet.run(50, SignalReceived(EVENT, stored=True))
    assert fleet.brain.bounds["facility"].limit_w == 3000.0
    fleet.run(30)
    assert fleet.brain.bounds["facility"].limit_w == 4500.0


def test_a_cancelled_event_ends_at_once_and_recovers() -> None:
    fleet = Fleet().started()
    fleet.run(20, SignalReceived(EVENT, stored=True))
    effects = fleet.run(1, SignalCancelled(EVENT.key))
    assert "recovering" in [e.event.status for e in effects if isinstance(e, StoreEvent)]


def test_a_report_of_an_unregistered_node_changes_nothing() -> None:
    fleet = Fleet().started()
    fleet.tick(TelemetryReceived(telemetry("stranger", fence=Fence(1, 1))))
    assert set(fleet.brain.nodes) == set(NODES)
    assert Fence(1, 1) > NO_FENCE
