"""Simulated serving physics: what a batch costs in watts and milliseconds on a card.

The coefficients are fitted by hand to runs of the ML.ENERGY benchmark v3 (Apache-2.0) on H100,
chat workload, at the default cap; mixtral-8x7b is not among the runs and is extrapolated.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final

from integrations.twin.cards import GpuSpec
from orchestrator.domain.errors import ConfigurationError


@dataclass(frozen=True, slots=True)
class ModelSpec:
    """One model on H100. A replica spans `replica_gpus` cards; batches here are per replica.

    base_ms: reading the shared weights once a step; expert_ms: reading the experts, of which
    1 - exp(-batch / expert_batch) are touched; request_ms: the work each running request adds,
    prefill included. low_w, span_w, half_batch: draw of a card at full clock, which saturates with
    the batch. clock_share: how much of the compute-bound time scales with the clock.
    p95_spread, p99_spread: how far the tail of the inter-token latency lies above its mean.
    """

    name: str
    kind: str
    replica_gpus: int
    max_batch: int
    base_ms: float
    expert_ms: float
    expert_batch: float
    request_ms: float
    low_w: float
    span_w: float
    half_batch: float
    clock_share: float
    p95_spread: float
    p99_spread: float
    prefill_ms: float
    mean_tokens: float

    def draw_w(self, gpu: GpuSpec, batch: float) -> float:
        """Watts that one card draws at full clock with `batch` requests on its replica."""
        if batch <= 0.0:
            return gpu.idle_w
        busy_w = (self.low_w + self.span_w * batch / (batch + self.half_batch)) * gpu.load_power
        return gpu.idle_w + (busy_w - gpu.idle_w) * min(1.0, batch)

    def step_ms(self, gpu: GpuSpec, batch: float, clock: float = 1.0) -> float:
        """Mean time between two tokens of one request."""
        memory_ms, compute_ms = self._split_ms(gpu, batch)
        return memory_ms + compute_ms / clock

    def _split_ms(self, gpu: GpuSpec, batch: float) -> tuple[float, float]:
        """The step's time that ignores the clock, and the time that scales with 1 / clock."""
        experts = self.expert_ms * (1.0 - math.exp(-batch / self.expert_batch))
        weights_ms = (self.base_ms + experts) / gpu.memory_speed
        request_ms = self.request_ms * batch / gpu.compute_speed
        scaled_ms = self.clock_share * (request_ms + 0.1 * weights_ms)
        return weights_ms + request_ms - scaled_ms, scaled_ms

    def steps_per_s(self, gpu: GpuSpec, batch: float, clocks: Sequence[float]) -> float:
        """Tokens a second of one request, averaged over replicas; the slowest card sets the pace.

        `clocks` holds the clock of every card of the node, replica by replica.
        """
        memory_ms, compute_ms = self._split_ms(gpu, batch)
        size = self.replica_gpus
        starts = range(0, len(clocks), size)
        paces = [1000.0 / (memory_ms + compute_ms / min(clocks[i : i + size])) for i in starts]
        return sum(paces) / len(paces)

    def tail(self, batch: float, spread: float) -> float:
        """The ratio of a latency percentile to the mean, growing with the batch."""
        return 1.0 + spread * batch / (batch + 8.0)


@dataclass(frozen=True, slots=True)
class OperatingPoint:
    """A saturated node in steady state; power_w of all cards together, without host overhead."""

    power_w: float
    tok_s: float
    clock: float
    itl_mean_ms: float
    itl_p95_ms: float
    itl_p99_ms: float


MODELS: Final[Mapping[str, ModelSpec]] = MappingProxyType(
    {
        spec.name: spec
        for spec in (
            ModelSpec("llama-3.1-8b", "dense", 1, 256, 6.9, 0, 1, 0.087,
                      460, 245, 45, 0.95, 0.32, 1.08, 40, 300),
            ModelSpec("qwen3-32b", "dense", 2, 256, 14.2, 0, 1, 0.139,
                      415, 240, 110, 0.95, 0.50, 2.0, 90, 400),
            ModelSpec("llama-3.1-70b", "dense", 4, 256, 16.3, 0, 1, 0.139,
                      430, 220, 110, 0.95, 0.75, 3.2, 120, 300),
            ModelSpec("qwen3-30b-a3b", "moe", 2, 512, 6.8, 14.3, 55, 0.0585,
                      330, 215, 70, 0.70, 0.18, 0.7, 60, 450),
            ModelSpec("gpt-oss-120b", "moe", 2, 512, 5.5, 8.3, 40, 0.069,
                      395, 230, 30, 0.70, 0.08, 0.5, 70, 450),
            ModelSpec("mixtral-8x7b", "moe", 2, 256, 6.0, 9.0, 6, 0.080,
                      420, 200, 60, 0.85, 0.30, 1.2, 70, 300),
        )
    }
)  # fmt: skip


def model_spec(name: str) -> ModelSpec:
    """Look a model up by its catalogue name; ConfigurationError lists the known ones."""
    if name not in MODELS:
        raise ConfigurationError(f"unknown model {name!r}; the twin knows {', '.join(MODELS)}")
    return MODELS[name]


def replicas_of(model: ModelSpec, gpus: int) -> int:
    """How many replicas fill a node; ConfigurationError unless they fill it exactly."""
    if gpus < 1 or gpus % model.replica_gpus:
        raise ConfigurationError(
            f"{model.name} runs on replicas of {model.replica_gpus} GPUs; "
            f"{gpus} GPUs is not a multiple of that"
        )
    return gpus // model.replica_gpus


def max_batch_of(model: ModelSpec, gpus: int) -> int:
    """The most requests that run at once on a node."""
    return model.max_batch * replicas_of(model, gpus)


def operate(
    gpu: GpuSpec, model: ModelSpec, gpus: int, cap_w: float, batch: float
) -> OperatingPoint:
    """The steady state of a node that holds `batch` requests, every card capped at `cap_w`."""
    each = batch / replicas_of(model, gpus)
    draw_w = model.draw_w(gpu, each)
    clock = gpu.clock(draw_w, cap_w)
    itl_ms = model.step_ms(gpu, each, clock)
    return OperatingPoint(
        power_w=gpus * min(draw_w, cap_w),
        tok_s=1000.0 * batch / itl_ms,
        clock=clock,
        itl_mean_ms=itl_ms,
        itl_p95_ms=itl_ms * model.tail(each, model.p95_spread),
        itl_p99_ms=itl_ms * model.tail(each, model.p99_spread),
    )
