"""The allocation benchmark on a facility of 64 GPUs: what its rows say, and that it agrees."""

import sys

import pytest

from orchestrator.bench.allocation import nvpax
from orchestrator.bench.allocation.instances import FANS, Shape, columns, document
from orchestrator.bench.allocation.measure import fair_rows, gaps, throughput_rows
from orchestrator.domain.allocation.policies.assembly import assemble, read_instance
from orchestrator.domain.allocation.policies.solve import solve
from orchestrator.domain.errors import ConfigurationError


@pytest.fixture(autouse=True)
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(FANS, 64, (2, 2, 2, 8))


@pytest.mark.parametrize("tenants", [0, 3])
@pytest.mark.parametrize("uneven", [False, True])
def test_fair_equals_the_references_objective_and_beats_what_needs_no_solver(
    tenants: int, uneven: bool
) -> None:
    ours, reference, *simple = fair_rows(Shape(64, tenants, uneven), 20.0, seed=2)
    assert (ours.method, ours.levels, ours.policy) == ("ballast", 5, "fair")
    assert ours.objective_gap == pytest.approx(0.0, abs=1e-5)
    assert ours.satisfaction == pytest.approx(reference.satisfaction, abs=1e-4)
    assert all((row.objective_gap or 0.0) >= -1e-5 for row in simple)
    assert max(row.excess_w or 0.0 for row in (ours, *simple)) < 1e-6


def test_throughput_lies_under_the_programmes_bound() -> None:
    ours, programme, *_ = throughput_rows(Shape(64, 0, uneven=True), 20.0, seed=2, check=True)
    assert programme.method == "LP (HiGHS)"
    assert 0 <= (ours.objective_gap or 0.0) < 0.05


def test_a_case_is_the_same_from_its_file_and_from_its_arrays() -> None:
    found = columns(Shape(64, 3, uneven=True), "throughput", seed=5)
    assert solve(read_instance(document(found))) == solve(assemble(found))


def test_gaps_are_relative_and_never_negative(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(FANS, 1_000, (5, 5, 5, 8))
    assert all(0 <= gap < 0.01 for gap in gaps(2, seed=1))


def test_without_the_reference_solvers_it_says_how_to_install_them(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    nvpax.solvers.cache_clear()
    monkeypatch.setitem(sys.modules, "clarabel", None)
    with pytest.raises(ConfigurationError, match=r"pip install 'ballast-power\[bench\]'"):
        nvpax.solvers()
