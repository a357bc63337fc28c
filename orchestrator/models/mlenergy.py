"""Reads the public table of the ML.ENERGY benchmark v3 (Apache-2.0) as a profile.

The table has no cap axis: its runs were taken at the default power limit of the card, so a model
fitted to it is valid at that cap alone. A deployment is one model, task, card and number of cards.
"""

import re
from pathlib import Path
from typing import Final

import pandas as pd

from orchestrator.domain.errors import InvalidProfile
from orchestrator.models.samples import COLUMNS, MIN_BATCHES

DEFAULT_CAP_W: Final = {"A100": 400.0, "H100": 700.0, "H200": 700.0, "B200": 1000.0}
"""Default limits of the SXM cards, from NVIDIA's data sheets."""
NAMES: Final = {
    "gpu_model": "gpu_model",
    "num_gpus": "gpus",
    "max_num_seqs": "batch",
    "avg_power_watts": "power_w",
    "output_throughput_tokens_per_sec": "tok_s",
    "p95_itl_ms": "itl_p95_ms",
    "p99_itl_ms": "itl_p99_ms",
}
KEY: Final = ("model_id", "task", "gpu_model", "num_gpus")
PARALLEL: Final = ("tensor_parallel", "expert_parallel", "data_parallel", "weight_precision")


def read_mlenergy(path: Path) -> pd.DataFrame:
    """The table as rows with the columns of a profile, in the order of the file.

    Raises InvalidProfile when a column is missing, or a card's default limit is not known.
    """
    table = _table(path)
    unknown = sorted(set(table["gpu_model"]) - set(DEFAULT_CAP_W))
    if unknown:
        raise InvalidProfile(
            f"the default limit of {', '.join(map(str, unknown))} is not known; known are "
            f"{', '.join(DEFAULT_CAP_W)}"
        )
    rows = table.rename(columns=NAMES)[list(NAMES.values())]
    rows["deployment"] = _deployments(table)
    rows["cap_w"] = table["gpu_model"].map(DEFAULT_CAP_W)
    rows["clock_mhz"] = float("nan")
    return rows[list(COLUMNS)]


def long_enough(rows: pd.DataFrame) -> pd.DataFrame:
    """The rows of deployments that were measured at enough batches for a fit."""
    batches = rows.groupby("deployment")["batch"].transform("nunique")
    return rows[batches >= MIN_BATCHES].reset_index(drop=True)


def _table(path: Path) -> pd.DataFrame:
    try:
        table = pd.read_csv(path)
    except (OSError, ValueError) as error:
        raise InvalidProfile(f"cannot read {path}: {error}") from error
    missing = [name for name in (*NAMES, *KEY, *PARALLEL) if name not in table.columns]
    if missing:
        raise InvalidProfile(f"{path} is no ML.ENERGY table: it has no {', '.join(missing)}")
    return table


def _deployments(table: pd.DataFrame) -> pd.Series:
    """Ids that keep different ways of running one model apart."""
    ways = table.groupby(list(KEY))[list(PARALLEL)].nunique().max(axis=1)
    if ways.max() > 1:
        raise InvalidProfile(f"{ways.idxmax()} was run in several ways; split the table")
    return table.apply(
        lambda row: _slug(
            f"{row['model_id'].split('/')[-1]}-{row['task']}-{row['gpu_model']}x{row['num_gpus']}"
        ),
        axis=1,
    )


def _slug(name: str) -> str:
    return re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-")[:63]
