"""nvPAX's formulation (arXiv 2605.01837) written plainly: Clarabel for the QP, HiGHS for the LPs.

A reference for the benchmark, not for the product. Both solvers get sparse matrices through
their native interfaces; building these is timed apart from solving.
"""

import os
import sys
from dataclasses import dataclass
from functools import cache
from time import perf_counter
from typing import Any, Final

import numpy as np
from scipy import sparse

from orchestrator.domain.allocation.policies.instance import Instance
from orchestrator.domain.allocation.tree import Floats
from orchestrator.domain.errors import ConfigurationError

PULL: Final = 1e-6
UNIT_W: Final = 1e3
"""The QP is posed in kW: in watts Clarabel takes 100,000 GPUs for an unbounded problem."""
INSTALL: Final = "the reference solvers are missing: pip install 'ballast-power[bench]'"


@dataclass(frozen=True, slots=True)
class Reference:
    """What the reference found; watts None where it ran out of time.

    status: of the QP, in Clarabel's words. phase_one_ms, surplus_ms: solving, set-up apart.
    rounds: linear programmes solved.
    """

    watts: Floats | None
    phase_one_w: Floats | None
    status: str
    setup_ms: float
    phase_one_ms: float | None
    surplus_ms: float | None
    rounds: int


@cache
def solvers() -> tuple[Any, Any]:
    """(clarabel, highspy). Raises ConfigurationError, saying how to install them."""
    try:
        import clarabel
        import highspy
    except ImportError as error:
        raise ConfigurationError(INSTALL) from error
    _greet(highspy)
    return clarabel, highspy


def _greet(highspy: Any) -> None:
    """Let the first instance print its banner to standard error: output may be JSON."""
    sys.stdout.flush()
    kept = os.dup(1)
    try:
        os.dup2(2, 1)
        highspy.Highs()
    finally:
        os.dup2(kept, 1)
        os.close(kept)


def solve(instance: Instance, limit_s: float) -> Reference:
    """All three phases; each kind of solver may take limit_s."""
    started = perf_counter()
    rows, least, most = sums(instance)
    setup_ms = 1e3 * (perf_counter() - started)
    watts, status, built_ms, solve_ms = _phase_one(instance, rows, least, most, limit_s)
    setup_ms += built_ms
    if watts is None:
        return Reference(None, None, status, setup_ms, None, None, 0)
    surplus = _Surplus(rows, most, instance.max_w, limit_s)
    final = surplus.give(watts, instance.active)
    if final is not None:
        final = surplus.give(final, ~instance.active)
    return Reference(
        watts=final,
        phase_one_w=watts,
        status=status,
        setup_ms=setup_ms + surplus.setup_ms,
        phase_one_ms=solve_ms,
        surplus_ms=surplus.solve_ms if final is not None else None,
        rounds=surplus.rounds,
    )


def sums(instance: Instance) -> tuple[Any, Floats, Floats]:
    """(matrix, least, most) of every limit and tenant over the devices in the nest's order."""
    nest, rows = instance.nest, instance.rows
    begin, end = nest.own[:-1], nest.own[nest.last + 1]
    counts = np.concatenate([end - begin, np.diff(rows.start)])
    columns = np.concatenate(
        [*(np.arange(a, b) for a, b in zip(begin, end, strict=True)), rows.device]
    )
    pointer = np.concatenate([[0], np.cumsum(counts)])
    shape = (len(counts), len(instance.min_w))
    matrix = sparse.csr_matrix((np.ones(len(columns)), columns, pointer), shape=shape)
    least = np.concatenate([np.zeros(len(begin)), rows.least_w])
    most = np.concatenate([nest.room_w, rows.most_w])
    finite = np.isfinite(most)
    return matrix[finite], least[finite], most[finite]


def _phase_one(
    instance: Instance, rows: Any, least: Floats, most: Floats, limit_s: float
) -> tuple[Floats | None, str, float, float]:
    """Requests by falling priority: (watts, status, set-up ms, solve ms)."""
    low, high = instance.min_w.copy(), instance.max_w.copy()
    built_ms = solve_ms = 0.0
    watts, status = low, "Solved"
    for priority in sorted(set(instance.priority[instance.active].tolist()), reverse=True):
        asking = instance.active & (instance.priority == priority)
        wish = np.where(asking, instance.request_w, instance.min_w)
        pull = np.where(asking, 1.0, PULL)
        started = perf_counter()
        solver = _quadratic((rows, least, most), low, high, wish, pull, limit_s)
        built = perf_counter()
        found = solver.solve()
        solve_ms += 1e3 * (perf_counter() - built)
        built_ms += 1e3 * (built - started)
        status = str(found.status)
        if "Solved" not in status:
            return None, status, built_ms, solve_ms
        watts = np.clip(UNIT_W * np.array(found.x), low, high)
        low, high = np.where(asking, watts, low), np.where(asking, watts, high)
    return watts, status, built_ms, solve_ms


def _quadratic(
    sums: tuple[Any, Floats, Floats], low: Floats, high: Floats, wish: Floats, pull: Floats,
    limit_s: float,
) -> Any:  # fmt: skip
    clarabel, _ = solvers()
    rows, least, most = sums[0], sums[1] / UNIT_W, sums[2] / UNIT_W
    low, high, wish = low / UNIT_W, high / UNIT_W, wish / UNIT_W
    bounded = least > 0
    one = sparse.identity(len(wish), format="csr")
    stacked = sparse.vstack([rows, -rows[bounded], one, -one], format="csc")
    bounds = np.concatenate([most, -least[bounded], high, -low])
    options = clarabel.DefaultSettings()
    options.verbose = False
    options.time_limit = limit_s
    weights = sparse.diags(2.0 * pull, format="csc")
    cones = [clarabel.NonnegativeConeT(len(bounds))]
    return clarabel.DefaultSolver(weights, -2.0 * pull * wish, stacked, bounds, cones, options)


