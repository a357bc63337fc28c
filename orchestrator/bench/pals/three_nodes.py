"""Three nodes under one budget, and an hour of demand response, on the simulated plant."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise, product

import numpy as np

from integrations.twin.node import Deployment, LatencyLog, Requests, SimNode, poisson, saturated
from orchestrator.bench.pals.judge import QUANTILE, WINDOW_S
from orchestrator.bench.pals.policies import Fixed, Paper
from orchestrator.bench.plant.knobs import Knobs
from orchestrator.bench.plant.node_run import LATENCY_S, PERIOD_S, STRIDE_S
from orchestrator.bench.plant.objectives import TOLERANCE
from orchestrator.bench.plant.schedule import WARM_UP_S, Stretch
from orchestrator.bench.plant.site_cases import Member, members, models, topology
from orchestrator.bench.plant.site_run import SiteRun, open_site

BUDGET_W = 4800.0
SHARES = (0.90, 0.60, 0.75)
SECONDS = 600.0
HOUR_S = 3600.0
TOLD_EVERY_S = 4.0
MIXES = {
    "dense": ("llama-2-7b", "mistral-7b", "gpt2"),
    "mixed": ("mixtral-8x7b", "qwen1.5-moe-a2.7b", "llama-2-7b"),
    "moe": ("phi-3.5-moe", "olmoe-1b-7b", "deepseek-moe-16b"),
}
HOUR = ((0, 0.95), (600, 0.95), (780, 0.65), (1500, 0.65), (1680, 0.80), (2400, 0.80), (2580, 0.60),
        (3000, 0.60), (3300, 0.95), (3600, 0.95))  # fmt: skip
"""The hour's signal: share of full power over time, straight between these points."""
UNBOUNDED_TOK_S = 1e6
ONE_WINDOW = 0.051
"""What the oracle may violate of a run: one window in twenty, the first."""


@dataclass(frozen=True, slots=True)
class SiteOutcome:
    """What one policy made of one site.

    short, late: shares of node windows below target, or with late 99th percentiles. rms: of
    metered power against the signal, as a share of it, None where nodes have targets and save
    what they can below their budget; rms_above: of its excess alone.
    """

    site: str
    load: str
    policy: str
    seed: int
    tok_j: float
    tok_s: float
    short: float
    late: float
    rms: float | None
    rms_above: float

    def numbers(self) -> dict[str, float]:
        """The figures that are averaged over seeds."""
        names = ("tok_j", "tok_s", "short", "late", "rms", "rms_above")
        return {name: getattr(self, name) for name in names if getattr(self, name) is not None}


@dataclass
class Record:
    """Half-second histories by node after warm-up, and latency logs every LATENCY_S."""

    tokens: dict[str, list[float]]
    wall_j: dict[str, list[float]]
    waiting: dict[str, list[int]]
    logs: dict[str, list[LatencyLog]]


def shared_budget(seed: int) -> list[SiteOutcome]:
    """The paper's 4,800 W over three nodes of four A100, each with its own target."""
    found = []
    for mix, load in product(MIXES, ("saturated", "poisson")):
        site = members([Deployment("A100", m, 4) for m in MIXES[mix]], SHARES, load, seed)
        found += _compared(mix, load, site, lambda _: BUDGET_W, SECONDS, seed)
    return found


def response(seed: int) -> list[SiteOutcome]:
    """One hour in which the site's power follows a signal; saturated, no targets."""
    site = members(
        [Deployment("A100", m, 4) for m in MIXES["mixed"]], [None] * 3, "saturated", seed
    )
    full_w = sum(member.case.wall.of(member.full.power_w) for member in site)
    return _compared("mixed", "saturated", site, lambda s: full_w * _hour(s), HOUR_S, seed)


def _hour(now_s: float) -> float:
    times, shares = zip(*HOUR, strict=True)
    return float(np.interp(now_s, times, shares))


def _compared(
    name: str,
    load: str,
    site: Sequence[Member],
    budget_w: Callable[[float], float],
    seconds: float,
    seed: int,
) -> list[SiteOutcome]:
    requests = {member.name: _requests(member, load, seconds) for member in site}
    records = {
        "static": _local(site, requests, budget_w, seconds, "fixed"),
        "paper, equal shares": _local(site, requests, budget_w, seconds, "paper"),
        "ballast": _ballast(site, requests, budget_w, seconds, seed),
    }
    if all(member.share is not None for member in site):
        records["oracle"] = _oracle(site, requests, budget_w(0.0), seconds)
    return [
        _judged(name, load, policy, seed, site, record, budget_w)
        for policy, record in records.items()
    ]


