"""Where a site's power goes between the servers and the meter."""

import math
from dataclasses import dataclass
from typing import Final

from orchestrator.domain.errors import ConfigurationError


@dataclass(frozen=True, slots=True)
class Losses:
    """What a meter sees beyond the servers; nothing by default.

    fans: power of racks' fans over the servers'. psu_efficiency: of the power supplies above them.
    pue: the facility's power over that of its racks, cooling and distribution included.
    """

    fans: float = 0.0
    psu_efficiency: float = 1.0
    pue: float = 1.0

    def __post_init__(self) -> None:
        if not (math.isfinite(self.fans) and 0.0 <= self.fans <= 1.0):
            raise ConfigurationError("losses: fans must lie in 0-1 of the servers' power")
        if not 0.5 <= self.psu_efficiency <= 1.0:
            raise ConfigurationError("losses: psu_efficiency must lie in 0.5-1")
        if not 1.0 <= self.pue <= 3.0:
            raise ConfigurationError("losses: pue must lie in 1-3")

    def at_rack(self, servers: float) -> float:
        """Watts or joules at a rack's meter for those of its servers."""
        return servers * (1.0 + self.fans) / self.psu_efficiency

    def at_facility(self, servers: float) -> float:
        """Watts or joules at the facility's meter for those of its servers."""
        return self.pue * self.at_rack(servers)


NO_LOSSES: Final = Losses()
