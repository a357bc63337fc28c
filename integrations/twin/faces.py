"""The plant's faces: named operations on GPUs, engines and meters, JSON values in and out.

A request is `{"op": name, ...}`; the answer is `{"ok": true, ...}` or
`{"ok": false, "error": {"code": code, "message": words}}`. Codes: BadRequest, UnknownOp, NotFound,
InvalidArgument, Unavailable.
"""

import json
import math
from collections.abc import Callable, Mapping
from dataclasses import asdict
from datetime import datetime, timedelta
from typing import Any, Final

from integrations.twin.cards import Card
from integrations.twin.fingerprint import twin_hash
from integrations.twin.plant import Node, Plant
from orchestrator.domain.errors import (
    BallastError,
    InvalidInput,
    InvalidMessage,
    NotFound,
    Unavailable,
)

Answer = dict[str, Any]

SLOW_OPS: Final = frozenset({"set_limit", "set_clock"})


_CODES: Final[tuple[tuple[type[BallastError], str], ...]] = (
    (InvalidMessage, "BadRequest"),
    (NotFound, "NotFound"),
    (InvalidInput, "InvalidArgument"),
    (Unavailable, "Unavailable"),
)


def parse(line: bytes) -> Mapping[str, Any]:
    """One request line; InvalidMessage unless it is a JSON object."""
    try:
        request = json.loads(line)
    except (ValueError, RecursionError) as error:
        raise InvalidMessage("expected one JSON object a line") from error
    if not isinstance(request, dict):
        raise InvalidMessage("expected one JSON object a line")
    return request


def refusal(error: BallastError) -> Answer:
    """The answer that carries an error."""
    code = next((code for kind, code in _CODES if isinstance(error, kind)), "Unavailable")
    return {"ok": False, "error": {"code": code, "message": str(error)}}


class Faces:
    """Answers requests on one plant. `utc_now` dates the plant's present moment."""

    def __init__(self, plant: Plant, utc_now: Callable[[], datetime]) -> None:
        self._plant = plant
        self._utc_now = utc_now
        self._ops: dict[str, Callable[[Mapping[str, Any]], Answer]] = {
            "cards": self._cards,
            "set_limit": self._set_limit,
            "engine": self._engine,
            "set_batch_limit": self._set_batch_limit,
            "set_clock": self._set_clock,
            "meter": self._meter,
            "reboot": self._reboot,
            "truth": self._truth,
        }

    def answer(self, request: Mapping[str, Any]) -> Answer:
        """Carry one request out; errors become an answer too."""
        op = request.get("op")
        if not isinstance(op, str) or op not in self._ops:
            message = f"unknown op {op!r}; known: {', '.join(self._ops)}"
            return {"ok": False, "error": {"code": "UnknownOp", "message": message}}
        try:
            return {"ok": True, **self._ops[op](request)}
        except BallastError as error:
            return refusal(error)

    def _node(self, request: Mapping[str, Any]) -> Node:
        return self._plant.node(_text(request, "node"))

    def _cards(self, request: Mapping[str, Any]) -> Answer:
        node = self._node(request)
        return {"cards": [_card(*pair) for pair in zip(node.cards, node.sensed_w(), strict=True)]}

    def _set_limit(self, request: Mapping[str, Any]) -> Answer:
        card = self._node(request).card(_text(request, "uuid"))
        card.set_limit_w(_number(request, "limit_w"))
        return {"enforced_w": card.enforced_w}

    def _engine(self, request: Mapping[str, Any]) -> Answer:
        return _engine(self._node(request), self._plant.time_s)

    def _set_batch_limit(self, request: Mapping[str, Any]) -> Answer:
        engine = self._node(request).engine
        limit = request.get("batch_limit")
        if isinstance(limit, bool) or not isinstance(limit, int):
            raise InvalidMessage("batch_limit must be a whole number")
        engine.set_batch_limit(limit)
        return {"batch_limit": engine.batch_limit}

    def _set_clock(self, request: Mapping[str, Any]) -> Answer:
        free = request.get("clock_mhz") is None
        clock_mhz = None if free else _number(request, "clock_mhz")
        self._node(request).machine.set_clock_mhz(clock_mhz)
        return {"clock_mhz": clock_mhz}

    def _meter(self, request: Mapping[str, Any]) -> Answer:
        limit_id = None if request.get("limit_id") is None else _text(request, "limit_id")
        sample = self._plant.meter(limit_id)
        age_s = (self._plant.time_s - sample.time_s) / self._plant.site.speed
        return {
            "limit_id": sample.limit_id,
            "power_w": sample.power_w,
            "energy_j": sample.energy_j,
            "measured_at": (self._utc_now() - timedelta(seconds=age_s)).isoformat(),
        }

    def _reboot(self, request: Mapping[str, Any]) -> Answer:
        self._plant.reboot_host(_text(request, "node"))
        return {}

    def _truth(self, _: Mapping[str, Any]) -> Answer:
        plant = self._plant
        return {
            "simulated": True,
            "twin": twin_hash(),
            "time_s": plant.time_s,
            "seed": plant.site.seed,
            "site_power_w": plant.site_power_w(),
            "uncontrolled_w": plant.site.uncontrolled_w,
            "tokens_total": plant.tokens_total,
            "tokens_dropped": plant.tokens_dropped,
            "nodes": {node_id: _truth(node, plant.time_s) for node_id, node in plant.nodes.items()},
        }


def _card(card: Card, sensed_w: float) -> Answer:
    return {
        "uuid": card.uuid,
        "name": f"{card.spec.product} (simulated)",
        "index": card.index,
        "min_w": card.spec.min_w,
        "max_w": card.spec.max_w,
        "default_w": card.spec.default_w,
        "enforced_w": card.enforced_w,
        "power_w": sensed_w,
        "energy_mj": int(1000.0 * card.counter_j),
        "persistence": True,
    }


def _engine(node: Node, now_s: float) -> Answer:
    engine = node.engine
    return {
        "healthy": engine.healthy,
        "running": engine.running,
        "waiting": engine.waiting,
        "batch_limit": engine.batch_limit,
        "max_batch": engine.max_batch,
        "generation_tokens_total": engine.generation_tokens,
        "kv_usage": engine.kv_usage,
        "demand_tok_s": node.demand.rate_tok_s(now_s),
        **asdict(engine.latencies()),
    }


def _truth(node: Node, now_s: float) -> Answer:
    return {
        "gpu_model": node.spec.gpu_model,
        "model": node.spec.model,
        "power_w": node.power_w,
        "energy_j": node.energy_j,
        "enforced_w": sum(card.enforced_w for card in node.cards),
        "totals": asdict(node.engine.total),
        **_engine(node, now_s),
    }


def _text(request: Mapping[str, Any], key: str) -> str:
    value = request.get(key)
    if not isinstance(value, str):
        raise InvalidMessage(f"{key} must be a text")
    return value


def _number(request: Mapping[str, Any], key: str) -> float:
    value = request.get(key)
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise InvalidMessage(f"{key} must be a number")
    try:
        number = float(value)
    except OverflowError:
        number = math.inf
    if not math.isfinite(number):
        raise InvalidMessage(f"{key} must be finite")
    return number
