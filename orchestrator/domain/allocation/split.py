"""A solved problem as arrays: what the certificate is computed from and the words say."""

from dataclasses import dataclass

from orchestrator.domain.allocation.hulls import Hulls, Segments
from orchestrator.domain.allocation.problem import Device, LimitRow
from orchestrator.domain.allocation.tree import Floats, Tree, sum_by


@dataclass(frozen=True, slots=True)
class Split:
    """Devices and limits by index, in the order of their ids.

    below_w, above_w: watts taken of the segments in hulls.below and hulls.above.
    """

    limits: tuple[LimitRow, ...]
    devices: tuple[Device, ...]
    tree: Tree
    hulls: Hulls
    min_w: Floats
    weight: Floats
    below_w: Floats
    above_w: Floats

    def floor_draw_w(self) -> Floats:
        """Draw of each device with what its service floor got, in watts."""
        return self.min_w + self._per_device(self.hulls.below, self.below_w)

    def draw_w(self) -> Floats:
        """The allocation of each device in watts."""
        return self.floor_draw_w() + self._per_device(self.hulls.above, self.above_w)

    def floor_tok_s(self) -> Floats:
        """Throughput of each device with what its service floor got, unweighted."""
        below = self.hulls.below
        return self.hulls.least_tok_s + self._per_device(below, self.below_w * below.slope)

    def tok_s(self) -> Floats:
        """Throughput of each device on its hull, unweighted."""
        above = self.hulls.above
        return self.floor_tok_s() + self._per_device(above, self.above_w * above.slope)

    def _per_device(self, segments: Segments, amount: Floats) -> Floats:
        return sum_by(segments.device, amount, len(self.devices))
