"""Simulated GPUs: the catalogue of cards and how one of them follows its power limit."""

import math
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final

from orchestrator.domain.errors import ConfigurationError, InvalidInput

POWER_TAU_S: Final = 0.15
SENSOR_STEPS: Final = 20
DYNAMIC_EXPONENT: Final = 2.4
VOLTAGE_FLOOR_CLOCK: Final = 0.6
POWER_PER_CLOCK_BELOW: Final = math.pow(VOLTAGE_FLOOR_CLOCK, DYNAMIC_EXPONENT - 1.0)


@dataclass(frozen=True, slots=True)
class GpuSpec:
    """One card model; speeds and power are relative to an H100 SXM running the same step.

    H100 and B200 are scaled to public measurements, A100 and H200 are extrapolated from their
    data sheets.
    """

    name: str
    product: str
    min_w: float
    max_w: float
    default_w: float
    idle_w: float
    load_power: float
    memory_speed: float
    compute_speed: float

    def clock(self, draw_w: float, cap_w: float) -> float:
        """The clock, 1.0 at full speed, at which a card that would draw `draw_w` meets `cap_w`.

        Dynamic power falls with clock^2.4 while the voltage falls too, and in proportion to the
        clock once the voltage has reached its floor.
        """
        if cap_w >= draw_w:
            return 1.0
        share = (cap_w - self.idle_w) / (draw_w - self.idle_w)
        clock = math.pow(share, 1.0 / DYNAMIC_EXPONENT)
        if clock >= VOLTAGE_FLOOR_CLOCK:
            return clock
        return share / POWER_PER_CLOCK_BELOW


GPUS: Final[Mapping[str, GpuSpec]] = MappingProxyType(
    {
        spec.name: spec
        for spec in (
            GpuSpec("A100", "NVIDIA A100-SXM4-80GB", 100, 400, 400, 50, 0.56, 0.6, 0.35),
            GpuSpec("H100", "NVIDIA H100 80GB HBM3", 200, 700, 700, 70, 1.0, 1.0, 1.0),
            GpuSpec("H200", "NVIDIA H200", 200, 700, 700, 75, 0.98, 1.4, 1.0),
            GpuSpec("B200", "NVIDIA B200", 200, 1000, 1000, 140, 1.5, 1.6, 1.5),
        )
    }
)


def gpu_spec(name: str) -> GpuSpec:
    """Look a card up by its catalogue name; ConfigurationError lists the known ones."""
    if name not in GPUS:
        raise ConfigurationError(f"unknown GPU {name!r}; the twin knows {', '.join(GPUS)}")
    return GPUS[name]


class Card:
    """One GPU: power follows min(draw, cap) with a first-order lag, the counter integrates it."""

    def __init__(self, spec: GpuSpec, uuid: str, index: int) -> None:
        self.spec = spec
        self.uuid = uuid
        self.index = index
        self.limit_written = False
        self._power_up()

    def _power_up(self) -> None:
        self.enforced_w = self.spec.default_w
        self.power_w = self.spec.idle_w
        self.energy_j = 0.0
        self._recent_w: deque[float] = deque([self.power_w], maxlen=SENSOR_STEPS)

    def set_limit_w(self, limit_w: float) -> None:
        """Write the power limit in watts; InvalidInput outside the card's own range."""
        if not self.spec.min_w <= limit_w <= self.spec.max_w:
            raise InvalidInput(
                f"{self.uuid}: {limit_w} W is outside {self.spec.min_w:g}-{self.spec.max_w:g} W"
            )
        self.enforced_w = limit_w
        self.limit_written = True

    def reboot(self) -> None:
        """What a host reboot does: the default limit again, and a counter that starts at zero."""
        self.limit_written = False
        self._power_up()

    def step(self, draw_w: float, dt_s: float) -> float:
        """Let `dt_s` pass with a load that draws `draw_w` at full clock; the energy spent in J."""
        target_w = min(draw_w, self.enforced_w)
        gone = 1.0 - math.exp(-dt_s / POWER_TAU_S)
        excess_w = self.power_w - target_w
        spent_j = target_w * dt_s + excess_w * POWER_TAU_S * gone
        self.power_w = target_w + excess_w * (1.0 - gone)
        self.energy_j += spent_j
        self._recent_w.append(spent_j / dt_s)
        return spent_j

    @property
    def sensor_w(self) -> float:
        """What the driver reports: true power averaged over the last second."""
        return sum(self._recent_w) / len(self._recent_w)