def _requests(member: Member, load: str, seconds: float) -> Requests:
    deployment, seed = member.case.deployment, member.case.seed
    if load == "saturated" or member.target_tok_s is None:
        return saturated(deployment, WARM_UP_S + seconds, seed)
    return poisson(deployment, member.target_tok_s, WARM_UP_S + seconds, seed)


def _local(
    site: Sequence[Member],
    requests: Mapping[str, Requests],
    budget_w: Callable[[float], float],
    seconds: float,
    kind: str,
) -> Record:
    """Every node by itself under an equal share of the budget."""
    record = _empty(site)
    for member in site:
        case, cards = member.case, member.case.deployment.gpus
        policy = (
            Fixed(case.caps_w[-1], case.batches[-1], case.wall, cards)
            if kind == "fixed"
            else Paper(member.model.points, case.wall, cards)
        )
        node = member.plant(requests[member.name])
        node.advance(WARM_UP_S)
        _note_log(record, member.name, node)
        for index in range(round(seconds / PERIOD_S)):
            now_s = index * PERIOD_S
            told_s = now_s // TOLD_EVERY_S * TOLD_EVERY_S
            target = member.target_tok_s or UNBOUNDED_TOK_S
            asked = Stretch(0.0, budget_w(told_s) / len(site), target)
            policy.step(node, asked, WARM_UP_S + now_s)
            _note(record, member.name, node, WARM_UP_S + now_s + PERIOD_S)
            if (index + 1) % round(LATENCY_S / PERIOD_S) == 0:
                _note_log(record, member.name, node)
    return record


def _ballast(
    site: Sequence[Member],
    requests: Mapping[str, Requests],
    budget_w: Callable[[float], float],
    seconds: float,
    seed: int,
) -> Record:
    """The real control loop and the real agents; they are armed when the warm-up ends."""
    plants = {member.name: member.plant(requests[member.name]) for member in site}
    services = {member.name: member.service for member in site}
    roomy_w = 3.0 * budget_w(0.0)
    run = open_site(topology(site, roomy_w), plants, models(site), services, seed=seed)
    told_w = budget_w(0.0)
    run.ask(told_w)
    for _ in range(round(WARM_UP_S / PERIOD_S)):
        run.tick()
    run.arm()
    first = len(run.wall_w)
    starts = {name: host.plant.latency() for name, host in run.hosts.items()}
    run.logs = {name: [log] for name, log in starts.items()}
    for index in range(round(seconds / PERIOD_S)):
        wanted_w = budget_w(index * PERIOD_S)
        if wanted_w != told_w and index * PERIOD_S % TOLD_EVERY_S == 0.0:
            told_w = wanted_w
            run.ask(told_w)
        run.tick()
    return _from_site(run, first)


def _from_site(run: SiteRun, first: int) -> Record:
    tokens = {
        name: np.diff(np.array(totals[first - 1 :])).tolist() for name, totals in run.tokens.items()
    }
    return Record(
        tokens,
        {name: joules[first:] for name, joules in run.wall_j.items()},
        {name: waiting[first:] for name, waiting in run.waiting.items()},
        run.logs,
    )


def _oracle(
    site: Sequence[Member], requests: Mapping[str, Requests], budget_w: float, seconds: float
) -> Record:
    """Every combination of the nodes' points whose caps fit the budget, tried on the plant."""
    tried = {
        member.name: [(knobs, _held(member, requests[member.name], knobs, seconds))
                      for knobs in member.case.grid()]
        for member in site
    }  # fmt: skip
    best, best_rank = None, (np.inf, np.inf)
    for combination in product(*(tried[member.name] for member in site)):
        most_w = sum(
            member.case.wall.of(knobs.cap_w * member.case.deployment.gpus)
            for member, (knobs, _) in zip(site, combination, strict=True)
        )
        if most_w <= budget_w + 1e-6:
            faults = sum(fault for _, (_, fault, _, _) in combination)
            tokens = sum(made for _, (_, _, made, _) in combination)
            joules = sum(spent for _, (_, _, _, spent) in combination)
            rank = (round(faults, 6), -tokens / joules)
            if rank < best_rank:
                best, best_rank = combination, rank
    if best is None:
        best = tuple(tried[member.name][0] for member in site)
    record = _empty(site)
    for member, (_, (part, _, _, _)) in zip(site, best, strict=True):
        for history, own in zip(_parts(record), _parts(part), strict=True):
            history[member.name] = own[member.name]
    return record


