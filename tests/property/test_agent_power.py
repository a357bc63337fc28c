"""Whatever arrives, fails or restarts: a node enforces no more than it holds a lease for."""

from collections.abc import Sequence
from dataclasses import dataclass, field

from hypothesis import given, settings
from hypothesis import strategies as st

from agents.core import agent
from agents.core.agent import AgentState, Identity
from agents.core.effects import (
    Effect,
    Journal,
    Message,
    Publish,
    Reading,
    Record,
    WriteCap,
    WriteResult,
)
from agents.core.lease import MAX_DESCENT_S, Terms
from orchestrator.domain.setpoint import Ack, Fence, Setpoint
from orchestrator.domain.telemetry import CardReading, Telemetry

CARDS = ("gpu-0", "gpu-1", "gpu-2")
MIN_W, MAX_W = 100.0, 700.0
FAIL_SAFE_W = 900.0
SLACK_W = 0.01
TERMS = Terms("n1", FAIL_SAFE_W, jitter=0.5)
IDENTITY = Identity("llama", "0.1.0", boot_gated=False, knobs=("cap",))


@dataclass
class Rack:
    """Three cards and one agent on a made-up clock; the journal survives the agent."""

    limits_w: dict[str, float]
    now_s: float = 100.0
    starts: int = 0
    record: Record = field(default_factory=Record)
    inbox: list[Message] = field(default_factory=list)
    hung: dict[str, float] = field(default_factory=dict)
    acks: list[Ack] = field(default_factory=list)
    sequence: int = 0
    telemetry: Telemetry | None = None

    def __post_init__(self) -> None:
        self.restart()

    @property
    def sum_w(self) -> float:
        return sum(self.limits_w.values())

    def restart(self) -> None:
        self.starts += 1
        self.inbox.clear()
        self.state: AgentState = agent.start(TERMS, IDENTITY, f"run{self.starts}", self.record)

    def read(self, *, answers: bool) -> Reading:
        cards = tuple(
            CardReading(uuid, limit_w, limit_w, self.now_s * limit_w, MIN_W, MAX_W, MAX_W)
            for uuid, limit_w in self.limits_w.items()
        )
        return Reading(self.now_s, cards if answers else None)

    def turn(self, *, fates: Sequence[str] = (), answers: bool = True) -> tuple[Effect, ...]:
        inbox, self.inbox = self.inbox, []
        self.state, effects = agent.step(self.state, self.read(answers=answers), inbox, self.now_s)
        writes = [effect for effect in effects if isinstance(effect, WriteCap)]
        for number, write in enumerate(writes):
            self.write(write, fates[number % len(fates)] if fates else "done")
        for effect in effects:
            if isinstance(effect, Journal):
                self.record = effect.record
            if isinstance(effect, Publish) and isinstance(effect.message, Ack):
                self.acks.append(effect.message)
            if isinstance(effect, Publish) and isinstance(effect.message, Telemetry):
                self.telemetry = effect.message
        return effects

    def write(self, write: WriteCap, fate: str) -> None:
        if fate == "fails":
            self.inbox.append(WriteResult(write.uuid, write.limit_w, "no permission"))
        elif fate == "hangs":
            self.hung[write.uuid] = write.limit_w
        else:
            self.limits_w[write.uuid] = write.limit_w
            self.inbox.append(WriteResult(write.uuid, write.limit_w))

    def land(self) -> None:
        """Writes that hung take effect and return."""
        for uuid, limit_w in self.hung.items():
            self.limits_w[uuid] = limit_w
            self.inbox.append(WriteResult(uuid, limit_w))
        self.hung.clear()

    def setpoint(
        self,
        limit_w: float,
        *,
        ttl_s: float = 5.0,
        age_s: float = 0.0,
        epoch: int = 1,
        sequence: int | None = None,
        incarnation: str | None = None,
    ) -> Setpoint:
        self.sequence += 1
        return Setpoint(
            node="n1",
            limit_w=limit_w,
            target_tok_s=None,
            ttl_s=ttl_s,
            fence=Fence(epoch, self.sequence if sequence is None else sequence),
            incarnation=incarnation or self.state.lease.incarnation,
            stamp_s=self.now_s - age_s,
            decision_id="d",
        )


fates = st.lists(st.sampled_from(["done", "done", "fails", "hangs"]), max_size=3)
sends = st.fixed_dictionaries(
    {
        "limit_w": st.floats(0, 2500),
        "ttl_s": st.sampled_from([0.3, 2.0, 10.0]),
        "age_s": st.sampled_from([0.0, 0.5, 4.0, -1.0]),
        "epoch": st.integers(1, 3),
        "sequence": st.none() | st.integers(0, 5),
        "incarnation": st.none() | st.sampled_from(["run1", "run2", "run1.1"]),
    }
)
actions = st.one_of(
    st.tuples(st.just("send"), sends),
    st.tuples(st.just("wait"), st.sampled_from([0.05, 0.5, 0.5, 1.9, 3.0])),
    st.tuples(st.just("land"), st.none()),
    st.tuples(st.just("restart"), st.none()),
)
starts = st.lists(st.floats(MIN_W, MAX_W), min_size=3, max_size=3)


