"""Telemetry becomes runs only where it is evidence, and a refit replaces only what it beats."""

from dataclasses import replace
from datetime import timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from orchestrator.domain.frontier import Candidate
from orchestrator.domain.surface import Surface, surface_of
from orchestrator.models.fit import FittedModel, Recipe, fit
from orchestrator.models.frontier import candidates
from orchestrator.models.points import Axes
from orchestrator.models.refit import Refit, refit
from orchestrator.models.telemetry import runs_of
from tests.plant_law import CARDS, Law, a_profile, an_hour, reports
from tests.site_samples import NOON

AXES = Axes((200.0, 700.0), (16.0, 64.0, 256.0), (float("inf"),))
RECIPE = Recipe(forms=("physics",))


@pytest.fixture(scope="module")
def base() -> FittedModel:
    return fit(a_profile(), "llama-70b", RECIPE)


@pytest.fixture(scope="module")
def in_use(base: FittedModel) -> Surface:
    return surface_of(candidates(base))


def test_half_a_minute_of_a_full_node_is_a_run() -> None:
    (run,) = runs_of(reports("n", NOON, 403.0, Law()), CARDS, AXES)
    assert (run.cap_w, run.batch, run.clock_mhz) == (405.0, 256, None)
    assert run.tok_s == pytest.approx(Law().tok_s(403.0, 256))
    assert run.power_w == pytest.approx(403.0 * CARDS)
    assert run.at == NOON + timedelta(seconds=5)


@pytest.mark.parametrize(
    "change",
    [
        {"waiting": 0},
        {"running": 200, "batch_limit": 256},
        {"running": 100, "power_w": 1000.0},
        {"tok_s": None},
        {"enforced_w": None},
        {"enforced_w": 150.0 * CARDS},
        {"clock_mhz": 1200.0},
    ],
)
def test_what_is_not_full_or_not_in_the_range_is_no_run(change: dict[str, float]) -> None:
    said = [replace(sample, **change) for sample in reports("n", NOON, 400.0, Law())]  # type: ignore[arg-type]
    assert runs_of(said, CARDS, AXES) == []


def test_a_change_of_the_limit_and_a_gap_begin_anew() -> None:
    early, late = reports("n", NOON, 400.0, Law()), reports("n", NOON, 500.0, Law(), seconds=90)
    assert [run.cap_w for run in runs_of([*early[:20], *late[20:]], CARDS, AXES)] == [
        400.0,
        500.0,
        500.0,
    ]
    assert runs_of([*early[:10], *early[30:]], CARDS, AXES) == []


def refitted(base: FittedModel, in_use: Surface, older: Law, newer: Law) -> Refit | None:
    runs = runs_of(an_hour("n", NOON, older, newer), CARDS, base.axes)
    return refit(a_profile(), runs, in_use, base, RECIPE)


def test_a_lasting_drift_gives_a_better_model(base: FittedModel, in_use: Surface) -> None:
    found = refitted(base, in_use, Law(tok=0.85), Law(tok=0.85))
    assert found is not None
    assert found.refused is None
    assert found.before.throughput_mape > 0.1
    assert found.after.throughput_mape < 0.02
    assert found.model.axes.ends() == base.axes.ends()


def test_a_drift_that_went_away_is_refused_with_figures(base: FittedModel, in_use: Surface) -> None:
    found = refitted(base, in_use, Law(tok=0.8), Law())
    assert found is not None
    assert found.refused is not None
    assert found.refused.startswith("not better on 12 held-out runs: throughput 19.")


def test_too_few_runs_are_no_refit(base: FittedModel, in_use: Surface) -> None:
    runs = runs_of(reports("n", NOON, 400.0, Law(tok=0.8)), CARDS, base.axes)
    assert refit(a_profile(), runs, in_use, base, RECIPE) is None


factors = st.floats(0.6, 1.4)


@settings(max_examples=6, deadline=None)
@given(factors, factors)
def test_what_is_accepted_is_better_on_runs_that_it_has_not_seen(
    older: float, newer: float
) -> None:
    base = fit(a_profile(), "llama-70b", RECIPE)
    found = refitted(base, surface_of(candidates(base)), Law(tok=older), Law(tok=newer))
    assert found is not None
    assert (found.refused is None) == (found.after.mean < found.before.mean)


def test_a_surface_that_knows_none_of_the_runs_tries_nothing(base: FittedModel) -> None:
    elsewhere = surface_of([Candidate(100.0, 1, 100.0, 10.0)])
    assert refitted(base, elsewhere, Law(tok=0.85), Law(tok=0.85)) is None
