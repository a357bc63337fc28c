"""Measured runs that the twin is fitted to: the table of the ML.ENERGY benchmark v3."""

import csv
import re
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from integrations.twin.gpus import GPUS
from integrations.twin.workload import Workload
from orchestrator.domain.errors import InvalidInput

LEAST_BATCHES: Final = 5
FULL: Final = 0.95
"""A run whose mean batch lies below this share of its limit did not have the memory for it."""

PROMPTS: Final[Mapping[str, tuple[float, float]]] = {
    "lm-arena-chat": (200.0, 1.25),
    "gpqa": (250.0, 0.5),
    "sourcegraph-fim": (1500.0, 0.7),
}
"""Mean and sigma of a task's prompts in tokens, in order of preference; the table lacks them.

Tasks with images and video are left out: there the cards wait for the host's processors.
"""

OUTPUT_SIGMA: Final = 0.7

_SUFFIX: Final = re.compile(r"-(instruct|it|2507|0528|bf16)(?=-|$)")


@dataclass(frozen=True, slots=True)
class Run:
    """One measured run of a replica.

    limit: most requests at once; batch: how many ran on average; power_w of a card; itl_ms by
    quantile.
    """

    limit: int
    batch: float
    power_w: float
    tok_s: float
    itl_ms: Mapping[float, float]

    @property
    def step_ms(self) -> float:
        """Mean time between two tokens of a request."""
        return 1000.0 * self.batch / self.tok_s


@dataclass(frozen=True, slots=True)
class Group:
    """All runs of one model on one replica with one task, by rising batch.

    active_billions: parameters that a token passes through. kind: dense, moe or hybrid.
    """

    gpu: str
    model: str
    gpus: int
    task: str
    kind: str
    active_billions: float
    output_mean: float
    runs: tuple[Run, ...]

    @property
    def workload(self) -> Workload:
        """Its requests; prompts as the task's."""
        return Workload(*PROMPTS[self.task], self.output_mean, OUTPUT_SIGMA)


def short_name(model_id: str) -> str:
    """`Qwen/Qwen3-30B-A3B-Instruct-2507` is `qwen3-30b-a3b` here."""
    name = model_id.rpartition("/")[2].lower().removeprefix("nvidia-")
    return _SUFFIX.sub("", name)


def read_groups(path: Path) -> tuple[Group, ...]:
    """Groups of the table with enough batches, one task for each card, model and size.

    InvalidInput says which column is missing or which line is wrong.
    """
    rows: dict[tuple[str, str, int, str], list[dict[str, str]]] = defaultdict(list)
    try:
        with path.open(newline="", encoding="utf-8-sig") as file:
            for row in csv.DictReader(file):
                rows[_key(row)].append(row)
        groups = [_group(*key, found) for key, found in sorted(rows.items())]
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise InvalidInput(f"cannot read {path}: {error}") from error
    except (KeyError, TypeError, ValueError) as error:
        raise InvalidInput(f"{path} is not the ML.ENERGY v3 table: {error}") from error
    return _preferred([*ANCHORS, *groups])


def _key(row: Mapping[str, str]) -> tuple[str, str, int, str]:
    return row["gpu_model"], short_name(row["model_id"]), int(row["num_gpus"]), row["task"]


def _group(gpu: str, model: str, gpus: int, task: str, rows: Sequence[Mapping[str, str]]) -> Group:
    runs = sorted((_run(row, gpus) for row in rows if _held(row)), key=lambda run: run.batch)
    outputs = [float(row["avg_output_len"]) for row in rows]
    return Group(
        gpu,
        model,
        gpus,
        task,
        _KINDS[rows[0]["architecture"]],
        float(rows[0]["activated_params_billions"]),
        sum(outputs) / len(outputs),
        tuple(runs),
    )


_KINDS: Final = {
    "Dense Transformer": "dense",
    "MoE": "moe",
    "Mamba-Transformer Hybrid": "hybrid",
}


def _held(row: Mapping[str, str]) -> bool:
    return float(row["avg_batch_size"]) >= FULL * float(row["max_num_seqs"])


def _run(row: Mapping[str, str], gpus: int) -> Run:
    quantiles = {
        0.5: "median_itl_ms",
        0.9: "p90_itl_ms",
        0.95: "p95_itl_ms",
        0.99: "p99_itl_ms",
    }
    return Run(
        int(row["max_num_seqs"]),
        float(row["avg_batch_size"]),
        float(row["avg_power_watts"]) / gpus,
        float(row["output_throughput_tokens_per_sec"]),
        {q: float(row[column]) for q, column in quantiles.items()},
    )


def _preferred(groups: Sequence[Group]) -> tuple[Group, ...]:
    best: dict[tuple[str, str, int], Group] = {}
    order = list(PROMPTS)
    for group in groups:
        key = (group.gpu, group.model, group.gpus)
        enough = len(group.runs) >= LEAST_BATCHES or group in ANCHORS
        if group.gpu not in GPUS or group.task not in order or not enough:
            continue
        if key not in best or order.index(group.task) < order.index(best[key].task):
            best[key] = group
    return tuple(best[key] for key in sorted(best))


ANCHORS: Final = (
    Group(
        "H100",
        "llama-3.1-8b",
        1,
        "lm-arena-chat",
        "dense",
        8.0,
        396.0,
        tuple(
            Run(batch, float(batch), power_w, tok_s, {0.99: p99_ms})
            for batch, power_w, tok_s, p99_ms in (
                (8, 486.0, 1070.0, 11.0),
                (64, 610.0, 5147.0, 26.0),
                (256, 691.0, 9010.0, 60.0),
                (512, 688.0, 9806.0, 107.0),
            )
        ),
    ),
)
"""Runs that the benchmark publishes on its pages and that its table leaves out."""