class _Surplus:
    """Max-min by linear programmes: raise all together, hold those that stop, go on."""

    def __init__(self, rows: Any, most: Floats, high: Floats, limit_s: float) -> None:
        self._rows, self._most, self._high = rows, most, high
        self._limit_s = limit_s
        self.setup_ms = self.solve_ms = 0.0
        self.rounds = 0

    def give(self, watts: Floats, who: Any) -> Floats | None:
        """The watts after the surplus went to who; None if out of time."""
        watts, free = watts.copy(), who.copy()
        free &= self._can_rise(watts)
        while free.any():
            rise = self._rise(watts, free)
            if rise is None or self.solve_ms > 1e3 * self._limit_s:
                return None
            watts = np.where(free, watts + rise, watts)
            still = free & self._can_rise(watts)
            if (still == free).all():
                return watts
            free = still
        return watts

    def _can_rise(self, watts: Floats) -> Any:
        full = self._most - self._rows @ watts <= 1e-6 * self._most
        return (watts < self._high - 1e-6) & ~((self._rows.T @ full.astype(float)) > 0)

    def _rise(self, watts: Floats, free: Any) -> float | None:
        """Maximise t with a_i >= watts_i + t for the free, the others held."""
        started = perf_counter()
        solver = self._programme(watts, free)
        built = perf_counter()
        solver.run()
        self.setup_ms += 1e3 * (built - started)
        self.solve_ms += 1e3 * (perf_counter() - built)
        self.rounds += 1
        if "kOptimal" not in str(solver.getModelStatus()):
            return None
        return max(float(solver.getSolution().col_value[-1]), 0.0)

    def _programme(self, watts: Floats, free: Any) -> Any:
        _, highspy = solvers()
        count, chosen = len(watts), np.flatnonzero(free)
        lift = sparse.csr_matrix(
            (np.ones(len(chosen)), (np.arange(len(chosen)), chosen)), shape=(len(chosen), count)
        )
        top = sparse.hstack([self._rows, sparse.csr_matrix((len(self._most), 1))])
        lower = sparse.hstack([lift, sparse.csr_matrix(-np.ones((len(chosen), 1)))])
        matrix = sparse.vstack([top, lower], format="csc")
        model = highspy.HighsLp()
        model.num_col_, model.num_row_ = count + 1, matrix.shape[0]
        model.col_cost_ = np.append(np.zeros(count), -1.0)
        model.col_lower_ = np.append(watts, 0.0)
        model.col_upper_ = np.append(np.where(free, self._high, watts), highspy.kHighsInf)
        model.row_lower_ = np.concatenate([np.full(len(self._most), -np.inf), watts[chosen]])
        slack = np.maximum(self._most, self._rows @ watts)
        model.row_upper_ = np.concatenate([slack, np.full(len(chosen), np.inf)])
        _matrix_of(model, matrix, highspy)
        solver = highspy.Highs()
        solver.setOptionValue("output_flag", False)
        solver.setOptionValue("time_limit", self._limit_s)
        solver.passModel(model)
        return solver


def _matrix_of(model: Any, matrix: Any, highspy: Any) -> None:
    model.a_matrix_.format_ = highspy.MatrixFormat.kColwise
    model.a_matrix_.start_ = matrix.indptr
    model.a_matrix_.index_ = matrix.indices
    model.a_matrix_.value_ = matrix.data


def relaxation(instance: Instance, limit_s: float) -> tuple[float | None, float, float]:
    """(bound, set-up ms, solve ms) of the throughput policy's linear relaxation, by HiGHS."""
    started = perf_counter()
    _, highspy = solvers()
    curves = instance.curves
    rows, _, most = sums(instance)
    owner = np.repeat(np.arange(len(instance.min_w)), np.diff(curves.start))
    mixed = sparse.csr_matrix(
        (np.ones(len(owner)), (owner, np.arange(len(owner)))),
        shape=(len(instance.min_w), len(owner)),
    )
    drawn = rows @ mixed @ sparse.diags(curves.watts)
    matrix = sparse.vstack([drawn, mixed], format="csc")
    model = highspy.HighsLp()
    model.num_col_, model.num_row_ = matrix.shape[1], matrix.shape[0]
    model.col_cost_ = -np.repeat(instance.weight, np.diff(curves.start)) * curves.tok_s
    model.col_lower_, model.col_upper_ = np.zeros(len(owner)), np.ones(len(owner))
    ones = np.ones(len(instance.min_w))
    model.row_lower_ = np.concatenate([np.full(len(most), -np.inf), ones])
    model.row_upper_ = np.concatenate([most, ones])
    _matrix_of(model, matrix, highspy)
    solver = highspy.Highs()
    solver.setOptionValue("output_flag", False)
    solver.setOptionValue("time_limit", limit_s)
    solver.passModel(model)
    built = perf_counter()
    solver.run()
    solve_ms = 1e3 * (perf_counter() - built)
    optimal = "kOptimal" in str(solver.getModelStatus())
    value = -float(solver.getObjectiveValue()) if optimal else None
    return value, 1e3 * (built - started), solve_ms
