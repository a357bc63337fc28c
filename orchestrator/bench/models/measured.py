"""Fits of the public measurements of the ML.ENERGY benchmark v3: the batch axis on real hosts."""

from collections.abc import Mapping
from dataclasses import dataclass
from math import log
from pathlib import Path
from typing import Any, Final

import numpy as np
import pandas as pd

from orchestrator.bench.models.judge import JUDGED, Row, pooled, row_of, same_host
from orchestrator.models.fit import Recipe, fit
from orchestrator.models.mlenergy import read_mlenergy
from orchestrator.models.points import Points
from orchestrator.models.samples import MIN_BATCHES, Samples, read_profile

DROP: Final = 0.07
"""Power does not fall by more while the batch grows, on one host."""


@dataclass(frozen=True, slots=True)
class Repeat:
    """One configuration measured twice; differences as fractions."""

    deployment: str
    batch: int
    power: float
    throughput: float


def measure(data: Path, recipe: Recipe) -> dict[str, Any]:
    """Cross-validated errors by deployment, on the same host and on hosts that were held out.

    The table names no hosts. Rows of a deployment are taken for another host where a batch comes
    again, or where power falls although the batch grows; `whole` gives the errors without that.
    """
    rows = read_mlenergy(data)
    same: list[Row] = []
    whole: list[Row] = []
    held_out: list[Row] = []
    for deployment, own in rows.groupby("deployment"):
        name, hosts = str(deployment), split_hosts(own)
        judged = [_same(name, host, recipe) for host in hosts]
        same += [row for row in judged if row is not None]
        unsplit = judged[0] if len(hosts) == 1 else _same(name, own, recipe)
        whole += [unsplit] if unsplit is not None else []
        held_out += _held_out(name, hosts, recipe)
    return _document(rows, same, whole, held_out)


def split_hosts(rows: pd.DataFrame) -> list[pd.DataFrame]:
    """The sweeps of one deployment that look like one host each, in the order of the table.

    A row continues the sweep whose last power is nearest, among those with a smaller batch and no
    clearly higher power; else it begins one.
    """
    sweeps: list[list[int]] = []
    batch, power_w = rows["batch"].to_numpy(), rows["power_w"].to_numpy(float)
    for row in range(len(rows)):
        open_sweeps = [
            sweep
            for sweep in sweeps
            if batch[sweep[-1]] < batch[row] and power_w[row] >= (1 - DROP) * power_w[sweep[-1]]
        ]
        if open_sweeps:
            best = min(open_sweeps, key=lambda s: abs(log(power_w[row] / power_w[s[-1]])))
            best.append(row)
        else:
            sweeps.append([row])
    return [rows.iloc[sweep] for sweep in sweeps]


def repeats(rows: pd.DataFrame) -> list[Repeat]:
    """Configurations that were measured more than once: what one run says of another host."""
    found = []
    for (deployment, _), again in rows.groupby(["deployment", "batch"]):
        for index in range(1, len(again)):
            first, other = again.iloc[index - 1], again.iloc[index]
            found.append(
                Repeat(
                    deployment=str(deployment),
                    batch=int(other["batch"]),
                    power=abs(other["power_w"] / first["power_w"] - 1.0),
                    throughput=abs(other["tok_s"] / first["tok_s"] - 1.0),
                )
            )
    return found


def _same(deployment: str, rows: pd.DataFrame, recipe: Recipe) -> Row | None:
    if rows["batch"].nunique() < MIN_BATCHES:
        return None
    return same_host(deployment, Points.of(rows.reset_index(drop=True)), recipe)


def _held_out(deployment: str, hosts: list[pd.DataFrame], recipe: Recipe) -> list[Row]:
    """Every host predicted from each other one that was measured at enough batches."""
    found = []
    for index, trained in enumerate(hosts):
        others = [host for other, host in enumerate(hosts) if other != index]
        if trained["batch"].nunique() < MIN_BATCHES or not others:
            continue
        row = _across(deployment, _samples(trained), pd.concat(others), recipe)
        found += [row] if row is not None else []
    return found


def _across(deployment: str, train: Samples, test: pd.DataFrame, recipe: Recipe) -> Row | None:
    model = fit(train, deployment, recipe)
    asked = model.predict(test["cap_w"], test["batch"])
    if not asked.inside.any():
        return None
    errors = {
        target: np.log(asked[target].value / test[target].to_numpy(float))[asked.inside]
        for target in JUDGED
    }
    forms = {target: model.fits[target].form for target in JUDGED}
    return row_of(deployment, "held out", errors, forms, int((~asked.inside).sum()))


def _samples(rows: pd.DataFrame) -> Samples:
    return read_profile(rows.to_csv(index=False))


def _document(
    rows: pd.DataFrame, same: list[Row], whole: list[Row], held_out: list[Row]
) -> dict[str, Any]:
    known = repeats(rows)
    return {
        "source": "ML.ENERGY benchmark v3, batch axis at the default caps",
        "simulated": False,
        "rows": [*same, *held_out],
        "overall": {
            "same_host": pooled(same),
            "same_host_unsplit": pooled(whole),
            "held_out_hosts": pooled(held_out),
        },
        "floor": _floor(known),
        "repeats": known,
    }


def _floor(known: list[Repeat]) -> Mapping[str, float | int | None]:
    """The median difference between two runs of one configuration: nothing below it is claimed."""
    if not known:
        return {"power": None, "throughput": None, "pairs": 0}
    return {
        "power": float(np.median([repeat.power for repeat in known])),
        "throughput": float(np.median([repeat.throughput for repeat in known])),
        "pairs": len(known),
    }
