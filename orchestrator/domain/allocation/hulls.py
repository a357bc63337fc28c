"""What each device's watts buy: the upper concave hulls of all frontiers, cut into segments."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import chain
from typing import Final

import numpy as np
from numpy.typing import NDArray

from orchestrator.domain.allocation.problem import ALLOWED_LOSS, Device
from orchestrator.domain.allocation.tree import Floats, Ints, sum_by

SLIVER_W: Final = 1e-6
"""Watts that no meter sees: pieces shorter than this come from rounding and are dropped."""


@dataclass(frozen=True, slots=True)
class Segments:
    """Stretches of constant worth, sorted by device and then by rising watts.

    device: index. width_w: watts. slope: tok/s per watt, above 0 and falling within a device.
    """

    device: Ints
    width_w: Floats
    slope: Floats

    def where(self, chosen: NDArray[np.bool_]) -> "Segments":
        """The chosen segments."""
        return Segments(self.device[chosen], self.width_w[chosen], self.slope[chosen])


@dataclass(frozen=True, slots=True)
class Hulls:
    """The concave hulls of all devices between min_w and max_w, tokens unweighted.

    least_tok_s, most_tok_s: by device, at its minimum and at the end of its hull.
    floor_tok_s: its service floor. below: segments up to the floor. above: the rest.
    """

    least_tok_s: Floats
    most_tok_s: Floats
    floor_tok_s: Floats
    below: Segments
    above: Segments


def build_hulls(devices: Sequence[Device]) -> Hulls:
    """Hulls of checked devices, each cut at the service floor of the device's tier."""
    watts, tok_s = _curves(devices)
    least, segments = _clip(devices, *_upper_hulls(watts, tok_s))
    gain = segments.width_w * segments.slope
    most = least + sum_by(segments.device, gain, len(devices))
    kept = 1.0 - np.array([ALLOWED_LOSS[device.tier] for device in devices])
    below, above = _cut(segments, least, kept * most)
    return Hulls(least, most, kept * most, below, above)


def _curves(devices: Sequence[Device]) -> tuple[Floats, Floats]:
    """Points by (device, position), the last one repeated, with a first one at min_w or below.

    Below its first point a curve is taken to rise in proportion to the watts.
    """
    counts = np.array([len(device.points) for device in devices], dtype=np.int64)
    flat = chain.from_iterable(chain.from_iterable(device.points for device in devices))
    points = np.fromiter(flat, dtype=np.float64, count=2 * int(counts.sum())).reshape(-1, 2)
    position = np.minimum(np.arange(counts.max(initial=1)), counts[:, None] - 1)
    known = counts > 0
    curves = np.ones((len(devices), position.shape[1] + 1, 2))
    curves[known, 1:] = points[(np.cumsum(counts) - counts)[known, None] + position[known]]
    curves[~known, 1:] = _assumed(devices, known, curves[:, -1])[~known, None]
    least = np.array([device.min_w for device in devices])
    share = np.minimum(least / curves[:, 1, 0], 1.0)
    curves[:, 0] = curves[:, 1] * share[:, None]
    return curves[..., 0], curves[..., 1]


def _assumed(devices: Sequence[Device], known: NDArray[np.bool_], last: Floats) -> Floats:
    """(watts, tok/s) at max_w for devices without points; a device that cannot move buys none."""
    rate = float(np.mean(last[known, 1] / last[known, 0])) if known.any() else 1.0
    most = np.array([device.max_w for device in devices])
    movable = most > np.array([device.min_w for device in devices])
    return np.stack([np.maximum(most, 1.0), most * rate * movable], axis=1)


def _upper_hulls(watts: Floats, tok_s: Floats) -> tuple[Floats, Floats]:
    """Corners of every row's upper concave hull: from each corner to the steepest later point.

    Equally steep points: the farthest. Rows that end early repeat their last corner.
    """
    rows = np.arange(len(watts))
    at = np.zeros(len(watts), dtype=np.int64)
    corners = [at]
    last = watts.shape[1] - 1
    while (at < last).any():
        run, rise = watts - watts[rows, at, None], tok_s - tok_s[rows, at, None]
        slope = np.divide(rise, run, out=np.full_like(run, -np.inf), where=run > 0)
        steepest = last - np.argmax(slope[:, ::-1], axis=1)
        at = np.where((run > 0).any(axis=1), steepest, last)
        corners.append(at)
    chosen = np.stack(corners, axis=1)
    return np.take_along_axis(watts, chosen, 1), np.take_along_axis(tok_s, chosen, 1)


def _clip(devices: Sequence[Device], watts: Floats, tok_s: Floats) -> tuple[Floats, Segments]:
    """Throughput at min_w, and the segments between min_w and max_w that buy anything."""
    low = np.array([device.min_w for device in devices])[:, None]
    high = np.array([device.max_w for device in devices])[:, None]
    run = np.diff(watts, axis=1)
    slope = np.divide(np.diff(tok_s, axis=1), run, out=np.zeros_like(run), where=run > 0)
    before = np.clip(low - watts[:, :-1], 0.0, run)
    least = tok_s[:, 0] + (before * slope).sum(axis=1)
    width = np.minimum(watts[:, 1:], high) - np.maximum(watts[:, :-1], low)
    device, position = np.nonzero((width > SLIVER_W) & (slope > 0))
    return least, Segments(device, width[device, position], slope[device, position])


def _cut(segments: Segments, least: Floats, floor_tok_s: Floats) -> tuple[Segments, Segments]:
    """Split at the throughput floor_tok_s of each device."""
    device, width, slope = segments.device, segments.width_w, segments.slope
    gained = np.cumsum(width * slope)
    first = np.searchsorted(device, device)
    earlier = np.concatenate([[0.0], gained])
    before = least[device] + earlier[:-1] - earlier[first]
    below = np.clip((floor_tok_s[device] - before) / slope, 0.0, width)
    below = np.where(below < SLIVER_W, 0.0, np.where(width - below < SLIVER_W, width, below))
    lower, upper = Segments(device, below, slope), Segments(device, width - below, slope)
    return lower.where(below > 0), upper.where(width > below)
