"""The numbers that describe one model on one card, as the physics reads them."""

import json
from hashlib import sha256
from typing import Final, NamedTuple

from orchestrator.domain.errors import InvalidInput

_SHARES: Final = frozenset(
    {"base_compute", "expert_compute", "request_compute", "communication", "memory_power"}
)
_MOST_SHARE: Final = 0.95


class Coefficients(NamedTuple):
    """One replica of a model on one card type. Times at full clock, powers per card.

    base_ms: a step's shared weights; expert_ms, expert_batch: reading the experts, of which
    1 - exp(-tokens / expert_batch) are touched; request_ms, request_batch: what a running request
    adds, half as much at request_batch; prefill_base_ms, prefill_ms: what a step adds that
    prefills, and each of its prompt tokens; chunk_tokens: prompt tokens a step takes at most.
    *_compute: the compute time as a share of that part's time; communication: the share of a step
    that ignores the clock. low_w, span_w, half_batch: draw, which saturates with the batch;
    prefill_w: draw while prefilling. memory_power: the share of dynamic power that follows the
    achieved speed while memory-bound; exponent, voltage_floor: dynamic power over clock. jitter:
    sigma of a step's lognormal noise. host_factor, host_w: the host's power over its cards'.
    """

    base_ms: float
    expert_ms: float
    expert_batch: float
    request_ms: float
    request_batch: float
    prefill_base_ms: float
    prefill_ms: float
    chunk_tokens: float
    base_compute: float
    expert_compute: float
    request_compute: float
    communication: float
    idle_w: float
    low_w: float
    span_w: float
    half_batch: float
    prefill_w: float
    memory_power: float
    exponent: float
    voltage_floor: float
    jitter: float
    host_factor: float
    host_w: float

    @property
    def names(self) -> tuple[str, ...]:
        """What `perturbed` accepts."""
        return self._fields

    @property
    def hash(self) -> str:
        """Twelve hexadecimal digits that name these numbers."""
        return sha256(json.dumps(self._asdict()).encode()).hexdigest()[:12]

    def perturbed(self, name: str, factor: float) -> "Coefficients":
        """One number times a factor; shares stay below 1. InvalidInput for an unknown name."""
        if name not in self._fields:
            raise InvalidInput(f"no coefficient {name!r}; there are {', '.join(self._fields)}")
        value = getattr(self, name) * factor
        if name in _SHARES:
            value = min(value, _MOST_SHARE)
        if name == "voltage_floor":
            value = min(value, 1.0)
        return self._replace(**{name: value})
