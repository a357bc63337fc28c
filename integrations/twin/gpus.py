"""The cards that the twin knows: their ranges, and their data sheets relative to an H100 SXM."""

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final

from orchestrator.domain.errors import ConfigurationError, InvalidInput


@dataclass(frozen=True, slots=True)
class Gpu:
    """One card type.

    min_w, max_w, default_w: power limits. min_mhz, max_mhz: SM clocks. voltage_floor: the clock,
    over the highest, below which the voltage falls no further. memory, compute: bandwidth and
    dense 16-bit arithmetic over an H100 SXM's. sampled: the share of time that the power sensor
    sees (arXiv 2312.02741 for A100 and H100; H200 has H100's chip).
    """

    name: str
    product: str
    min_w: float
    max_w: float
    default_w: float
    idle_w: float
    min_mhz: float
    max_mhz: float
    voltage_floor: float
    memory: float
    compute: float
    sampled: float

    def check_cap_w(self, cap_w: float, where: str) -> None:
        """InvalidInput unless the cap lies in the card's own range."""
        if not self.min_w <= cap_w <= self.max_w:
            raise InvalidInput(f"{where}: {cap_w:g} W is outside {self.min_w:g}-{self.max_w:g} W")

    def check_clock_mhz(self, clock_mhz: float, where: str) -> None:
        """InvalidInput unless the clock lies in the card's own range."""
        if not self.min_mhz <= clock_mhz <= self.max_mhz:
            raise InvalidInput(
                f"{where}: {clock_mhz:g} MHz is outside {self.min_mhz:g}-{self.max_mhz:g} MHz"
            )


_A100 = "NVIDIA A100-SXM4-80GB"
_H100 = "NVIDIA H100 80GB HBM3"

GPUS: Final[Mapping[str, Gpu]] = MappingProxyType(
    {
        gpu.name: gpu
        for gpu in (
            Gpu("A100", _A100, 100, 400, 400, 50, 210, 1410, 0.78, 0.61, 0.315, 0.25),
            Gpu("H100", _H100, 200, 700, 700, 70, 210, 1980, 0.60, 1.0, 1.0, 0.25),
            Gpu("H200", "NVIDIA H200", 200, 700, 700, 75, 345, 1980, 0.60, 1.43, 1.0, 0.25),
            Gpu("B200", "NVIDIA B200", 200, 1000, 1000, 140, 120, 1965, 0.60, 2.39, 2.28, 1.0),
        )
    }
)


def gpu_named(name: str) -> Gpu:
    """Look a card up by its catalogue name; ConfigurationError lists the known ones."""
    if name not in GPUS:
        raise ConfigurationError(f"unknown GPU {name!r}; the twin knows {', '.join(GPUS)}")
    return GPUS[name]


def clocks_mhz(gpu: str) -> tuple[float, float]:
    """The lowest and the highest SM clock that a card can be locked to."""
    found = gpu_named(gpu)
    return found.min_mhz, found.max_mhz
