"""A plain law of a node of eight cards, for profiles and telemetry that agree with each other."""

import math
from dataclasses import dataclass
from datetime import datetime, timedelta

from orchestrator.domain.telemetry import NodeSample
from orchestrator.models.samples import COLUMNS, Samples, read_profile

CARDS = 8
CAPS_W = (200.0, 300.0, 400.0, 500.0, 600.0, 700.0)
BATCHES = (16, 64, 256)


@dataclass(frozen=True)
class Law:
    """Factors on throughput and power; the plain law without them."""

    tok: float = 1.0
    power: float = 1.0

    def draw_w(self, batch: float) -> float:
        return self.power * (350.0 + 300.0 * batch / (batch + 60.0))

    def power_w(self, cap_w: float, batch: float) -> float:
        return CARDS * min(cap_w, self.draw_w(batch))

    def tok_s(self, cap_w: float, batch: float) -> float:
        clock = math.pow(min(1.0, (cap_w - 70.0) / (self.draw_w(batch) - 70.0)), 1 / 2.4)
        return self.tok * 1000.0 * batch / (12.0 + 0.12 * batch * (0.3 + 0.7 / clock))


def profile_text(deployment: str = "llama-70b", law: Law = Law()) -> str:
    """A profile without noise, a run a cell."""
    rows = [
        f"{deployment},H100,{CARDS},{cap_w},{batch},{law.power_w(cap_w, batch)},"
        f"{law.tok_s(cap_w, batch)},{10 + batch / 8},,"
        for cap_w in CAPS_W
        for batch in BATCHES
    ]
    return "\n".join([",".join(COLUMNS), *rows])


def a_profile(deployment: str = "llama-70b") -> Samples:
    return read_profile(profile_text(deployment))


def reports(
    node: str, at: datetime, cap_w: float, law: Law, *, seconds: int = 40, batch: int = 256
) -> list[NodeSample]:
    """A second each of a node with a full queue, held by its batch or its cap."""
    return [
        NodeSample(
            node=node,
            at=at + timedelta(seconds=second),
            enforced_w=cap_w * CARDS,
            power_w=law.power_w(cap_w, batch),
            tok_s=law.tok_s(cap_w, batch),
            itl_p95_ms=40.0,
            running=batch,
            waiting=2 * batch,
            batch_limit=batch,
            clock_mhz=None,
        )
        for second in range(seconds)
    ]


def an_hour(node: str, until: datetime, older: Law, newer: Law) -> list[NodeSample]:
    """Telemetry that walks through the caps; the last third follows another law."""
    found, start = [], until - timedelta(minutes=50)
    for step in range(36):
        law = older if step < 24 else newer
        cap_w = CAPS_W[step % len(CAPS_W)]
        found += reports(node, start + timedelta(seconds=80 * step), cap_w, law)
    return found
