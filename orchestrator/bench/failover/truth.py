"""The plant's truth, written down ten times a second: power and enforced limits, by nobody's word.

Seconds are monotonic. Nothing here asks the service or an agent.
"""

import threading
import time
from collections.abc import Iterable
from dataclasses import dataclass
from itertools import pairwise
from types import TracebackType
from typing import Self

from integrations.twin.client import TwinConnection
from orchestrator.demo.measure import Sample, highest_mean_w
from orchestrator.domain.errors import Unavailable

EVERY_S = 0.1
FIRST_S = 5.0
RISE_W = 0.01


@dataclass(frozen=True, slots=True)
class Moment:
    """The plant at a monotonic second: true watts of the site, enforced sums of its nodes."""

    at_s: float
    power_w: float
    enforced_w: dict[str, float]


@dataclass(frozen=True, slots=True)
class Rise:
    """A node whose enforced sum went up."""

    node: str
    at_s: float
    from_w: float
    to_w: float


class PlantLog:
    """Writes the plant's truth down while it is open."""

    def __init__(self, address: tuple[str, int]) -> None:
        self._connection = TwinConnection(*address)
        self._stopping = threading.Event()
        self._begun = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self.moments: list[Moment] = []

    def __enter__(self) -> Self:
        self._thread.start()
        if not self._begun.wait(FIRST_S):
            raise Unavailable(f"the plant has not answered within {FIRST_S:.0f} s")
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._stopping.set()
        self._thread.join(3.0)
        self._connection.close()

    def _run(self) -> None:
        while not self._stopping.is_set():
            try:
                self.moments.append(read_plant(self._connection))
            except Unavailable:
                continue
            self._begun.set()
            self._stopping.wait(EVERY_S)

    def rises(
        self, nodes: Iterable[str] | None = None, before_s: float = float("inf")
    ) -> list[Rise]:
        """Every step upwards of the nodes' enforced sums, all nodes' by default."""
        moments = [moment for moment in list(self.moments) if moment.at_s < before_s]
        names = list(nodes or moments[0].enforced_w)
        return [
            Rise(name, after.at_s, before.enforced_w[name], after.enforced_w[name])
            for before, after in pairwise(moments)
            for name in names
            if after.enforced_w[name] > before.enforced_w[name] + RISE_W
        ]

    def between(self, since_s: float, until_s: float) -> list[Sample]:
        """True power in [since_s, until_s)."""
        found = [m for m in list(self.moments) if since_s <= m.at_s < until_s]
        return [Sample(moment.at_s, moment.power_w) for moment in found]

    def highest_w(self, since_s: float, until_s: float) -> float:
        """The highest true power in [since_s, until_s)."""
        return max(sample.power_w for sample in self.between(since_s, until_s))

    def highest_mean_w(self, since_s: float, until_s: float) -> float:
        """The highest mean of true power over five seconds."""
        return highest_mean_w(self.between(since_s, until_s), 5.0)


def read_plant(connection: TwinConnection) -> Moment:
    """The truth of now."""
    answer = connection.call("truth")
    enforced_w = {name: node["enforced_w"] for name, node in answer["nodes"].items()}
    return Moment(time.monotonic(), answer["site_power_w"], enforced_w)