def _held(
    member: Member, requests: Requests, knobs: Knobs, seconds: float
) -> tuple[Record, float, float, float]:
    """One node held at one point: its record, its faults, tokens and joules."""
    node, record = member.plant(requests), _empty([member])
    node.advance(WARM_UP_S)
    _note_log(record, member.name, node)
    node.set_cap_w(knobs.cap_w)
    node.set_batch_limit(knobs.batch)
    for index in range(round(seconds / LATENCY_S)):
        for part in range(round(LATENCY_S / STRIDE_S)):
            until_s = WARM_UP_S + index * LATENCY_S + (part + 1) * STRIDE_S
            _note(record, member.name, node, until_s, parts=round(STRIDE_S / PERIOD_S))
        _note_log(record, member.name, node)
    short, late = _faults(member, record)
    tokens, joules = sum(record.tokens[member.name]), sum(record.wall_j[member.name])
    faults = max(short, late)
    return record, faults if faults > ONE_WINDOW else 0.0, tokens, joules


def _empty(site: Sequence[Member]) -> Record:
    names = [member.name for member in site]
    return Record(
        {n: [] for n in names},
        {n: [] for n in names},
        {n: [] for n in names},
        {n: [] for n in names},
    )


def _parts(record: Record) -> tuple[dict[str, list], ...]:  # type: ignore[type-arg]
    return (record.tokens, record.wall_j, record.waiting, record.logs)


def _note(record: Record, name: str, node: SimNode, until_s: float, parts: int = 1) -> None:
    tokens, joules = node.tokens, node.wall_energy_j
    node.advance(until_s)
    record.tokens[name] += [(node.tokens - tokens) / parts] * parts
    record.wall_j[name] += [(node.wall_energy_j - joules) / parts] * parts
    record.waiting[name] += [node.waiting] * parts


def _note_log(record: Record, name: str, node: SimNode) -> None:
    record.logs[name].append(node.latency())


def _judged(
    name: str,
    load: str,
    policy: str,
    seed: int,
    site: Sequence[Member],
    record: Record,
    budget_w: Callable[[float], float],
) -> SiteOutcome:
    faults = [_faults(member, record) for member in site]
    joules = np.sum([record.wall_j[member.name] for member in site], axis=0)
    tokens = np.sum([record.tokens[member.name] for member in site], axis=0)
    wanted_w = np.array([budget_w(index * PERIOD_S // TOLD_EVERY_S * TOLD_EVERY_S)
                         for index in range(len(joules))])  # fmt: skip
    error = joules / PERIOD_S / wanted_w - 1.0
    follows = all(member.share is None for member in site)
    return SiteOutcome(
        site=name,
        load=load,
        policy=policy,
        seed=seed,
        tok_j=float(tokens.sum() / joules.sum()),
        tok_s=float(tokens.sum() / (len(tokens) * PERIOD_S)),
        short=float(np.mean([short for short, _ in faults])),
        late=float(np.mean([late for _, late in faults])),
        rms=float(np.sqrt(np.mean(error**2))) if follows else None,
        rms_above=float(np.sqrt(np.mean(np.maximum(error, 0.0) ** 2))),
    )


def _faults(member: Member, record: Record) -> tuple[float, float]:
    """Shares of windows short of the target, and late in either latency."""
    per = round(WINDOW_S / PERIOD_S)
    tokens, waiting = np.array(record.tokens[member.name]), np.array(record.waiting[member.name])
    whole = len(tokens) // per * per
    served = tokens[:whole].reshape(-1, per).sum(axis=1)
    waited = (waiting[:whole].reshape(-1, per) > 0).mean(axis=1) > 0.5
    target = (member.target_tok_s or 0.0) * WINDOW_S
    short = float(np.mean(waited & (served < (1.0 - TOLERANCE) * target)))
    logs, objectives = record.logs[member.name], member.objectives
    windows = [after - before for before, after in pairwise(logs)]
    late = [
        _above(window.itl_ms(QUANTILE), objectives.itl_ms)
        or _above(window.ttft_ms(QUANTILE), objectives.ttft_ms)
        for window in windows
    ]
    return short, float(np.mean(late)) if late else 0.0


def _above(value_ms: float | None, most_ms: float | None) -> bool:
    return value_ms is not None and most_ms is not None and value_ms > most_ms
