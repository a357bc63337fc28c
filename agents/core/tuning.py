"""The policy of a node: which cap, clock and batch serve what is asked for the fewest joules.

It goes on from the paper's policy (PALS, arXiv 2605.21427): score the model's operating points,
keep those that meet the target, take the most tokens per joule. A PID controller raises what is
required while requests wait for want of it; what the node turns out to do corrects the model,
point by point. A new ceiling or target is answered at once; everything else has patience.
"""

from dataclasses import dataclass, field, replace
from typing import Final

from agents.core import pid as pids
from agents.core.beliefs import Beliefs, learn
from agents.core.options import Choice, Need, Option, Order, at_whole_ceiling, best, options
from agents.core.pid import Gains, Pid
from agents.core.rows import Row, row_at, rows_of
from orchestrator.domain.telemetry import EngineReading

GAINS: Final = Gains(kp=0.5, ki=0.05, kd=0.0, filter_s=2.0, low=0.0, high=0.5)
DEAD_BAND: Final = 0.05
SMOOTHING_S: Final = 8.0
OFFER_S: Final = 12.0
SETTLED_S: Final = 5.0
STEADY_S: Final = 2.0
BLOCK_S: Final = 10.0
"""Requests start and end in waves: throughput means something over seconds, not in a moment."""
SETTLED: Final = 0.1
"""A batch this close to its limit, as a share, has followed it."""
SLEW: Final = 16
"""The batch limit rises by at most this part of the largest batch a step: new prompts hurt."""
PATIENCE_S: Final = 1.0
MOST_GAP_S: Final = 2.0
"""After a longer silence nothing that was being measured is believed."""
SLIGHT: Final = 0.01
DWELL_S: Final = 3.0
CROWDED_DWELL_S: Final = 16.0
"""Where every batch runs full a point is left for a better one only once it was learned."""
WORTH: Final = 1.01
"""A point must promise this much more tokens per joule to be worth a move."""
GRACE: Final = 0.995
"""The present point may be believed to fall this far short before another is sought."""
BINDS: Final = 0.95
CALM: Final = 0.75
HEADROOM: Final = 0.95
"""A point that serves a little less than is offered will do while its batch is far from full."""
SHORT_OF_TARGET: Final = 0.02
"""A throughput that falls this far short of its target still counts as meeting it."""
WAVES: Final = 1.6
"""How many mean deviations between blocks the mean must stay above what is enough."""
EASE: Final = -0.5
"""The error while nothing waits: pressure is let go within half a minute."""
QUEUE: Final = 0.05
"""A queue that is longer than this share of what runs means that more would be used."""


@dataclass(frozen=True, slots=True)
class Plant:
    """What the node does now: tokens per second, watts and the limits they run against.

    reached: the caps are read back where they shall be.
    """

    tok_s: float | None
    power_w: float | None
    enforced_w: float | None
    engine: EngineReading | None
    reached: bool = True

    @property
    def waits(self) -> bool:
        """Whether requests wait, so that more throughput would be used."""
        return self.engine is not None and self.engine.waiting > 0

    @property
    def binds(self) -> bool:
        """Whether the cap or the batch limit holds the node back."""
        full = self.engine is not None and self.engine.running >= self.engine.batch_limit
        if self.power_w is None or self.enforced_w is None:
            return full
        return full or self.power_w >= BINDS * self.enforced_w


@dataclass(frozen=True, slots=True)
class Block:
    """Sums over time of what is measured while a choice stands still: tokens, joules, requests.

    itl_ms: over the itl_s seconds in which the engine said one.
    """

    seconds: float = 0.0
    tokens: float = 0.0
    joules: float = 0.0
    running: float = 0.0
    itl_s: float = 0.0
    itl_ms: float = 0.0

    def with_sample(
        self, tok_s: float, power_w: float, engine: EngineReading, dt_s: float
    ) -> "Block":
        """One more sample that stands for dt_s seconds."""
        return Block(
            self.seconds + dt_s,
            self.tokens + tok_s * dt_s,
            self.joules + power_w * dt_s,
            self.running + engine.running * dt_s,
            self.itl_s + (dt_s if engine.itl_p99_ms else 0.0),
            self.itl_ms + (engine.itl_p99_ms or 0.0) * dt_s,
        )


@dataclass(frozen=True, slots=True)
class Tuner:
    """State of the policy.

    since_s: when the choice was made. pressure: the share by which more is required than asked.
    tok_s, offered_tok_s: smoothed over SMOOTHING_S and OFFER_S. queue: 0 to 1, how steadily
    requests wait. slow: measured over modelled p99 inter-token latency, smoothed. wave: how far
    blocks of one point differ in throughput, as a share.
    """

    order: Order | None = None
    rows: tuple[Row, ...] = ()
    choice: Choice = field(default_factory=Choice)
    since_s: float = 0.0
    pid: Pid = field(default_factory=Pid)
    pressure: float = 0.0
    beliefs: Beliefs = field(default_factory=Beliefs)
    tok_s: float | None = None
    offered_tok_s: float | None = None
    queue: float | None = None
    crowded: bool = False
    slow: float = 1.0
    wave: float = 0.003
    at_s: float = 0.0
    block: Block = field(default_factory=Block)


