"""Forms compete on what they have not seen; bands hold what they promise; ranges are kept."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from orchestrator.domain.errors import InvalidProfile
from orchestrator.models.choice import Judgement, conformal, splits
from orchestrator.models.fit import Recipe, fit
from orchestrator.models.forms import FORMS
from orchestrator.models.frontier import candidates, frontier
from orchestrator.models.points import FREE_MHZ, Axes, Points
from orchestrator.models.samples import COLUMNS, Samples, read_profile
from tests.plant_law import BATCHES, CAPS_W, Law, a_profile, profile_text

ALL = [*FORMS]
CHEAP = Recipe(forms=("physics", "interpolation"))


def noisy(seed: int, spread: float = 0.03) -> Samples:
    """The plain law with noise, two runs a cell."""
    frame = a_profile().frame
    twice = frame.loc[np.repeat(frame.index, 2)].reset_index(drop=True)
    draws = np.random.default_rng(seed).standard_normal((2, len(twice)))
    twice["tok_s"] *= np.exp(spread * draws[0])
    twice["power_w"] *= np.exp(spread * draws[1])
    return read_profile(twice.to_csv(index=False))


@pytest.mark.parametrize("form", ALL)
def test_every_form_is_deterministic_and_finite_inside_the_range(form: str) -> None:
    cells = Points.of(a_profile().frame).averaged()
    caps, batches = np.meshgrid([210.0, 333.0, 690.0], [16.0, 100.0, 256.0])
    asked = Points(caps.ravel(), batches.ravel(), np.full(9, FREE_MHZ), cells.gpus)
    for target in ("tok_s", "power_w", "itl_p95_ms"):
        first, again = (FORMS[form](cells, target, CHEAP)(asked) for _ in range(2))
        assert np.isfinite(first).all()
        assert (first == again).all()


@pytest.mark.parametrize("form", ALL)
def test_a_profile_of_one_cap_or_with_locked_clocks_is_learned_by_every_form(form: str) -> None:
    frame = a_profile().frame
    locked = frame.assign(clock_mhz=1200.0, tok_s=0.8 * frame["tok_s"], power_w=frame["power_w"])
    text = frame.to_csv(index=False) + locked.to_csv(index=False, header=False)
    cells = Points.of(read_profile(text).frame)
    ratio = FORMS[form](cells, "tok_s", CHEAP)(cells)
    assert ratio[cells.clock_mhz == 1200.0].mean() < ratio[cells.clock_mhz == FREE_MHZ].mean()
    alone = Points.of(frame[frame["cap_w"] == 700.0])
    assert np.isfinite(FORMS[form](alone, "tok_s", CHEAP)(alone)).all()


def test_unseen_runs_share_no_cell_with_what_was_learned_and_lie_in_its_range() -> None:
    runs = Points.of(noisy(1).frame)
    folds = list(splits(runs, CHEAP))
    assert len(folds) == CHEAP.folds + 3
    for seen, unseen in folds:
        known = set(zip(seen.cap_w, seen.batch, strict=True))
        assert known.isdisjoint(zip(unseen.cap_w, unseen.batch, strict=True))
        assert seen.axes.covers(unseen.cap_w, unseen.batch, unseen.clock_mhz).all()


def test_whole_caps_are_left_out_but_never_the_ends() -> None:
    whole = list(splits(Points.of(a_profile().frame), CHEAP))[CHEAP.folds :]
    gone = [set(CAPS_W) - set(seen.axes.caps_w) for seen, _ in whole]
    assert set.union(*gone) == set(CAPS_W[1:-1])


def test_the_choice_for_a_run_does_not_look_at_that_run() -> None:
    errors = {"a": np.array([0.0, 0.9]), "b": np.array([0.1, 0.1])}
    assert Judgement(errors).best() == "b"
    assert Judgement(errors).blind().tolist() == [0.1, 0.9]


@given(st.lists(st.floats(-1, 1), min_size=10, max_size=60))
def test_a_band_holds_the_share_of_the_errors_that_it_was_made_from(errors: list[float]) -> None:
    known = np.array(errors)
    assert np.mean(np.abs(known) <= conformal(known)) >= 0.9


def test_bands_hold_about_nine_of_ten_new_runs() -> None:
    held = []
    for seed in range(6):
        model = fit(noisy(seed), "llama-70b", CHEAP)
        fresh = noisy(seed + 5000).frame
        asked = model.predict(fresh["cap_w"], fresh["batch"])
        held += [
            (asked[target].low <= fresh[target]) & (fresh[target] <= asked[target].high)
            for target in ("tok_s", "power_w")
        ]
    assert 0.84 < np.mean(held) < 0.99


@settings(max_examples=5, deadline=None)
@given(st.integers(0, 1000), st.sampled_from(["forest", "gaussian", "physics+gaussian"]))
def test_whatever_form_wins_points_are_monotone_along_caps_and_inside_the_range(
    seed: int, form: str
) -> None:
    model = fit(noisy(seed, 0.08), "llama-70b", Recipe(forms=(form,)))
    for batch in BATCHES:
        row = [point for point in candidates(model) if point.batch == batch]
        for name in ("tok_s", "power_w"):
            values = [getattr(point, name) for point in row]
            assert values == sorted(values)
    for point in frontier(model).points:
        assert model.covers(point.cap_w, point.batch, point.clock_mhz)


def test_the_frontier_carries_the_bands() -> None:
    model = fit(noisy(1), "llama-70b", CHEAP)
    best = frontier(model)
    assert best.tok_s_band == pytest.approx(model.fits["tok_s"].band, abs=1e-4)
    assert best.power_band == pytest.approx(model.fits["power_w"].band, abs=1e-4)


def test_a_model_of_one_cap_is_valid_there_alone() -> None:
    rows = [
        f"chat,H100,8,700,{batch},{Law().power_w(700, batch)},{Law().tok_s(700, batch)},,,"
        for batch in (8, 16, 32, 64, 128, 256)
    ]
    model = fit(read_profile("\n".join([",".join(COLUMNS), *rows])), "chat", CHEAP)
    assert model.range()["cap_w"] == [700.0, 700.0]
    assert not model.covers(600.0, 64)
    assert {point.cap_w for point in candidates(model)} == {700.0}


def test_what_cannot_be_judged_is_refused() -> None:
    rows = profile_text().splitlines()
    with pytest.raises(InvalidProfile, match="too few caps and batches to judge"):
        fit(read_profile("\n".join(rows[:2]), partial=True), "llama-70b", CHEAP)


def test_many_caps_and_clocks_stay_within_what_an_agent_is_sent() -> None:
    model = fit(a_profile(), "llama-70b", CHEAP)
    wide = replace(
        model, axes=Axes(tuple(np.linspace(200, 700, 90)), model.axes.batches, (800.0, FREE_MHZ))
    )
    assert len(candidates(wide)) <= 2000
