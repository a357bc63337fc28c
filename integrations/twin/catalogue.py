"""The catalogue: which model on which card, its coefficients, and where they come from."""

import json
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, replace
from functools import cache
from importlib.resources import files
from types import MappingProxyType
from typing import Any, Final

from integrations.twin.coefficients import Coefficients
from integrations.twin.gpus import GPUS, Gpu, gpu_named
from integrations.twin.workload import Workload
from orchestrator.domain.errors import ConfigurationError

FILE: Final = "coefficients.json"
SOURCES: Final = ("H100", "B200", "H200", "A100")
"""Cards in the order in which another one is extrapolated from them."""

STAND_INS: Final[Mapping[str, str]] = MappingProxyType({"llama-2-70b": "llama-3.1-70b"})
"""Models that nobody measured, and the measured model of the same shape that stands for each."""


@dataclass(frozen=True)
class Entry:
    """One model on one replica of `gpus` cards.

    kind: dense, moe or hybrid. origin: measured, shaped (to the facts of PALS) or extrapolated.
    task: the workload it was measured with. max_batch: the most requests that run at once; batches:
    the lowest and highest batch that was measured. residuals: mean absolute errors relative to the
    measured runs, as fractions, and the number of runs.
    """

    gpu: str
    model: str
    gpus: int
    kind: str
    origin: str
    task: str
    max_batch: int
    batches: tuple[int, int] | None
    workload: Workload
    coefficients: Coefficients
    residuals: Mapping[str, float]

    @property
    def extrapolated(self) -> bool:
        """Whether no measurement covers it."""
        return self.origin != "measured"


def entry_for(gpu: str, model: str, gpus: int) -> Entry:
    """The entry that serves a node of `gpus` cards; ConfigurationError lists what is known.

    Where several replica sizes fit, the one with most measured runs. A card on which nobody
    measured the model gets coefficients scaled by the data sheets.
    """
    known = _known(gpu, model)
    fitting = [entry for entry in known if gpus > 0 and gpus % entry.gpus == 0]
    if not fitting:
        sizes = sorted({entry.gpus for entry in known})
        raise ConfigurationError(
            f"{model} runs on replicas of {' or '.join(map(str, sizes))} GPUs; "
            f"{gpus} GPUs is not a multiple of that"
        )
    best = min(fitting, key=lambda entry: _preference(entry, gpu))
    return _served(best, gpu_named(gpu), model, gpus)


def replica_of(gpu: str, model: str) -> int:
    """Cards of the replica that most measured runs are of; ConfigurationError as `entry_for`."""
    return min(_known(gpu, model), key=lambda entry: _preference(entry, gpu)).gpus


def _known(gpu: str, model: str) -> list[Entry]:
    """Entries of a model on a card, or on the others if there are none."""
    gpu_named(gpu)
    if model not in model_names():
        raise ConfigurationError(
            f"unknown model {model!r}; the twin knows {', '.join(model_names())}"
        )
    known = [entry for entry in entries() if entry.model == STAND_INS.get(model, model)]
    return [entry for entry in known if entry.gpu == gpu] or known


def _preference(entry: Entry, gpu: str) -> tuple[bool, int, float]:
    return entry.gpu != gpu, SOURCES.index(entry.gpu), -entry.residuals.get("runs", 0.0)


def _served(entry: Entry, card: Gpu, model: str, gpus: int) -> Entry:
    if entry.gpu != card.name:
        entry = replace(
            entry,
            origin="extrapolated",
            coefficients=scaled(entry.coefficients, GPUS[entry.gpu], card),
        )
    if entry.model != model:
        entry = replace(entry, origin="extrapolated", model=model)
    factor, watts = host(card, gpus)
    on_host = entry.coefficients._replace(host_factor=factor, host_w=watts)
    return replace(entry, gpu=card.name, coefficients=on_host)


def scaled(c: Coefficients, measured: Gpu, wanted: Gpu) -> Coefficients:
    """Coefficients for another card: times by bandwidth and arithmetic, watts by power range."""
    memory, compute = wanted.memory / measured.memory, wanted.compute / measured.compute
    range_ = (wanted.max_w - wanted.idle_w) / (measured.max_w - measured.idle_w)
    return c._replace(
        base_ms=c.base_ms / memory,
        expert_ms=c.expert_ms / memory,
        request_ms=c.request_ms * ((1 - c.request_compute) / memory + c.request_compute / compute),
        prefill_ms=c.prefill_ms / compute,
        idle_w=wanted.idle_w,
        low_w=wanted.idle_w + range_ * (c.low_w - measured.idle_w),
        span_w=range_ * c.span_w,
        prefill_w=wanted.idle_w + range_ * (c.prefill_w - measured.idle_w),
        voltage_floor=wanted.voltage_floor,
    )


SMALL_SERVER: Final = 4
HOST_FACTOR: Final = 1.05
HOST_W: Final = 345.0
LARGE_HOSTS_W: Final[Mapping[str, float]] = MappingProxyType(
    {"A100": 800.0, "H100": 1000.0, "H200": 1000.0, "B200": 1300.0}
)


def host(card: Gpu, gpus: int) -> tuple[float, float]:
    """The host's power over its cards': factor and watts; a 4-card server as in PALS."""
    return HOST_FACTOR, HOST_W if gpus <= SMALL_SERVER else LARGE_HOSTS_W[card.name]


@cache
def model_names() -> tuple[str, ...]:
    """Every model that the twin can serve, sorted."""
    return tuple(sorted({entry.model for entry in entries()} | set(STAND_INS)))


@cache
def entries() -> tuple[Entry, ...]:
    """What the coefficient file holds."""
    return load_entries(files(__package__).joinpath(FILE).read_text(encoding="utf-8"))


def load_entries(text: str) -> tuple[Entry, ...]:
    """Entries from a coefficient file's text."""
    return tuple(_entry(item) for item in json.loads(text)["entries"])


def _entry(item: Mapping[str, Any]) -> Entry:
    batches = item["batches"]
    return Entry(
        **{
            **item,
            "batches": (batches[0], batches[1]) if batches else None,
            "workload": Workload(**item["workload"]),
            "coefficients": Coefficients(**item["coefficients"]),
        }
    )


def dump_entries(found: Iterable[Entry], source: str) -> str:
    """The coefficient file's text: rounded to six digits, one entry after another."""
    listed = [_document(entry) for entry in found]
    return json.dumps({"source": source, "entries": listed}, indent=1) + "\n"


def _document(entry: Entry) -> dict[str, Any]:
    return {
        **asdict(entry),
        "coefficients": _rounded(entry.coefficients._asdict()),
        "workload": _rounded(asdict(entry.workload)),
        "residuals": _rounded(entry.residuals),
    }


def _rounded(numbers: Mapping[str, float]) -> dict[str, float]:
    return {name: float(f"{value:.6g}") for name, value in numbers.items()}