@settings(max_examples=200, deadline=None)
@given(starts, st.lists(st.tuples(actions, fates, st.booleans()), max_size=25))
def test_the_sum_of_caps_never_passes_the_higher_of_the_lease_and_what_was_before(
    limits_w: list[float], script: list[tuple[tuple[str, object], list[str], bool]]
) -> None:
    rack = Rack(dict(zip(CARDS, limits_w, strict=True)))
    for (action, argument), fate, answers in script:
        before_w = rack.sum_w
        match action:
            case "send" if isinstance(argument, dict):
                rack.inbox.append(rack.setpoint(**argument))
            case "wait" if isinstance(argument, float):
                rack.now_s += argument
            case "land":
                charged_w = rack.state.guard.charge_w
                rack.land()
                if rack.state.guard.cards:
                    assert rack.sum_w <= charged_w + SLACK_W
                before_w = rack.sum_w
            case "restart":
                rack.land()
                rack.restart()
                before_w = rack.sum_w
            case _:
                pass
        rack.turn(fates=fate, answers=answers)
        lease = rack.state.lease
        leased_w = lease.ceiling_w if lease.held and lease.ceiling_w is not None else 0.0
        assert rack.sum_w <= max(before_w, leased_w) + SLACK_W
        if not lease.armed:
            assert rack.sum_w == before_w


@settings(max_examples=100, deadline=None)
@given(starts, st.floats(300, 2100), st.floats(0.1, 3.0), st.integers(1, 20))
def test_the_end_of_a_lease_never_raises_and_arrives_at_fail_safe(
    limits_w: list[float], leased_w: float, ttl_s: float, rounds: int
) -> None:
    rack = Rack(dict(zip(CARDS, limits_w, strict=True)))
    rack.turn()
    rack.inbox.append(rack.setpoint(leased_w, ttl_s=ttl_s))
    for _ in range(3):
        rack.turn()
    held_w = rack.sum_w
    rack.now_s += ttl_s - 1e-3
    before_w = held_w
    for _ in range(rounds + int((MAX_DESCENT_S + 1) / 0.5)):
        rack.turn()
        assert rack.sum_w <= before_w + 1e-9
        before_w = rack.sum_w
        rack.now_s += 0.5
    assert rack.sum_w == min(held_w, rack.sum_w)
    assert rack.sum_w <= FAIL_SAFE_W + SLACK_W or rack.sum_w <= held_w <= FAIL_SAFE_W + SLACK_W
    if held_w > FAIL_SAFE_W:
        assert rack.sum_w >= FAIL_SAFE_W - 0.1


@settings(max_examples=200, deadline=None)
@given(starts, st.floats(300, 2100), sends)
def test_what_is_taken_is_a_tightening_or_keeps_every_rule_of_a_lease(
    limits_w: list[float], leased_w: float, sent: dict[str, object]
) -> None:
    rack = Rack(dict(zip(CARDS, limits_w, strict=True)))
    rack.turn()
    rack.inbox.append(rack.setpoint(leased_w, epoch=2))
    rack.turn()
    rack.now_s += 0.5
    before = rack.state.lease
    setpoint = rack.setpoint(**sent)  # type: ignore[arg-type]
    rack.inbox.append(setpoint)
    rack.turn()
    after, ack = rack.state.lease, rack.acks[-1]
    lawful = (
        setpoint.incarnation == before.incarnation
        and setpoint.fence > before.fence
        and setpoint.fence.epoch >= before.highest_epoch
        and setpoint.stamp_s <= rack.now_s < setpoint.ends_s
    )
    tightens = setpoint.limit_w < leased_w
    assert ack.accepted == (lawful or tightens)
    assert ack.reason
    assert after.fence >= before.fence
    assert after.highest_epoch == max(before.highest_epoch, setpoint.fence.epoch)
    if not lawful:
        assert after.ends_s == before.ends_s
        assert after.ceiling_w == (setpoint.limit_w if tightens else before.ceiling_w)


@settings(max_examples=100, deadline=None)
@given(starts, st.floats(100, 2100))
def test_a_node_that_is_left_alone_settles_at_its_lease(
    limits_w: list[float], leased_w: float
) -> None:
    rack = Rack(dict(zip(CARDS, limits_w, strict=True)))
    rack.turn()
    for _ in range(6):
        rack.inbox.append(rack.setpoint(leased_w))
        rack.turn()
        rack.now_s += 0.5
    rack.turn()
    assert rack.telemetry is not None
    assert rack.telemetry.enforced_w is not None
    floor_w = max(leased_w, 3 * MIN_W)
    assert floor_w - SLACK_W <= rack.telemetry.enforced_w <= floor_w + SLACK_W
    assert rack.telemetry.pending_w is None
    assert bool(rack.telemetry.notes) == (leased_w < 3 * MIN_W - SLACK_W)
    assert rack.telemetry.settled_s > 1.0
