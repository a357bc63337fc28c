"""Entries that no measured run covers, shaped by hand to published facts.

A100: four cards serve one replica, as in PALS (arXiv 2605.21427). Times follow from the data sheet;
batch and watts are set so that the paper's shapes come out: where tok/J peaks over the cap, what
batch 64 gains over 1, the joint optimum over software alone. H100: Mixtral between its neighbours.
"""

from typing import Final, NamedTuple

from integrations.twin.catalogue import HOST_FACTOR, HOST_W, Entry
from integrations.twin.coefficients import Coefficients
from integrations.twin.gpus import GPUS
from integrations.twin.workload import Workload

PALS_BATCH: Final = 64
SHORT: Final = Workload(150.0, 0.5, 64.0, 0.6)
CHAT: Final = Workload(200.0, 1.25, 300.0, 0.7)


class _Shape(NamedTuple):
    """What tells one model on A100 from another; request: its time as a share of the base's."""

    model: str
    kind: str
    base_ms: float
    expert_ms: float
    expert_batch: float
    request: float
    prefill_ms: float
    low_w: float
    span_w: float
    half_batch: float
    communication: float
    request_compute: float


_A100: Final = (
    _Shape("gpt2", "dense", 2.5, 0, 1, 0.487, 0.001, 190, 209, 15.4, 0.074, 0.645),
    _Shape("llama-2-7b", "dense", 4.2, 0, 1, 0.442, 0.03, 195, 293, 20.1, 0.099, 0.60),
    _Shape("mistral-7b", "dense", 4.5, 0, 1, 0.397, 0.03, 183, 301, 17.6, 0.093, 0.603),
    _Shape("olmoe-1b-7b", "moe", 4.0, 2, 20, 0.596, 0.006, 183, 243, 83.7, 0.421, 0.51),
    _Shape("qwen1.5-moe-a2.7b", "moe", 5.0, 3, 20, 0.628, 0.01, 205, 545, 286, 0.386, 0.523),
    _Shape("deepseek-moe-16b", "moe", 5.0, 4, 20, 0.649, 0.01, 218, 302, 133, 0.183, 0.503),
    _Shape("phi-3.5-moe", "moe", 5.0, 5, 6, 0.631, 0.025, 212, 287, 77.9, 0.055, 0.502),
    _Shape("mixtral-8x7b", "moe", 5.0, 6, 3, 0.413, 0.05, 181, 762, 51.9, 0.10, 0.60),
)


def shaped_entries() -> tuple[Entry, ...]:
    """The models of PALS on A100, and Mixtral on H100."""
    return (*(_pals(shape) for shape in _A100), _mixtral_h100())


def _pals(shape: _Shape) -> Entry:
    return Entry(
        gpu="A100",
        model=shape.model,
        gpus=4,
        kind=shape.kind,
        origin="shaped",
        task="short prompts and answers",
        max_batch=PALS_BATCH,
        batches=None,
        workload=SHORT,
        coefficients=_pals_coefficients(shape),
        residuals={},
    )


def _pals_coefficients(shape: _Shape) -> Coefficients:
    gpu = GPUS["A100"]
    return Coefficients(
        base_ms=shape.base_ms,
        expert_ms=shape.expert_ms,
        expert_batch=shape.expert_batch,
        request_ms=shape.request * shape.base_ms,
        request_batch=1e6,
        prefill_base_ms=2.0,
        prefill_ms=shape.prefill_ms,
        chunk_tokens=2048.0,
        base_compute=0.2,
        expert_compute=0.1,
        request_compute=shape.request_compute,
        communication=shape.communication,
        idle_w=gpu.idle_w,
        low_w=shape.low_w,
        span_w=shape.span_w,
        half_batch=shape.half_batch,
        prefill_w=min(shape.low_w + shape.span_w, 1.9 * gpu.max_w),
        memory_power=0.5,
        exponent=2.4,
        voltage_floor=gpu.voltage_floor,
        jitter=0.03,
        host_factor=HOST_FACTOR,
        host_w=HOST_W,
    )


def _mixtral_h100() -> Entry:
    gpu = GPUS["H100"]
    coefficients = Coefficients(
        base_ms=6.0,
        expert_ms=9.0,
        expert_batch=6.0,
        request_ms=0.070,
        request_batch=1e6,
        prefill_base_ms=1.0,
        prefill_ms=0.060,
        chunk_tokens=8192.0,
        base_compute=0.2,
        expert_compute=0.1,
        request_compute=0.6,
        communication=0.05,
        idle_w=gpu.idle_w,
        low_w=420.0,
        span_w=200.0,
        half_batch=60.0,
        prefill_w=0.95 * gpu.max_w,
        memory_power=0.55,
        exponent=2.4,
        voltage_floor=gpu.voltage_floor,
        jitter=0.03,
        host_factor=HOST_FACTOR,
        host_w=HOST_W,
    )
    return Entry(
        gpu="H100",
        model="mixtral-8x7b",
        gpus=2,
        kind="moe",
        origin="extrapolated",
        task="chat",
        max_batch=256,
        batches=None,
        workload=CHAT,
        coefficients=coefficients,
        residuals={},
    )
