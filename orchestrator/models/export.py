"""Fits, frontiers and plans as plain documents, for files and for the command line."""

import json
from collections.abc import Sequence
from dataclasses import asdict
from math import isfinite
from pathlib import Path
from typing import Any, Final

from orchestrator.domain.errors import ConfigurationError, InvalidInput
from orchestrator.domain.frontier import Candidate, Frontier
from orchestrator.models.fit import FittedModel
from orchestrator.models.frontier import candidates, frontier
from orchestrator.models.planner import lattice, plan
from orchestrator.models.points import FREE_MHZ, Points
from orchestrator.models.samples import read_profile

MOST_BATCH: Final = 65_536
MOST_CAP_W: Final = 10_000


def fit_document(model: FittedModel) -> dict[str, Any]:
    """What is recorded of one fit, without its points."""
    return {
        "deployment": model.deployment,
        "gpu_model": model.gpu_model,
        "gpus": model.gpus,
        "version": model.version,
        "samples_sha256": model.samples_sha256,
        "recipe": asdict(model.recipe),
        **model.metrics(),
    }


def frontier_document(found: Frontier) -> dict[str, Any]:
    """A frontier with tokens per joule beside each point."""
    return {**asdict(found), "points": [_point(point) for point in found.points]}


def write_fits(models: Sequence[FittedModel], folder: Path) -> None:
    """One JSON file a deployment: the fit, its frontier and every operating point.

    Raises ConfigurationError when the folder cannot be written.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for model in models:
            document = {
                **fit_document(model),
                "frontier": frontier_document(frontier(model)),
                "candidates": [_point(point) for point in candidates(model)],
            }
            text = json.dumps(document, indent=2, allow_nan=False) + "\n"
            (folder / f"{model.deployment}.json").write_text(text, encoding="utf-8")
    except OSError as error:
        raise ConfigurationError(f"cannot write to {folder}: {error.strerror}") from error


def planned_points(
    count: int,
    profile: Path | None,
    caps_w: tuple[float, float] | None,
    batches: tuple[float, float] | None,
    clocks_mhz: Sequence[float] = (),
) -> list[dict[str, float | None]]:
    """The next points to measure, as rows for people; ends come from the profile where not given.

    Raises InvalidInput when neither says how far caps and batches reach.
    """
    known = _runs(profile) if profile is not None else None
    if known is not None:
        caps_w = caps_w or (float(known.cap_w.min()), float(known.cap_w.max()))
        batches = batches or (float(known.batch.min()), float(known.batch.max()))
    if caps_w is None or batches is None:
        raise InvalidInput("without a profile give --caps LOW,HIGH and --batches LOW,HIGH")
    if any(batch != round(batch) or batch > MOST_BATCH for batch in batches):
        raise InvalidInput(f"--batches takes whole numbers of at most {MOST_BATCH:,}")
    if caps_w[1] > MOST_CAP_W:
        raise InvalidInput(f"--caps takes watts a card, at most {MOST_CAP_W:,}")
    ends = round(batches[0]), round(batches[1])
    gpus = known.gpus if known else 1
    choices = lattice(caps_w, ends, gpus, clocks_mhz=(*sorted(clocks_mhz), FREE_MHZ))
    return [
        {
            "cap_w": round(float(choices.cap_w[index]), 1),
            "batch": round(float(choices.batch[index])),
            "clock_mhz": _locked(float(choices.clock_mhz[index])),
        }
        for index in plan(choices, known, count)
    ]


def _runs(profile: Path) -> Points:
    samples = read_profile(profile, partial=True)
    if len(samples.deployments()) > 1:
        raise InvalidInput(f"plan for one deployment; {profile} has several")
    return Points.of(samples.frame)


def _locked(clock_mhz: float) -> float | None:
    return clock_mhz if isfinite(clock_mhz) else None


def _point(point: Candidate) -> dict[str, Any]:
    return {**asdict(point), "tok_j": round(point.tok_s / point.power_w, 4)}
