"""`ballast bench failover`: real faults around a cut, one after the other, on one running site."""

import signal
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from types import FrameType
from typing import Any, NoReturn

from integrations.twin.fingerprint import twin_hash
from orchestrator.bench.failover import network
from orchestrator.bench.failover.faults import DISK, FAULTS, NETWORK, OLD, Fault, Heal
from orchestrator.bench.failover.judge import Cut, judge
from orchestrator.bench.failover.leases import REPORT_S
from orchestrator.bench.failover.stage import NODES, Stage
from orchestrator.domain.compliance import DEFAULT_DEADLINE_S
from orchestrator.domain.errors import BallastError, ConfigurationError

TTL_S = 8.0
BEFORE_S = 1.0
WATCHED_S = 24.0

Say = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Row:
    """One fault: what was seen, or why it was not tried. See Verdict."""

    fault: str
    says: str
    overshoot_w: float | None = None
    over_s: float | None = None
    over_ws: float | None = None
    complied_s: float | None = None
    unleased_rises: int | None = None
    note: str = ""


def chosen(names: Sequence[str]) -> list[Fault]:
    """The faults of these names, all without any. Raises ConfigurationError for an unknown one."""
    known = {fault.name: fault for fault in FAULTS}
    if unknown := [name for name in names if name not in known]:
        words = f"unknown {', '.join(unknown)}; known: {', '.join(known)}"
        raise ConfigurationError(f"--faults: {words}")
    return [known[name] for name in names] or list(FAULTS)


def bench(faults: Sequence[Fault], database_url: str | None, say: Say) -> dict[str, Any]:
    """Try each on a site of real processes; the site is gone afterwards. Raises Unavailable."""
    stage = Stage(database_url)
    signal.signal(signal.SIGTERM, _end)
    try:
        say("starting the plant, the service with its broker, and the agents")
        stage.open()
        rows = [_try(stage, fault, database_url, say) for fault in faults]
        return {
            "simulated": True,
            "twin": twin_hash(),
            "nodes": NODES,
            "limit_w": stage.limit_w,
            "cut_w": stage.cut_w,
            "ramp_s": DEFAULT_DEADLINE_S,
            "rows": [asdict(row) for row in rows],
        }
    finally:
        stage.close()


def _end(number: int, _frame: FrameType | None) -> NoReturn:
    """End as after Ctrl-C, so that processes and the network are cleaned up."""
    raise SystemExit(128 + number)


def _try(stage: Stage, fault: Fault, database_url: str | None, say: Say) -> Row:
    say(f"{fault.name}: {fault.says}")
    reason = _missing(fault, database_url)
    if reason is not None:
        return Row(fault.name, fault.says, note=f"not available: {reason}")
    try:
        return _seen(stage, fault)
    except BallastError as error:
        return Row(fault.name, fault.says, note=f"not finished: {error}")


def _missing(fault: Fault, database_url: str | None) -> str | None:
    if fault.name in {OLD, DISK} and database_url is not None:
        return "the database is not this site's own file"
    return network.unavailable() if fault.name == NETWORK else None


def _seen(stage: Stage, fault: Fault) -> Row:
    stage.settle()
    since_s = time.monotonic()
    cut, heal = _fault_and_cut(stage, fault)
    try:
        _wait_until(max(cut.at_s, since_s) + fault.lasts_s)
    finally:
        heal()
    ends_s = cut.at_s + WATCHED_S
    _wait_until(ends_s + REPORT_S)
    found = judge(stage.log.between(since_s, ends_s), cut)
    rises = [rise for rise in stage.log.rises(before_s=ends_s) if rise.at_s >= since_s]
    return Row(
        fault.name,
        fault.says,
        **asdict(found),
        unleased_rises=len(stage.leases.unleased(rises, TTL_S)),
    )


def _fault_and_cut(stage: Stage, fault: Fault) -> tuple[Cut, Heal]:
    if fault.after_cut:
        cut = _cut(stage)
        return cut, _begin(stage, fault)
    heal = _begin(stage, fault)
    time.sleep(BEFORE_S)
    return _cut(stage), heal


def _cut(stage: Stage) -> Cut:
    at_s = time.monotonic()
    stage.cut()
    return Cut(at_s, stage.limit_w, stage.cut_w, DEFAULT_DEADLINE_S)


def _begin(stage: Stage, fault: Fault) -> Heal:
    if fault.name == NETWORK and stage.network is not None:
        stage.network.cut()
        return stage.network.mend
    return fault.begin(stage.processes)


def _wait_until(at_s: float) -> None:
    time.sleep(max(0.0, at_s - time.monotonic()))
