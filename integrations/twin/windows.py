"""Latencies of a node over the last seconds."""

from dataclasses import dataclass
from typing import Final

import numpy as np

from integrations.twin.latency import itl_quantile_ms
from integrations.twin.state import FIRST_TOKENS, SLOT_S, Floats, State

WINDOW_S: Final = 5.0


@dataclass(frozen=True, slots=True)
class Latencies:
    """Over the last five seconds, in milliseconds; None while nothing was served."""

    itl_mean_ms: float | None
    itl_p95_ms: float | None
    itl_p99_ms: float | None
    ttft_mean_ms: float | None
    ttft_p95_ms: float | None
    ttft_p99_ms: float | None


def recent_latencies(s: State, now_s: float) -> Latencies:
    """What the requests felt lately; inter-token latencies in slots of half a second."""
    first, last = (now_s - WINDOW_S) / SLOT_S, now_s / SLOT_S
    rows = (s.slots["number"] >= first) & (s.slots["number"] <= last)
    counts: Floats = s.recent[rows].sum(axis=0)
    tokens = float(counts.sum())
    ttft = _recent_ttft(s, now_s)
    return Latencies(
        itl_mean_ms=float(s.slots["total_ms"][rows].sum()) / tokens if tokens > 0.0 else None,
        itl_p95_ms=itl_quantile_ms(counts, 0.95),
        itl_p99_ms=itl_quantile_ms(counts, 0.99),
        ttft_mean_ms=float(ttft.mean()) if ttft.size else None,
        ttft_p95_ms=float(np.quantile(ttft, 0.95)) if ttft.size else None,
        ttft_p99_ms=float(np.quantile(ttft, 0.99)) if ttft.size else None,
    )


def _recent_ttft(s: State, now_s: float) -> Floats:
    """In milliseconds, in no order; the ring of first tokens is in order until it is full."""
    count = int(s.counts[FIRST_TOKENS])
    since_s = now_s - WINDOW_S
    if count < s.firsts.size:
        first = int(np.searchsorted(s.firsts["at_s"][:count], since_s))
        return np.asarray(s.firsts["ms"][first:count], np.float64)
    return np.asarray(s.firsts["ms"][s.firsts["at_s"] >= since_s], np.float64)
