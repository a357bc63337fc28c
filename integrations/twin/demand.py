"""The requests that a simulated node is offered, whatever its controllers do."""

import math
from typing import Final
from zlib import crc32

import numpy as np

from integrations.twin.state import REQUEST, Records
from integrations.twin.workload import Workload

SWING: Final = 0.04
SWING_PERIOD_S: Final = 600.0
BURST_EVERY_S: Final = 45.0
BURST_GAIN: Final = 0.15
BURST_S: Final = (2.0, 6.0)
LONGEST: Final = 4096
"""The most tokens of a prompt or an answer at a site."""


class Demand:
    """A seeded arrival stream: a slow swing, bursts, and Poisson noise on top.

    It owns its random generator and draws from it once a step, so that two runs with the same seed
    and node see the same requests.
    """

    def __init__(self, seed: int, node: str, mean_tok_s: float, workload: Workload) -> None:
        self._random = np.random.default_rng((seed, crc32(node.encode())))
        self._mean_tok_s = mean_tok_s
        self._workload = workload
        self._phase = self._random.uniform(0.0, 2.0 * math.pi)
        self._burst_ends_s = -math.inf

    def rate_tok_s(self, now_s: float) -> float:
        """Output tokens a second asked for on average at this moment."""
        swing = 1.0 + SWING * math.sin(2.0 * math.pi * now_s / SWING_PERIOD_S + self._phase)
        burst = BURST_GAIN if now_s < self._burst_ends_s else 0.0
        return self._mean_tok_s * (swing + burst)

    def arrivals(self, now_s: float, dt_s: float) -> Records:
        """The requests of this step, (n,) records that arrive at its start."""
        if self._random.random() < dt_s / BURST_EVERY_S:
            self._burst_ends_s = now_s + self._random.uniform(*BURST_S)
        expected = self.rate_tok_s(now_s) * dt_s / self._workload.output_mean
        made = np.zeros(int(self._random.poisson(expected)), REQUEST)
        prompt, output = self._workload.draw(made.size, self._random)
        made["arrival_s"] = now_s
        made["prompt"], made["output"] = np.minimum(prompt, LONGEST), np.minimum(output, LONGEST)
        return made
