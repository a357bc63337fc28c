"""The cards' driver in front of the simulated plant: it fails, clamps, is late, lies, is blind."""

from dataclasses import dataclass, field
from random import Random

from agents.core.effects import WriteResult
from orchestrator.domain.errors import GpuError
from orchestrator.domain.telemetry import CardReading
from orchestrator.simtest.sampling import Plant


@dataclass(frozen=True, slots=True)
class Late:
    """A write that has not returned; its effect comes at due_s."""

    due_s: float
    uuid: str
    limit_w: float
    error: str | None
    works: bool


@dataclass
class Driver:
    """The cards of one host. Faults are switched by the world; see faults.FAULTS.

    enforced_w: what the driver enforces and reads back, by card; a lying card draws more.
    late_s, clamp_w, bias: sizes of the faults that are on, 0 for none. clamped_s, clamped_w: when a
    write last left a card higher than it was and was asked to be, and by how much.
    """

    plant: Plant
    random: Random
    now_s: float = 0.0
    fails: bool = False
    blind: bool = False
    stuck: bool = False
    late_s: float = 0.0
    clamp_w: float = 0.0
    bias: float = 0.0
    lying: set[str] = field(default_factory=set)
    enforced_w: dict[str, float] = field(default_factory=dict)
    clamped_s: float = float("-inf")
    clamped_w: float = 0.0
    writing: list[Late] = field(default_factory=list)
    returned: list[WriteResult] = field(default_factory=list)
    shown: tuple[tuple[float, float], ...] = ()

    def __post_init__(self) -> None:
        node = self.plant.node
        card = node.deployment.card
        self.index = {f"{node.name}-gpu{i}": i for i in range(node.deployment.gpus)}
        self.min_w, self.max_w, self.default_w = card.min_w, card.max_w, card.default_w
        self.enforced_w = dict.fromkeys(self.index, self.default_w)

    @property
    def total_w(self) -> float:
        """The sum of enforced limits."""
        return sum(self.enforced_w.values())

    def read(self) -> tuple[CardReading, ...]:
        """What the driver says of each card now. Raises GpuError while it is blind."""
        if self.blind:
            raise GpuError("the cards do not answer")
        if not self.stuck or not self.shown:
            cards, scale = self.plant.live.state.cards, 1.0 + self.bias
            self.shown = tuple(
                zip(
                    (scale * cards["power_w"]).tolist(),
                    (scale * cards["counter_j"]).tolist(),
                    strict=True,
                )
            )
        return tuple(
            CardReading(uuid, enforced_w, power_w, energy_j, self.min_w, self.max_w, self.default_w)
            for (uuid, enforced_w), (power_w, energy_j) in zip(
                self.enforced_w.items(), self.shown, strict=True
            )
        )

    def set_limit_w(self, uuid: str, limit_w: float) -> None:
        """Write a limit and wait for it, as a watchdog does. Raises GpuError."""
        if self.fails and self.random.random() < 0.7:
            raise GpuError("the driver failed")
        self._enforce(uuid, limit_w)

    def set_clock_mhz(self, clock_mhz: float | None) -> None:
        """Lock the clocks of every card, or free them."""
        self.plant.live.set_clock_mhz(clock_mhz)

    def begin(self, uuid: str, limit_w: float) -> None:
        """Start a write that an agent does not wait for; its result comes with `results`."""
        fails = self.fails and self.random.random() < 0.7
        works = not fails or self.random.random() < 0.3
        due_s = self.now_s + self.late_s * (0.3 + 0.7 * self.random.random())
        error = "the driver failed" if fails else None
        self.writing.append(Late(due_s, uuid, limit_w, error, works))
        self._finish()

    def advance(self, now_s: float) -> None:
        """Let time pass: late writes take effect."""
        self.now_s = now_s
        if self.writing:
            self._finish()

    def results(self) -> list[WriteResult]:
        """Writes that have returned since the last call."""
        found, self.returned = self.returned, []
        return found

    def raise_by_hand(self, uuid: str, limit_w: float) -> None:
        """Another program writes a limit."""
        self._enforce(uuid, limit_w, clamp_w=0.0)

    def restart(self, limit_w: float) -> None:
        """The host has rebooted: every card is at this limit, and no write is under way."""
        self.writing, self.returned, self.shown = [], [], ()
        self.plant.live.set_clock_mhz(None)
        for uuid in self.enforced_w:
            self._enforce(uuid, limit_w, clamp_w=0.0)

    def tell_truth(self) -> None:
        """Lying cards honour what they have promised."""
        for uuid in sorted(self.lying):
            self.plant.live.set_cap_w(self.enforced_w[uuid], self.index[uuid])
        self.lying.clear()

    def excess_w(self) -> float:
        """How far lying cards may draw above what they report, in watts."""
        return sum(
            float(self.plant.live.state.cards["cap_w"][self.index[uuid]]) - self.enforced_w[uuid]
            for uuid in self.lying
        )

    def _finish(self) -> None:
        due = [write for write in self.writing if write.due_s <= self.now_s]
        self.writing = [write for write in self.writing if write.due_s > self.now_s]
        for write in due:
            if write.works:
                self._enforce(write.uuid, write.limit_w)
            self.returned.append(WriteResult(write.uuid, write.limit_w, write.error))

    def _enforce(self, uuid: str, limit_w: float, clamp_w: float | None = None) -> None:
        floor_w = self.min_w + (self.clamp_w if clamp_w is None else clamp_w)
        asked_w, limit_w = limit_w, min(self.max_w, max(limit_w, floor_w))
        if limit_w > max(asked_w, self.enforced_w[uuid], self.min_w):
            self.clamped_s, self.clamped_w = self.now_s, limit_w - asked_w
        self.enforced_w[uuid] = limit_w
        if uuid not in self.lying:
            self.plant.live.set_cap_w(limit_w, self.index[uuid])