def tune(tuner: Tuner, order: Order, plant: Plant, now_s: float) -> Tuner:
    """Follow the measurement, and choose anew where there is reason to."""
    dt_s, tuner = now_s - tuner.at_s, replace(tuner, at_s=now_s)
    before, tuner = tuner.order, _take(tuner, order, now_s)
    if dt_s > MOST_GAP_S:
        tuner = replace(tuner, block=Block(), since_s=now_s)
    elif plant.tok_s is not None and plant.engine is not None and dt_s > 0:
        tuner = _follow(tuner, plant, plant.engine, plant.tok_s, now_s, dt_s)
        tuner = _watch(tuner, plant, plant.engine, plant.tok_s, now_s, dt_s)
    if not tuner.rows:
        return replace(tuner, choice=Choice())
    return _choose(tuner, order, now_s, at_once=before is None or _another(before, order))


def batch_of(engine: EngineReading | None, wanted: int | None, *, reached: bool) -> int | None:
    """The batch limit to set now, None to leave it.

    Down at once; up step by step, once the caps are there.
    """
    if engine is None or wanted is None:
        return None
    limit = max(1, min(wanted, engine.max_batch))
    if limit < engine.batch_limit:
        return limit
    if limit > engine.batch_limit and reached:
        return min(limit, engine.batch_limit + max(1, engine.max_batch // SLEW))
    return None


def _another(before: Order, order: Order) -> bool:
    """Whether so much has changed that patience would be out of place."""
    targets = (before.target_tok_s or 0.0, order.target_tok_s or 0.0)
    ceilings = (before.ceiling_w, order.ceiling_w)
    moved = any(abs(new - old) > SLIGHT * max(new, old) for old, new in (targets, ceilings))
    return moved or before.frontier != order.frontier or before.service != order.service


def _take(tuner: Tuner, order: Order, now_s: float) -> Tuner:
    """Work for this order: what was learned stays with the model it was learned of."""
    before = tuner.order
    if before == order:
        return tuner
    tuner = replace(tuner, order=order)
    if before is None or before.ceiling_w != order.ceiling_w:
        tuner = replace(tuner, block=Block(), since_s=now_s)
    if before is None or (before.frontier, before.cards) != (order.frontier, order.cards):
        tuner = replace(tuner, rows=_rows(order), beliefs=Beliefs(), slow=1.0)
    if before is None or before.target_tok_s != order.target_tok_s:
        tuner = replace(tuner, pid=Pid(), pressure=0.0)
    return tuner


def _rows(order: Order) -> tuple[Row, ...]:
    frontier = order.frontier
    if frontier is None or frontier.cards != order.cards:
        return ()
    return rows_of(frontier.points)


def _follow(
    tuner: Tuner, plant: Plant, engine: EngineReading, tok_s: float, now_s: float, dt_s: float
) -> Tuner:
    """Smooth what is served and what waits, and let the PID answer a lasting shortfall."""
    passed_s = now_s - tuner.since_s
    settled = passed_s >= SETTLED_S
    smooth = _smoothed(tuner.tok_s, tok_s, dt_s, min(SMOOTHING_S, passed_s))
    offered = _smoothed(tuner.offered_tok_s, tok_s, dt_s, OFFER_S)
    long = engine.waiting > QUEUE * engine.running
    queue = _smoothed(tuner.queue, float(long), dt_s, STEADY_S)
    crowded = queue > 0.8 or (tuner.crowded and queue > 0.2)
    tuner = replace(tuner, tok_s=smooth, offered_tok_s=offered, queue=queue, crowded=crowded)
    error = _error(tuner, engine, smooth, settled=settled)
    integrate = plant.binds or error < 0
    pid, pressure = pids.advance(tuner.pid, GAINS, error, 0.0, dt_s, integrate=integrate)
    return replace(tuner, pid=pid, pressure=pressure)


def _error(tuner: Tuner, engine: EngineReading, tok_s: float, *, settled: bool) -> float:
    """Relative shortfall of min(target, offered).

    Where the first token is promised, a batch that fills is a shortfall before anything waits.
    Else the paper's dead band holds: what is smaller is left to what was learned of the node.
    """
    order = tuner.order
    if order is None:
        return 0.0
    if order.service.ttft_p99_ms is not None:
        return _crowding(tuner, engine)
    if engine.waiting == 0 or not order.target_tok_s:
        return EASE
    error = (order.target_tok_s - tok_s) / order.target_tok_s
    return error if settled and abs(error) >= DEAD_BAND else 0.0


def _crowding(tuner: Tuner, engine: EngineReading) -> float:
    """How far the node fills beyond what its offered load explains, 1 where its batch is full.

    Halfway between the expected batch and the limit is still calm.
    """
    row, limit = _row(tuner), float(max(1, engine.batch_limit))
    expected = row.batch_for(tuner.offered_tok_s or 0.0) if row else None
    calm = limit if expected is None else min(limit, expected + CALM * (limit - expected))
    over = engine.running + engine.waiting - calm
    return max(EASE, min(1.0, over / max(limit - calm, 0.1 * limit)))


def _watch(
    tuner: Tuner, plant: Plant, engine: EngineReading, tok_s: float, now_s: float, dt_s: float
) -> Tuner:
    """Collect what is measured while everything stands still, and learn from every full block."""
    row = _row(tuner)
    if row is None or not plant.power_w or not _stands_still(tuner, plant, engine, now_s):
        return replace(tuner, block=Block())
    block = tuner.block.with_sample(tok_s, plant.power_w, engine, dt_s)
    if block.seconds < BLOCK_S or block.tokens <= 0.0:
        return replace(tuner, block=block)
    return replace(_learn(tuner, row, block), block=Block())


def _stands_still(tuner: Tuner, plant: Plant, engine: EngineReading, now_s: float) -> bool:
    wanted = tuner.choice.batch or engine.batch_limit
    followed = not tuner.crowded or abs(engine.running - wanted) <= SETTLED * wanted
    settled = now_s - tuner.since_s >= SETTLED_S
    return plant.reached and settled and followed and engine.running > 0


def _learn(tuner: Tuner, row: Row, block: Block) -> Tuner:
    """Compare a block with what the model says of as many running requests."""
    running = block.running / block.seconds
    expected = row.at(running)
    key = (row.model_cap_w, row.clock_mhz, row.nearest(running).batch)
    ratio = block.tokens / block.seconds / expected.tok_s
    power_ratio = block.joules / block.seconds / max(expected.power_w, 1.0)
    beliefs = learn(tuner.beliefs, key, ratio, power_ratio)
    wave = tuner.wave
    if key in tuner.beliefs.cells:
        wave += 0.2 * (abs(ratio / tuner.beliefs.of(key).tok - 1.0) - wave)
    slow = tuner.slow
    if expected.itl_p99_ms and block.itl_s > 0.0:
        slow += 0.2 * (block.itl_ms / block.itl_s / expected.itl_p99_ms - slow)
    return replace(tuner, beliefs=beliefs, slow=min(1.5, max(0.7, slow)), wave=wave)


def _row(tuner: Tuner) -> Row | None:
    """The row that the present choice lies on."""
    order, choice = tuner.order, tuner.choice
    if order is None or choice.batch is None:
        return None
    share_w = order.ceiling_w / order.cards
    if choice.cap_w is None and choice.clock_mhz is None:
        return row_at(tuner.rows, share_w)
    for row in tuner.rows:
        if row.clock_mhz == choice.clock_mhz and choice.cap_w in {None, row.cap_w}:
            return row
    return None


def _need(tuner: Tuner, order: Order) -> Need:
    """What must be served: the target, or what is offered where that is less or is promised."""
    more = 1.0 + tuner.pressure
    offered, target = tuner.offered_tok_s, order.target_tok_s
    if order.service.ttft_p99_ms is not None and offered is not None:
        return Need(HEADROOM * offered * more, offered)
    if not target:
        return Need(None)
    enough = target * (1.0 - SHORT_OF_TARGET + WAVES * tuner.wave)
    if tuner.crowded or offered is None:
        return Need(enough * more)
    return Need(min(enough, offered) * more, offered)


def _choose(tuner: Tuner, order: Order, now_s: float, *, at_once: bool) -> Tuner:
    need = _need(tuner, order)
    found = tuple(options(order, tuner.rows, tuner.beliefs, need, tuner.slow))
    if need.required_tok_s is None:
        found = at_whole_ceiling(found)
    chosen = best(found)
    if chosen is None:
        lowest = min(tuner.rows, key=lambda row: row.cap_w).points[-1].batch
        return replace(tuner, choice=Choice(None, lowest))
    present = next((option for option in found if option.choice == tuner.choice), None)
    passed_s = now_s - tuner.since_s
    dwell_s = CROWDED_DWELL_S if need.offered_tok_s is None else DWELL_S
    due = at_once or _due(need, present, chosen, passed_s, dwell_s)
    if chosen.choice == tuner.choice or not due:
        return tuner
    return replace(tuner, choice=chosen.choice, since_s=now_s)


def _due(
    need: Need, present: Option | None, chosen: Option, passed_s: float, dwell_s: float
) -> bool:
    """Whether to move: soon where the present point no longer serves, with patience for a gain."""
    if present is None:
        return True
    if need.required_tok_s is None:
        return passed_s >= dwell_s and chosen.capacity_tok_s > WORTH * present.capacity_tok_s
    stronger = chosen.margin > present.margin or chosen.within > present.within
    if stronger and not (present.within and present.margin >= GRACE):
        return passed_s >= PATIENCE_S
    return passed_s >= dwell_s and chosen.gain > WORTH * present.gain


def _smoothed(before: float | None, value: float, dt_s: float, over_s: float) -> float:
    return value if before is None else before + (value - before) * dt_s / (over_s + dt_s)
