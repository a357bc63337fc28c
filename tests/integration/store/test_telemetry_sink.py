"""Samples are at most delayed: nothing waits for the database, and what is lost is counted."""

import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from sqlalchemy import Engine, func, select

from orchestrator.domain.telemetry import MeterReading
from orchestrator.runtime.inbox import NodeSink
from orchestrator.runtime.meters import MeterSink
from orchestrator.runtime.recorder import Records
from orchestrator.snapshot import LimitView, Snapshot
from orchestrator.store.engine import open_engine, reading, sqlite_url, writing
from orchestrator.store.migrate import upgrade
from orchestrator.store.record_tables import meter_samples, node_samples, setpoints
from orchestrator.store.records import SqlRecords
from orchestrator.store.telemetry_sink import TelemetrySink
from tests.integration.store.records import NOON, after, decision, event, setpoint, telemetry


@pytest.fixture
def sink(engine: Engine) -> Iterator[TelemetrySink]:
    """Give a running sink that holds 1000 rows."""
    sink = TelemetrySink(engine, max_rows=1000, period_s=0.05)
    sink.start()
    yield sink
    sink.stop(2.0)


def count(engine: Engine, table: str = "node_samples") -> int:
    """Rows in a table of samples."""
    tables = {t.name: t for t in (node_samples, meter_samples, setpoints)}
    with reading(engine) as connection:
        return connection.execute(select(func.count()).select_from(tables[table])).scalar_one()


def until(condition: Callable[[], bool], timeout_s: float = 5.0) -> None:
    """Poll until the condition holds, within a bound."""
    deadline = time.monotonic() + timeout_s
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def snapshot() -> Snapshot:
    """A facility with a ceiling of 9 kW."""
    site = LimitView("site", "facility", None, 2e4, 9e3, "event", 9.5e3, 8e3, armed=True)
    return Snapshot(
        at=NOON,
        site="demo",
        mode="armed",
        simulated=True,
        epoch=1,
        raises_held_s=0.0,
        ceiling_w=9e3,
        exposure_w=9.5e3,
        metered_w=8e3,
        tok_s=0.0,
        itl_p95_ms=None,
        decision_id="d-1",
        decisions=1,
        limits=(site,),
        nodes=(),
        events=(),
        next_change_at=None,
    )


def test_samples_are_stored_with_what_was_in_force(engine: Engine, sink: TelemetrySink) -> None:
    """A node's row names the decision, a meter's row the ceiling and the exposure."""
    nodes: NodeSink = sink
    meters: MeterSink = sink
    sink.observe(snapshot())
    nodes.put_node(telemetry(), NOON)
    meters.put_meter(MeterReading("site", 8_800.0, NOON))
    meters.put_meter(MeterReading("rack-1", 7_000.0, NOON))
    assert sink.flush(5.0)
    with reading(engine) as connection:
        node = connection.execute(select(node_samples)).mappings().one()
        order = meter_samples.c.limit_id.desc()
        site, rack = connection.execute(select(meter_samples).order_by(order)).mappings()
    assert (node["at"], node["decision_id"], node["ttft_p95_ms"]) == (NOON, "d-1", None)
    assert (site["budget_w"], site["exposure_w"]) == (9e3, 9.5e3)
    assert (rack["budget_w"], rack["power_w"]) == (None, 7_000.0)


def test_a_repeated_sample_is_stored_once(engine: Engine, sink: TelemetrySink) -> None:
    for _ in range(3):
        sink.put_node(telemetry(), NOON)
    sink.put_node(telemetry(), after(1))
    assert sink.flush(5.0)
    assert count(engine) == 2


def test_samples_are_written_without_being_asked(engine: Engine, sink: TelemetrySink) -> None:
    sink.put_node(telemetry(), NOON)
    until(lambda: count(engine) == 1)


def test_a_database_that_is_away_delays_samples_only(bare: Engine) -> None:
    """While the tables are missing rows wait; the oldest give way; the rest is written later."""
    sink = TelemetrySink(bare, max_rows=100, period_s=0.02)
    sink.start()
    try:
        for second in range(120):
            sink.put_node(telemetry(), after(second))
        assert not sink.flush(0.3)
        assert (sink.waiting(), sink.dropped) == (100, 20)
        upgrade(bare)
        assert sink.flush(5.0)
        with reading(bare) as connection:
            first = connection.execute(select(func.min(node_samples.c.at))).scalar()
        assert (count(bare), first) == (100, after(20))
    finally:
        sink.stop(2.0)


def test_rows_that_arrive_while_the_database_is_locked_do_not_wait(tmp_path: Path) -> None:
    """A writer that holds SQLite's lock delays the rows, not the one who brings them."""
    engine = open_engine(sqlite_url(str(tmp_path / "ballast.db")))
    upgrade(engine)
    sink = TelemetrySink(engine, max_rows=10, period_s=0.02)
    sink.start()
    released = threading.Event()
    try:
        with writing(engine):
            for second in range(10):
                sink.put_node(telemetry(), after(second))
            assert not sink.flush(0.2)
            started = time.monotonic()
            for second in range(10, 15):
                sink.put_node(telemetry(), after(second))
            assert time.monotonic() - started < 0.1
        released.set()
        assert sink.flush(5.0)
        # The batch under way held the ten oldest: it wrote them although they were dropped.
        assert sink.dropped == 5
        assert count(engine) >= 10
    finally:
        sink.stop(2.0)
        engine.dispose()


def test_rows_that_no_database_takes_do_not_stop_the_others(
    engine: Engine, sink: TelemetrySink
) -> None:
    """A moment without a zone is counted as rejected, and what comes later is stored."""
    sink.put_node(telemetry(), NOON.replace(tzinfo=None))
    assert sink.flush(5.0)
    sink.put_node(telemetry(), NOON)
    assert sink.flush(5.0)
    assert (sink.rejected, count(engine)) == (1, 1)


def test_stopping_writes_what_waits(engine: Engine) -> None:
    sink = TelemetrySink(engine, period_s=30.0)
    sink.start()
    sink.put_node(telemetry(), NOON)
    assert sink.stop(5.0)
    assert count(engine) == 1


def test_records_keep_all_that_control_wants_kept(engine: Engine, sink: TelemetrySink) -> None:
    """The recorder's records may be repeated: a setpoint and a decision stay one."""
    records: Records = SqlRecords(engine, sink, lambda: NOON)
    for _ in range(2):
        records.add_decision(decision(), 3)
        records.put_event(event())
        records.add_setpoint(setpoint(), "raise")
    assert sink.flush(5.0)
    assert count(engine, "setpoints") == 1
