"""`ballast bench pals`: the paper's experiments on the simulated plant, side by side."""

import os
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from multiprocessing import get_context
from typing import Any

import numpy as np

from integrations.twin.fingerprint import twin_hash
from integrations.twin.node import Deployment
from orchestrator.bench.pals.one_node import LOADS, Outcome, outcomes, prepare, with_moved
from orchestrator.bench.pals.three_nodes import SiteOutcome, response, shared_budget
from orchestrator.bench.plant.cases import Case, deployments
from orchestrator.domain.errors import InvalidInput

MOVED_BY = (0.8, 1.2)
NONE = "none"
"""Instead of a deployment: leave the node runs out."""
Row = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Plan:
    """How much to run. seconds: of each node run. moved: also with every coefficient moved."""

    seeds: int = 20
    seconds: float = 270.0
    moved: bool = True
    sites: bool = True
    jobs: int = os.cpu_count() or 1
    only: str = ""


@dataclass(frozen=True, slots=True)
class Job:
    """One case to run in a process of its own."""

    deployment: Deployment
    loads: tuple[str, ...]
    seed: int
    seconds: float
    moved: str = ""
    factor: float = 1.0


def bench(plan: Plan, said: Callable[[str], None]) -> dict[str, Any]:
    """Run the plan; `said` hears of progress. Everything in it is simulated."""
    nodes = tuple(_pooled(plan.jobs, _run_node, _jobs(plan), said, "node cases"))
    flat = [outcome for group in nodes for outcome in group]
    result: dict[str, Any] = {
        "simulated": True,
        "twin": twin_hash(),
        "seeds": plan.seeds,
        "seconds": plan.seconds,
        "one_node": summaries([o for o in flat if not o.moved]),
        "one_node_moved": summaries([o for o in flat if o.moved]),
    }
    if plan.sites:
        seeds = range(1, plan.seeds + 1)
        three = _pooled(plan.jobs, shared_budget, seeds, said, "shared budgets")
        hours = _pooled(plan.jobs, response, seeds, said, "hours of demand response")
        result["three_nodes"] = site_summaries([row for group in three for row in group])
        result["demand_response"] = site_summaries([row for group in hours for row in group])
    return result


def _jobs(plan: Plan) -> list[Job]:
    chosen = [d for d in deployments() if plan.only in d.id]
    if not chosen and plan.only != NONE:
        known = ", ".join(d.id for d in deployments())
        raise InvalidInput(f"no deployment contains {plan.only!r}; there are {known}, or {NONE!r}")
    jobs = [
        Job(deployment, LOADS, seed, plan.seconds)
        for deployment in chosen
        for seed in range(1, plan.seeds + 1)
    ]
    if plan.moved:
        jobs += [
            Job(deployment, (LOADS[index % 2],), 1 + index, plan.seconds, name, factor)
            for deployment in chosen
            for index, name in enumerate(deployment.coefficients.names)
            for factor in MOVED_BY
        ]
    return jobs


def _run_node(job: Job) -> list[Outcome]:
    case = Case(job.deployment, job.deployment.coefficients, job.seed)
    moved = ""
    if job.moved:
        case, moved = with_moved(case, job.moved, job.factor), f"{job.moved} x {job.factor}"
    model = case.model(clocks=True)
    return [
        outcome
        for load in job.loads
        for outcome in outcomes(prepare(case, load, job.seconds, model), moved)
    ]


def _pooled(
    jobs: int,
    work: Callable[[Any], Any],
    items: Iterable[Any],
    said: Callable[[str], None],
    of: str,
) -> Iterable[Any]:
    """The results in order, each item in one of a few processes."""
    todo = list(items)
    with ProcessPoolExecutor(max_workers=jobs, mp_context=get_context("spawn")) as pool:
        for done, result in enumerate(pool.map(work, todo), start=1):
            said(f"{done} of {len(todo)} {of}")
            yield result


def summaries(found: Sequence[Outcome]) -> list[Row]:
    """One row a deployment, load and policy: means over seeds, and the middle 95 %."""
    rows = []
    groups = sorted({(o.deployment, o.load) for o in found})
    for deployment, load in groups:
        of = [o for o in found if (o.deployment, o.load) == (deployment, load)]
        oracle = {(o.seed, o.moved): o for o in of if o.policy == "oracle"}
        for policy in dict.fromkeys(o.policy for o in of):
            own = [o for o in of if o.policy == policy]
            rows.append(_summary(deployment, load, policy, own, oracle))
    return rows


def _summary(
    deployment: str,
    load: str,
    policy: str,
    own: Sequence[Outcome],
    oracle: dict[tuple[int, str], Outcome],
) -> Row:
    gains = np.array([o.gain for o in own])
    best = np.array([oracle[o.seed, o.moved].gain for o in own])
    low, high = np.quantile(gains, [0.025, 0.975])
    headroom = float(np.mean(best) - 1.0)
    return {
        "deployment": deployment,
        "load": load,
        "policy": policy,
        "runs": len(own),
        "gain": float(np.mean(gains)),
        "gain_low": float(low),
        "gain_high": float(high),
        "of_headroom": (float(np.mean(gains)) - 1.0) / headroom if headroom > 0.005 else None,
        "tok_j": float(np.mean([o.verdict.tok_j for o in own])),
        "short": float(np.mean([o.verdict.short for o in own])),
        "late_itl": float(np.mean([o.verdict.late_itl for o in own])),
        "late_ttft": float(np.mean([o.verdict.late_ttft for o in own])),
    }


def site_summaries(found: Sequence[SiteOutcome]) -> list[Row]:
    """One row a site, load and policy: means over seeds, and the middle 95 % of efficiency."""
    rows = []
    for site, load, policy in dict.fromkeys((o.site, o.load, o.policy) for o in found):
        own = [o for o in found if (o.site, o.load, o.policy) == (site, load, policy)]
        numbers = own[0].numbers()
        row: Row = {"site": site, "load": load, "policy": policy, "runs": len(own)}
        row |= {name: float(np.mean([o.numbers()[name] for o in own])) for name in numbers}
        gains = [o.numbers()["tok_j"] for o in own]
        row["tok_j_low"], row["tok_j_high"] = map(float, np.quantile(gains, [0.025, 0.975]))
        rows.append(row)
    return rows
