"""Where samples of nodes and meters, and the setpoints sent, become rows."""

from datetime import datetime

from sqlalchemy import Engine

from orchestrator.domain.setpoint import Setpoint
from orchestrator.domain.telemetry import MeterReading, Telemetry
from orchestrator.snapshot import LimitView, Snapshot
from orchestrator.store.record_tables import meter_samples, node_samples, setpoints
from orchestrator.store.row_buffer import RowBuffer


class TelemetrySink:
    """Never waits for the database and never fails: rows are at most delayed, see RowBuffer.

    observe: the snapshot tells the decision, the ceilings and the exposures of the moment, which
    are stored beside each sample.
    """

    def __init__(self, engine: Engine, *, max_rows: int = 100_000, period_s: float = 1.0) -> None:
        self._buffer = RowBuffer(engine, max_rows=max_rows, period_s=period_s)
        self._decision_id: str | None = None
        self._limits: dict[str, LimitView] = {}

    @property
    def dropped(self) -> int:
        """Rows lost because the database was away for too long."""
        return self._buffer.dropped

    @property
    def rejected(self) -> int:
        """Rows lost because the database cannot hold them."""
        return self._buffer.rejected

    def start(self) -> None:
        """Begin to write."""
        self._buffer.start()

    def observe(self, snapshot: Snapshot) -> None:
        """Take note of what is in force."""
        self._decision_id = snapshot.decision_id
        self._limits = {limit.id: limit for limit in snapshot.limits}

    def put_node(self, telemetry: Telemetry, at: datetime) -> None:
        """Keep one report of a node."""
        row = {
            "node": telemetry.node,
            "at": at,
            "limit_w": telemetry.limit_w,
            "enforced_w": telemetry.enforced_w,
            "power_w": telemetry.power_w,
            "tok_s": telemetry.tok_s,
            "itl_p95_ms": telemetry.itl_p95_ms,
            "ttft_p95_ms": telemetry.ttft_p95_ms,
            "running": telemetry.running,
            "waiting": telemetry.waiting,
            "batch_limit": telemetry.batch_limit,
            "lease": telemetry.lease,
            "decision_id": self._decision_id,
            "clock_mhz": telemetry.clock_mhz,
        }
        self._buffer.put(node_samples, [row])

    def put_meter(self, reading: MeterReading) -> None:
        """Keep one reading of a meter."""
        limit = self._limits.get(reading.limit_id)
        row = {
            "limit_id": reading.limit_id,
            "at": reading.measured_at,
            "power_w": reading.power_w,
            "budget_w": limit.ceiling_w if limit else None,
            "exposure_w": limit.exposure_w if limit else None,
        }
        self._buffer.put(meter_samples, [row])

    def put_setpoint(self, setpoint: Setpoint, kind: str, at: datetime) -> None:
        """Keep one setpoint that was sent."""
        row = {
            "node": setpoint.node,
            "epoch": setpoint.fence.epoch,
            "sequence": setpoint.fence.sequence,
            "limit_w": setpoint.limit_w,
            "target_tok_s": setpoint.target_tok_s,
            "decision_id": setpoint.decision_id,
            "sent_at": at,
            "kind": kind,
        }
        self._buffer.put(setpoints, [row])

    def waiting(self) -> int:
        """Rows not written yet."""
        return self._buffer.waiting()

    def flush(self, timeout_s: float) -> bool:
        """Write at once; whether everything was written within the time."""
        return self._buffer.flush(timeout_s)

    def stop(self, timeout_s: float) -> bool:
        """Write what waits, as far as the time allows, and end; whether everything was written."""
        return self._buffer.stop(timeout_s)
