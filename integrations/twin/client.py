"""How agents and the meter reader reach the simulated plant; standard library only."""

import json
import socket
import threading
import time
from collections.abc import Callable
from datetime import datetime
from typing import Any, Final, TypeVar

from orchestrator.domain.errors import (
    BallastError,
    EngineError,
    GpuError,
    MeterError,
    Unavailable,
)
from orchestrator.domain.telemetry import CardReading, EngineReading, MeterReading

ANSWER_BYTES: Final = 16 * 1024 * 1024

T = TypeVar("T")


class TwinConnection:
    """One connection to the plant, shared by threads; reopened by the call after a failure.

    A call ends within `timeout_s` for its turn plus `timeout_s` for its answer.
    """

    def __init__(self, host: str, port: int, timeout_s: float = 1.0) -> None:
        self._address = (host, port)
        self._timeout_s = timeout_s
        self._turn = threading.Lock()
        self._socket: socket.socket | None = None

    def call(
        self, op: str, *, failure: type[BallastError] = Unavailable, **fields: Any
    ) -> dict[str, Any]:
        """Send one request and return its answer; `failure` is raised for whatever goes wrong."""
        line = json.dumps({"op": op, **fields}).encode() + b"\n"
        if not self._turn.acquire(timeout=self._timeout_s):
            raise failure(f"{op}: the plant still owes an earlier answer")
        try:
            answer = json.loads(self._exchange(line))
        except (OSError, ValueError) as error:
            self._hang_up()
            raise failure(f"{op}: no answer from the simulated plant: {error}") from error
        finally:
            self._turn.release()
        return _accepted(op, answer, failure)

    def close(self) -> None:
        """Hang up; the next call opens a new connection."""
        if not self._turn.acquire(timeout=2.0 * self._timeout_s):
            return
        try:
            self._hang_up()
        finally:
            self._turn.release()

    def _hang_up(self) -> None:
        if self._socket is not None:
            self._socket.close()
            self._socket = None

    def _exchange(self, line: bytes) -> bytes:
        deadline_s = time.monotonic() + self._timeout_s
        if self._socket is None:
            self._socket = socket.create_connection(self._address, self._timeout_s)
            self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._socket.settimeout(_left_s(deadline_s))
        self._socket.sendall(line)
        answer = bytearray()
        while not answer.endswith(b"\n"):
            self._socket.settimeout(_left_s(deadline_s))
            chunk = self._socket.recv(65_536)
            if not chunk or len(answer) > ANSWER_BYTES:
                raise ConnectionResetError("the connection was closed")
            answer += chunk
        return bytes(answer)


def _left_s(deadline_s: float) -> float:
    left_s = deadline_s - time.monotonic()
    if left_s <= 0.0:
        raise TimeoutError("timed out")
    return left_s


def _accepted(op: str, answer: Any, failure: type[BallastError]) -> dict[str, Any]:
    if not isinstance(answer, dict):
        raise failure(f"{op}: the simulated plant answered in an unknown form")
    if answer.get("ok") is not True:
        error = answer.get("error")
        words = f"{error.get('code')}: {error.get('message')}" if isinstance(error, dict) else error
        raise failure(f"{op}: {words}")
    return answer


def _read(build: Callable[[], T], failure: type[BallastError]) -> T:
    """Build a reading out of an answer; `failure` if a field is missing or of the wrong kind."""
    try:
        return build()
    except (KeyError, TypeError, ValueError) as error:
        raise failure(f"the simulated plant answered in an unknown form: {error}") from error


class TwinGpus:
    """The simulated GPUs of one node. Raises GpuError."""

    def __init__(self, connection: TwinConnection, node: str) -> None:
        self._connection = connection
        self._node = node

    def read(self) -> tuple[CardReading, ...]:
        """Every card: limits and averaged power in watts, the energy counter in joules."""
        answer = self._connection.call("cards", failure=GpuError, node=self._node)
        return _read(lambda: tuple(_card(card) for card in answer["cards"]), GpuError)

    def set_limit_w(self, uuid: str, limit_w: float) -> None:
        """Write one card's power limit; GpuError outside the card's range too."""
        self._connection.call(
            "set_limit", failure=GpuError, node=self._node, uuid=uuid, limit_w=limit_w
        )

    def set_clock_mhz(self, clock_mhz: float | None) -> None:
        """Lock the highest SM clock of every card; None frees it."""
        self._connection.call("set_clock", failure=GpuError, node=self._node, clock_mhz=clock_mhz)


def _card(card: dict[str, Any]) -> CardReading:
    return CardReading(
        uuid=str(card["uuid"]),
        enforced_w=float(card["enforced_w"]),
        power_w=float(card["power_w"]),
        energy_j=card["energy_mj"] / 1000.0,
        min_w=float(card["min_w"]),
        max_w=float(card["max_w"]),
        default_w=float(card["default_w"]),
    )


class TwinEngine:
    """The simulated serving engine of one node. Raises EngineError, also while it is down."""

    def __init__(self, connection: TwinConnection, node: str) -> None:
        self._connection = connection
        self._node = node

    def read(self) -> EngineReading:
        """What runs and waits, and latencies over the last five seconds."""
        answer = self._connection.call("engine", failure=EngineError, node=self._node)
        if answer.get("healthy") is not True:
            raise EngineError(f"{self._node}: the simulated engine is not up")
        return _read(lambda: _engine(answer), EngineError)

    def set_batch_limit(self, limit: int) -> None:
        """How many requests the node admits; a lower limit drains."""
        self._connection.call(
            "set_batch_limit", failure=EngineError, node=self._node, batch_limit=limit
        )


def _engine(answer: dict[str, Any]) -> EngineReading:
    return EngineReading(
        running=int(answer["running"]),
        waiting=int(answer["waiting"]),
        batch_limit=int(answer["batch_limit"]),
        max_batch=int(answer["max_batch"]),
        generation_tokens=float(answer["generation_tokens_total"]),
        itl_mean_ms=answer["itl_mean_ms"],
        itl_p95_ms=answer["itl_p95_ms"],
        ttft_p95_ms=answer["ttft_p95_ms"],
        itl_p99_ms=answer["itl_p99_ms"],
        ttft_p99_ms=answer["ttft_p99_ms"],
    )


class TwinMeter:
    """The simulated power meter at one limit, at the site's root by default. Raises MeterError."""

    def __init__(self, connection: TwinConnection, limit_id: str | None = None) -> None:
        self._connection = connection
        self._limit_id = limit_id

    def read(self) -> MeterReading:
        """The plant's true power, with the meter's small noise, and when it was measured."""
        answer = self._connection.call("meter", failure=MeterError, limit_id=self._limit_id)
        return _read(
            lambda: MeterReading(
                limit_id=str(answer["limit_id"]),
                power_w=float(answer["power_w"]),
                measured_at=datetime.fromisoformat(answer["measured_at"]),
            ),
            MeterError,
        )
