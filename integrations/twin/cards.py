"""The cards of a simulated site's node, as a driver shows and takes them."""

from integrations.twin.gpus import Gpu
from integrations.twin.machine import Machine


class Card:
    """One GPU of a machine: its limit, its energy counter, and whether it was capped since boot."""

    def __init__(self, machine: Machine, uuid: str, index: int) -> None:
        self._machine = machine
        self.uuid = uuid
        self.index = index
        self.limit_written = False

    @property
    def spec(self) -> Gpu:
        """The card type."""
        return self._machine.deployment.card

    @property
    def enforced_w(self) -> float:
        """The limit that the card keeps to."""
        return float(self._machine.state.cards["cap_w"][self.index])

    @property
    def power_w(self) -> float:
        """True power at this instant."""
        return float(self._machine.state.cards["power_w"][self.index])

    @property
    def counter_j(self) -> float:
        """The energy counter since boot: true, in steps of a tenth of a second."""
        return float(self._machine.state.cards["counter_j"][self.index])

    def set_limit_w(self, limit_w: float) -> None:
        """Write the power limit in watts; InvalidInput outside the card's own range."""
        self._machine.deployment.card.check_cap_w(limit_w, self.uuid)
        self._machine.set_cap_w(limit_w, card=self.index)
        self.limit_written = True

    def reboot(self) -> None:
        """What a host reboot does: default limit, free clock, idle, a counter that starts at 0."""
        self._machine.set_cap_w(self.spec.default_w, card=self.index)
        self._machine.set_clock_mhz(None, card=self.index)
        self.limit_written = False
        row = self._machine.state.cards
        for name in ("energy_j", "opened_j", "counter_j"):
            row[name][self.index] = 0.0
        row["power_w"][self.index] = row["target_w"][self.index]
