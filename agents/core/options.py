"""Which operating points are open to a node now, what each would cost, and which is the best.

A point is open when its caps fit under the ceiling, its inter-token latency stays within the
objective, and it serves what is required. Among those the most tokens per joule win, counted at
the host's wall; where none is open, the fastest that fits.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from math import inf, sqrt
from typing import Final

from agents.core.beliefs import Beliefs, Key
from agents.core.rows import Row, row_at
from orchestrator.domain.frontier import Candidate, Frontier

CROWD: Final = 2.0
"""How many standard deviations of what runs, a Poisson number, a batch limit leaves room for."""
LEAST_TOK_S: Final = 1e-3
FULL: Final = 0.97
"""A clock-locked point whose power stays below this share of the ceiling needs no lower cap."""
CURIOSITY: Final = 0.5
"""How many standard deviations of doubt count in favour of a point that was not tried for long."""


@dataclass(frozen=True, slots=True)
class Service:
    """What the operator promises of a node, and what its host adds to the cards.

    itl_p99_ms, ttft_p99_ms: objectives, None for none. Host power: host_factor x cards + host_w.
    """

    itl_p99_ms: float | None = None
    ttft_p99_ms: float | None = None
    host_w: float = 0.0
    host_factor: float = 1.0


@dataclass(frozen=True, slots=True)
class Order:
    """What the lease and the orchestrator ask for now; watts over all cards."""

    ceiling_w: float
    target_tok_s: float | None
    frontier: Frontier | None
    cards: int
    service: Service = field(default_factory=Service)


@dataclass(frozen=True, slots=True)
class Choice:
    """An operating point. cap_w: per card, None for equal shares of the ceiling.

    batch: None leaves the engine's limit alone. clock_mhz: None leaves the clock free.
    """

    cap_w: float | None = None
    batch: int | None = None
    clock_mhz: float | None = None


@dataclass(frozen=True, slots=True)
class Need:
    """What a node must be able to serve. required_tok_s: None for as much as it can.

    offered_tok_s: what it will serve, None where requests always wait and every batch runs full.
    """

    required_tok_s: float | None
    offered_tok_s: float | None = None


@dataclass(frozen=True, slots=True)
class Option:
    """A point that fits under the ceiling, with what is expected of it. key: as in Beliefs.

    gain: tokens per joule, doubt counted in its favour. margin: what it can over what it must, so
    that 1 is just enough. within: whether its latency is.
    """

    choice: Choice
    key: Key
    capacity_tok_s: float
    power_w: float
    gain: float
    margin: float
    within: bool


def best(found: Sequence[Option]) -> Option | None:
    """The best open point; else the fastest within its latency; else the fastest. None: none."""
    open_ = [option for option in found if option.margin >= 1.0 and option.within]
    if open_:
        return max(open_, key=lambda option: (option.gain, option.capacity_tok_s))
    within = [option for option in found if option.within] or found
    return max(within, key=lambda option: option.capacity_tok_s, default=None)


def at_whole_ceiling(found: Sequence[Option]) -> tuple[Option, ...]:
    """The points of the highest free-clock cap that fits, for caps at the whole ceiling.

    More watts never serve less at one batch, whatever measurements seem to say.
    """
    free = [option for option in found if option.choice.clock_mhz is None]
    caps_w = [inf if o.choice.cap_w is None else o.choice.cap_w for o in free]
    top_w = max(caps_w, default=inf)
    return tuple(
        replace(option, choice=replace(option.choice, cap_w=None))
        for option, cap_w in zip(free, caps_w, strict=True)
        if cap_w == top_w
    )


def options(
    order: Order, rows: tuple[Row, ...], beliefs: Beliefs, need: Need, slow: float
) -> Iterator[Option]:
    """Every point that fits under the ceiling; one a row, the fastest, where nothing waits.

    slow: measured over modelled inter-token latency.
    """
    for row in _fitting(order, rows):
        for point in row.points if need.offered_tok_s is None else _fastest(order, row, slow):
            yield _option(order, row, point, beliefs, need, slow)


def _fastest(order: Order, row: Row, slow: float) -> tuple[Candidate, ...]:
    """The row's largest batch within the latency objective, else its smallest."""
    within = [point for point in row.points if _within(order.service, point, slow)]
    return tuple(within[-1:]) or row.points[:1]


def _room(order: Order, row: Row, point: Candidate, slow: float) -> int:
    """The largest batch limit that keeps the latency objective, though it may serve no more."""
    kept = [p.batch for p in row.crowded if _within(order.service, p, slow)]
    return max([point.batch, *kept])


def _fitting(order: Order, rows: tuple[Row, ...]) -> Iterator[Row]:
    """Rows whose caps fit, and one for exactly the ceiling."""
    share_w = order.ceiling_w / order.cards
    exact = row_at(rows, share_w)
    if exact is not None:
        yield exact
    for row in rows:
        if row.cap_w <= share_w + 1e-6 and row is not exact:
            yield row
        elif row.clock_mhz is not None and row.cap_w > share_w:
            under = [p for p in row.points if p.power_w <= FULL * order.ceiling_w]
            if under:
                yield Row(share_w, row.clock_mhz, tuple(under), model_cap_w=row.cap_w)


def _option(
    order: Order, row: Row, point: Candidate, beliefs: Beliefs, need: Need, slow: float
) -> Option:
    key = (row.model_cap_w, row.clock_mhz, point.batch)
    full = beliefs.of(key)
    running = _runs(row, point, need, full.tok)
    learned = beliefs.of((row.model_cap_w, row.clock_mhz, row.nearest(running).batch))
    expected = row.at(running)
    power_w = learned.power * expected.power_w
    wall_w = order.service.host_factor * power_w + order.service.host_w
    doubt = 1.0 if need.offered_tok_s is not None else 1.0 + CURIOSITY * learned.spread
    batch = point.batch if need.offered_tok_s is None else _room(order, row, point, slow)
    whole = row.cap_w * order.cards > order.ceiling_w - 1e-6
    required = need.required_tok_s
    capacity_tok_s = full.tok * point.tok_s
    return Option(
        choice=Choice(None if whole else row.cap_w, batch, row.clock_mhz),
        key=key,
        capacity_tok_s=capacity_tok_s,
        power_w=power_w,
        gain=doubt * learned.tok * expected.tok_s / wall_w,
        margin=0.0 if required is None else capacity_tok_s / max(required, LEAST_TOK_S),
        within=_within(order.service, row.at(_busy(running, point)), slow),
    )


def _runs(row: Row, point: Candidate, need: Need, tok: float) -> float:
    """How many requests will run on average."""
    if need.offered_tok_s is None:
        return point.batch
    running = row.batch_for(need.offered_tok_s / tok)
    return point.batch if running is None else min(running, point.batch)


def _busy(running: float, point: Candidate) -> float:
    """The most requests that run at once in all but rare moments."""
    return min(running + CROWD * sqrt(running), point.batch)


def _within(service: Service, expected: Candidate, slow: float) -> bool:
    """Whether the 99th percentile stays within its objective; one that nobody measured passes."""
    objective, itl_ms = service.itl_p99_ms, expected.itl_p99_ms
    return objective is None or itl_ms is None or slow * itl_ms <= objective
