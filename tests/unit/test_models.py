"""Fits that can be repeated to the byte, with errors and ranges that mean what they say."""

from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest

from integrations.twin.deployment import deployment_id
from integrations.twin.node import Deployment, steady
from integrations.twin.sweep import (
    default_batches,
    default_caps_w,
    profile_samples,
    write_profile_csv,
)
from orchestrator.domain.errors import InvalidProfile
from orchestrator.domain.frontier import Candidate
from orchestrator.models.fit import FittedModel, Recipe, fit, version_of
from orchestrator.models.forms import FORMS
from orchestrator.models.frontier import candidates, frontier
from orchestrator.models.samples import Samples, read_profile

GPU, MODEL, GPUS = "H100", "qwen3-30b-a3b", 8
DEPLOYMENT = deployment_id(MODEL, GPU, GPUS)


def profile(path: Path, seed: int = 1) -> Samples:
    rows = profile_samples(
        GPU,
        MODEL,
        GPUS,
        caps_w=default_caps_w(GPU),
        batches=default_batches(MODEL, GPUS),
        repeats=2,
        seed=seed,
    )
    write_profile_csv(path, rows)
    return read_profile(path)


@pytest.fixture(scope="module")
def samples(tmp_path_factory: pytest.TempPathFactory) -> Samples:
    return profile(tmp_path_factory.mktemp("profile") / "profile.csv")


@pytest.fixture(scope="module")
def model(samples: Samples) -> FittedModel:
    return fit(samples, DEPLOYMENT)


def truth_tok_s(point: Candidate) -> float:
    return steady(Deployment(GPU, MODEL, GPUS), point.cap_w, point.batch).tok_s


def test_unseen_cells_are_predicted_within_the_goals(model: FittedModel) -> None:
    assert model.mape()["tok_s"] < 0.05
    assert model.mape()["power_w"] < 0.035


def test_stored_samples_and_recipe_give_the_same_frontier_to_the_byte(
    samples: Samples, model: FittedModel
) -> None:
    again = fit(read_profile(samples.csv()), DEPLOYMENT, Recipe())
    assert repr(frontier(again)) == repr(frontier(model))
    assert again.version == model.version


def test_other_samples_or_another_recipe_are_another_version(
    samples: Samples, model: FittedModel, tmp_path: Path
) -> None:
    reseeded = version_of(samples, Recipe(seed=1))
    measured_again = version_of(profile(tmp_path / "again.csv", seed=2), Recipe())
    assert len({model.version, reseeded, measured_again}) == 3


def test_the_error_band_holds_about_nine_of_ten_runs_measured_anew(
    model: FittedModel, tmp_path: Path
) -> None:
    fresh = profile(tmp_path / "fresh.csv", seed=7).frame
    for target, band in model.predict(fresh["cap_w"], fresh["batch"]).bands.items():
        inside = (band.low <= fresh[target]) & (fresh[target] <= band.high)
        assert inside.mean() > 0.85
        assert np.all(band.low <= band.value)
        assert np.all(band.value <= band.high)


def test_the_model_knows_where_it_was_measured(model: FittedModel) -> None:
    (low, *_, high), batches = model.axes.caps_w, model.axes.batches
    assert model.covers(low, batches[0])
    assert not model.covers(high + 1, batches[0])
    assert not model.covers(low, batches[-1] + 1)
    assert not model.covers(low, batches[0], clock_mhz=1200)


def test_a_prediction_outside_the_range_is_marked_and_is_no_number(model: FittedModel) -> None:
    (low, *_, high), batch = model.axes.caps_w, model.axes.batches[0]
    found = model.predict([low - 1, low, high + 1], [batch] * 3)
    assert found.inside.tolist() == [False, True, False]
    assert np.isnan(found["tok_s"].value).tolist() == [True, False, True]


def test_the_form_with_the_lowest_error_wins_and_every_contender_is_recorded(
    model: FittedModel,
) -> None:
    assert set(model.fits["tok_s"].errors) == set(model.fits["power_w"].errors) == set(FORMS)
    for target, fit_ in model.fits.items():
        assert set(fit_.errors) == set(model.recipe.contenders(target))
        assert fit_.errors[fit_.form] == min(fit_.errors.values()) == fit_.mape
        assert model.metrics()["contenders"][target] == fit_.errors


def test_the_frontier_rises_in_enough_steps_and_is_close_to_the_plant(model: FittedModel) -> None:
    points = frontier(model).points
    assert len(points) >= 8
    for left, right in pairwise(points):
        assert left.cap_w < right.cap_w
        assert left.tok_s < right.tok_s
    errors = [abs(point.tok_s / truth_tok_s(point) - 1) for point in points]
    assert max(errors) < 0.08
    assert np.mean(errors) < 0.03


def test_candidates_are_monotone_along_the_caps_and_never_above_them(model: FittedModel) -> None:
    for batch in model.axes.batches:
        row = [point for point in candidates(model) if point.batch == batch]
        assert {point.cap_w for point in row} >= {*model.axes.caps_w, 225.0, 250.0, 275.0}
        for left, right in pairwise(row):
            assert left.tok_s <= right.tok_s
            assert left.power_w <= right.power_w <= right.cap_w * GPUS
            assert left.itl_p95_ms >= right.itl_p95_ms  # type: ignore[operator]


def test_a_latency_objective_costs_throughput_and_one_out_of_reach_is_refused(
    model: FittedModel,
) -> None:
    free = frontier(model)
    limit_ms = free.points[-1].itl_p95_ms
    assert limit_ms is not None
    held = frontier(model, itl_limit_ms=limit_ms / 2)
    assert all(point.itl_p95_ms <= limit_ms / 2 for point in held.points)  # type: ignore[operator]
    assert held.max_tok_s() < free.max_tok_s()
    with pytest.raises(InvalidProfile, match="smaller batches"):
        frontier(model, itl_limit_ms=0.001)


def test_without_latencies_there_are_still_watts_and_tokens(samples: Samples) -> None:
    lines = [line.rsplit(",", 3)[0] for line in samples.csv().splitlines()]
    blind = fit(read_profile("\n".join(lines)), DEPLOYMENT)
    assert set(blind.mape()) == {"tok_s", "power_w"}
    assert frontier(blind, itl_limit_ms=1.0).points[0].itl_p95_ms is None


@pytest.mark.parametrize(
    "bad",
    [{"trees": 0}, {"min_samples_leaf": 0}, {"forms": ("oracle",)}, {"forms": ()}, {"folds": 1}],
)
def test_a_recipe_that_cannot_be_fitted_is_refused(bad: dict[str, int]) -> None:
    with pytest.raises(InvalidProfile):
        Recipe(**bad)  # type: ignore[arg-type]
