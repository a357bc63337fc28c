"""The latency that the bench promises to those whom a node serves."""

from dataclasses import dataclass
from typing import Final

ITL_SLACK: Final = 2.0
"""The objective over what the node has unconstrained at its largest batch."""
TOLERANCE: Final = 0.02
"""Throughput that falls no further short of its target still counts as meeting it; all know."""
TTFT_MS: Final = 2000.0


@dataclass(frozen=True, slots=True)
class Objectives:
    """99th percentiles in milliseconds; ttft_ms None where a queue never empties."""

    itl_ms: float
    ttft_ms: float | None
