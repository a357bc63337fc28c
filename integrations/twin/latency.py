"""Latencies of a simulated node: inter-token as a histogram, first-token as a list."""

import math
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

FIRST_MS: Final = 0.5
BIN_LOG: Final = 0.01
BINS: Final = 1400
"""Bins 1 % wide, from half a millisecond to ten minutes."""

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True)
class LatencyLog:
    """What was seen up to a moment; the difference of two logs is the time between them.

    itl: tokens in each logarithmic bin (BINS,); itl_total_ms: their latencies summed.
    ttft_at_s, ttft: when first tokens came and after how many milliseconds, (n,), in order.
    """

    itl: Floats
    itl_total_ms: float
    ttft_at_s: Floats
    ttft: Floats

    @property
    def tokens(self) -> float:
        """How many tokens the inter-token latencies are of."""
        return float(self.itl.sum())

    @property
    def itl_mean_ms(self) -> float | None:
        """Mean inter-token latency; None when no token followed another."""
        tokens = self.tokens
        return self.itl_total_ms / tokens if tokens > 0.0 else None

    def itl_ms(self, q: float) -> float | None:
        """The q-quantile (0-1) of the inter-token latency, within 1 %; None without tokens."""
        return itl_quantile_ms(self.itl, q)

    def ttft_ms(self, q: float) -> float | None:
        """The q-quantile (0-1) of the time to the first token; None without first tokens."""
        return float(np.quantile(self.ttft, q)) if self.ttft.size else None

    def itl_over(self, limit_ms: float) -> float | None:
        """The share of tokens that took longer than a limit, within a bin."""
        tokens = self.tokens
        if tokens <= 0.0:
            return None
        first = math.ceil(math.log(limit_ms / FIRST_MS) / BIN_LOG)
        return float(self.itl[min(max(first, 0), BINS) :].sum()) / tokens

    def ttft_over(self, limit_ms: float) -> float | None:
        """The share of requests whose first token took longer than a limit."""
        return float(np.mean(self.ttft > limit_ms)) if self.ttft.size else None

    def __add__(self, other: "LatencyLog") -> "LatencyLog":
        """Both together; the first tokens are no longer in order."""
        return LatencyLog(
            self.itl + other.itl,
            self.itl_total_ms + other.itl_total_ms,
            np.concatenate([self.ttft_at_s, other.ttft_at_s]),
            np.concatenate([self.ttft, other.ttft]),
        )

    def times(self, count: int) -> "LatencyLog":
        """What `count` alike nodes would have logged."""
        return LatencyLog(
            count * self.itl,
            count * self.itl_total_ms,
            np.tile(self.ttft_at_s, count),
            np.tile(self.ttft, count),
        )

    def __sub__(self, earlier: "LatencyLog") -> "LatencyLog":
        return LatencyLog(
            self.itl - earlier.itl,
            self.itl_total_ms - earlier.itl_total_ms,
            self.ttft_at_s[earlier.ttft.size :],
            self.ttft[earlier.ttft.size :],
        )


def itl_quantile_ms(counts: Floats, q: float) -> float | None:
    """The q-quantile of a histogram; None when it is empty. Log-linear inside a bin."""
    below = np.cumsum(counts)
    if below[-1] <= 0.0:
        return None
    wanted = q * below[-1]
    index = min(int(np.searchsorted(below, wanted)), BINS - 1)
    inside = 1.0 - (below[index] - wanted) / counts[index] if counts[index] > 0.0 else 0.5
    return FIRST_MS * math.exp(BIN_LOG * (index + min(max(inside, 0.0), 1.0)))


NO_LATENCIES: Final = LatencyLog(np.zeros(BINS), 0.0, np.zeros(0), np.zeros(0))
"""The log of a node before its first step."""
