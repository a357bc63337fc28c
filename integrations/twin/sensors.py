"""What sensors show of the truth: cards' power (arXiv 2312.02741) and meters."""

from typing import Final

import numpy as np

from integrations.twin.state import SENSOR_RING, Floats, State

AVERAGED: Final = 10
GAIN: Final = 0.01
NOISE: Final = 0.005


def card_power_w(s: State, seed: int) -> Floats:
    """Each card's reported power, (G,): the mean of the last second's samples.

    A sample sees the first part of a tenth of a second. Each sensor is off by its own gain, about
    1 %, and by noise, about 0.5 %. Reading twice at one moment gives the same.
    """
    last = int(s.replicas["edge"].min()) // 2 - 1
    rows = np.arange(last - AVERAGED + 1, last + 1) % SENSOR_RING
    seen: Floats = s.sampled_w[:, rows].mean(axis=1)
    gain = np.random.default_rng(seed).standard_normal(seen.size)
    noise = np.random.default_rng((seed, last + AVERAGED)).standard_normal(seen.size)
    shown: Floats = seen * (1.0 + GAIN * gain + NOISE * noise)
    return shown
