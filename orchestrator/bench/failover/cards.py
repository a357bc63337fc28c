"""Stand-in cards: they keep a limit from the moment it is written, and draw what it allows."""

from orchestrator.domain.errors import GpuError
from orchestrator.domain.telemetry import CardReading

MIN_W, MAX_W = 200.0, 700.0
WANTED_W = 650.0


class StandInCards:
    """The cards of one node, busy for ever. Time is an argument of every call, in seconds."""

    def __init__(self, node: str, count: int, now_s: float) -> None:
        self._limits_w = {f"{node}-{index}": MAX_W for index in range(count)}
        self._energy_j = dict.fromkeys(self._limits_w, 0.0)
        self._at_s = now_s

    @property
    def enforced_w(self) -> float:
        """The sum of limits."""
        return sum(self._limits_w.values())

    def read(self, now_s: float) -> tuple[CardReading, ...]:
        """Every card."""
        self._advance(now_s)
        return tuple(
            CardReading(
                uuid=uuid,
                enforced_w=limit_w,
                power_w=min(limit_w, WANTED_W),
                energy_j=self._energy_j[uuid],
                min_w=MIN_W,
                max_w=MAX_W,
                default_w=MAX_W,
            )
            for uuid, limit_w in self._limits_w.items()
        )

    def set_limit_w(self, uuid: str, limit_w: float, now_s: float) -> None:
        """Write one card's limit. Raises GpuError outside its range."""
        if not MIN_W <= limit_w <= MAX_W:
            raise GpuError(f"{uuid}: {limit_w:g} W is outside {MIN_W:g}-{MAX_W:g} W")
        self._advance(now_s)
        self._limits_w[uuid] = limit_w

    def _advance(self, now_s: float) -> None:
        passed_s, self._at_s = now_s - self._at_s, now_s
        for uuid, limit_w in self._limits_w.items():
            self._energy_j[uuid] += min(limit_w, WANTED_W) * passed_s
