"""A believable site that moves with time: 12 nodes, three racks, two PDUs; all made up."""

import math
from datetime import UTC, datetime, timedelta
from typing import Any

Json = dict[str, Any]

CONTRACT_W = {
    "site": 66e3,
    "pdu-a": 44e3,
    "pdu-b": 30e3,
    "rack-a1": 22e3,
    "rack-a2": 22e3,
    "rack-b1": 22e3,
}
PARENTS = {
    "pdu-a": "site",
    "pdu-b": "site",
    "rack-a1": "pdu-a",
    "rack-a2": "pdu-a",
    "rack-b1": "pdu-b",
}
RACKS = ("rack-a1", "rack-a2", "rack-b1")
DEPLOYMENTS = ("llama-70b", "mixtral-8x22b", "qwen-72b", "llama-8b")
HOUSEKEEPING_W = 2.4e3
FOLLOW_S = 1.5


class FakeSite:
    def __init__(self, started_at: datetime) -> None:
        self.started_at = started_at
        self.armed: set[str] = set()
        self.locked: dict[str, str] = {}
        self.budgets: dict[str, Json] = {
            "evening-peak": {
                "id": "evening-peak",
                "limit_id": "site",
                "limit_w": 54e3,
                "start": "17:00",
                "end": "21:00",
                "days": [0, 1, 2, 3, 4],
                "timezone": "Europe/Berlin",
            }
        }
        self.policy: Json = {
            "carbon_above_g_per_kwh": 350.0,
            "carbon_limit_w": 56e3,
            "price_above_per_mwh": None,
            "price_limit_w": None,
        }
        self.snapshots = 0
        self.events: list[Json] = [_past_event(started_at)]
        self.decisions: dict[str, Json] = {}
        for number in range(4):
            self._decide("telemetry: a new frontier", started_at - timedelta(minutes=4 - number))

    def snapshot(self, at: datetime) -> Json:
        self.snapshots += 1
        ceiling_w = self.ceiling(at)[0]
        nodes = [self._node(number, at) for number in range(12)]
        limits = [self._limit(limit_id, nodes, at) for limit_id in CONTRACT_W]
        armed = [rack for rack in RACKS if rack in self.armed]
        mode = "shadow" if not armed else "armed" if len(armed) == len(RACKS) else "partly armed"
        return {
            "at": at.isoformat(),
            "site": "demo-site",
            "mode": mode,
            "simulated": True,
            "epoch": 7,
            "raises_held_s": 0.0,
            "ceiling_w": ceiling_w,
            "exposure_w": limits[0]["exposure_w"],
            "metered_w": limits[0]["metered_w"],
            "tok_s": sum(node["tok_s"] for node in nodes),
            "itl_p95_ms": nodes[0]["itl_p95_ms"],
            "decision_id": list(self.decisions)[-1],
            "decisions": len(self.decisions),
            "limits": limits,
            "nodes": nodes,
            "events": self.event_list(at),
            "next_change_at": (at + timedelta(minutes=37)).isoformat(),
        }

    def ceiling(self, at: datetime) -> tuple[float, str]:
        found = [(CONTRACT_W["site"], "contract limit")]
        for event in self.events:
            if _covers(event, at):
                name = f"{event['key']['source']}/{event['key']['id']}"
                found.append((event["limit_w"], f"{event['kind']} {name}"))
        found.extend(
            (budget["limit_w"], f"operator's budget {budget['id']}")
            for budget in self.budgets.values()
            if budget["limit_id"] == "site" and budget["start"] == budget["end"]
        )
        return min(found)

    def metered_w(self, at: datetime) -> float:
        wave = math.sin(at.timestamp() / 47) + 0.4 * math.sin(at.timestamp() / 5.3)
        wanted_w = 60.5e3 + 1.1e3 * wave
        held_w = self.ceiling(at - timedelta(seconds=FOLLOW_S))[0] - 900 + 250 * wave
        return min(wanted_w, held_w)

    def history(self, at: datetime) -> list[Json]:
        moments = (at - timedelta(seconds=left) for left in range(900, 0, -1))
        return [self._moment(moment) for moment in moments]

    def event_list(self, at: datetime) -> list[Json]:
        return [event | {"status": _status(event, at)} for event in reversed(self.events)]

    def add_event(self, asked: Json, at: datetime) -> Json:
        baseline_w = self.metered_w(at)
        starts_at = datetime.fromisoformat(asked.get("starts_at") or at.isoformat())
        value = asked.get("value", 0.0)
        limit_w = (1 - value) * baseline_w if asked["kind"] == "reduction" else value * 1e3
        event = {
            "key": {"source": "operator", "id": f"event-{len(self.events)}"},
            "kind": asked["kind"],
            "limit_id": asked.get("limit_id") or "site",
            "status": "active",
            "received_at": at.isoformat(),
            "starts_at": starts_at.isoformat(),
            "ends_at": (starts_at + timedelta(seconds=asked["duration_s"])).isoformat(),
            "limit_w": limit_w if asked["kind"] != "emergency" else 30e3,
            "baseline_w": baseline_w,
            "ended_at": None,
            "guaranteed": True,
        }
        self.events.append(event)
        self._decide(f"{asked['kind']} operator/{event['key']['id']} started", at)
        return event

    def cancel_event(self, source: str, event_id: str, at: datetime) -> Json:
        event = next(e for e in self.events if e["key"] == {"source": source, "id": event_id})
        event["ended_at"], event["cancelled"] = at.isoformat(), True
        return event

    def decision_list(self) -> list[Json]:
        return [_summary(decision) for decision in reversed(self.decisions.values())]

    def timeline(self, at: datetime) -> list[Json]:
        edges = [at + timedelta(hours=hour) for hour in (0, 3, 7, 11, 24)]
        tops = [(66e3, "contract"), (54e3, "operator's budget evening-peak")] * 2
        return [
            {
                "starts_at": edges[i].isoformat(),
                "ends_at": edges[i + 1].isoformat(),
                "limits": {
                    limit_id: {"limit_w": contract_w, "reason": "contract"}
                    for limit_id, contract_w in CONTRACT_W.items()
                }
                | {"site": {"limit_w": tops[i][0], "reason": tops[i][1]}},
            }
            for i in range(4)
        ]

    def _moment(self, at: datetime) -> Json:
        metered_w = self.metered_w(at)
        return {
            "at": at.isoformat(),
            "metered_w": metered_w,
            "ceiling_w": self.ceiling(at)[0],
            "exposure_w": self._exposure_w(at),
            "tok_s": metered_w * 0.47,
            "itl_p95_ms": 2.1e6 / metered_w,
        }

    def _exposure_w(self, at: datetime) -> float:
        return min(64.6e3, self.ceiling(at - timedelta(seconds=FOLLOW_S))[0] - 400)

    def _node(self, number: int, at: datetime) -> Json:
        rack = RACKS[number // 4]
        share = (0.9 + 0.018 * number) / 12
        draw_w = (self.metered_w(at) - HOUSEKEEPING_W) * share
        limit_w = (self._exposure_w(at) - HOUSEKEEPING_W) * share / 1.05 - 350
        node_id = f"node-{number + 1:02}"
        status = "locked" if node_id in self.locked else "following"
        if rack not in self.armed and status != "locked":
            status = "shadow"
        return {
            "id": node_id,
            "limit": rack,
            "path": [rack, PARENTS[rack], "site"],
            "deployment": DEPLOYMENTS[number % 4],
            "tier": number % 4,
            "status": status,
            "limit_w": round(limit_w, 1),
            "charged_w": round(limit_w, 1),
            "target_w": round(limit_w, 1),
            "enforced_w": round(limit_w, 0),
            "power_w": draw_w,
            "tok_s": draw_w * 0.48,
            "itl_p95_ms": 2.1e6 / self.metered_w(at) + number / 10,
            "ttft_p95_ms": 240.0,
            "running": 41 + number,
            "waiting": number % 3,
            "batch_limit": 64,
            "lease": "held, 8 s left",
            "reason": self.locked.get(
                node_id, "pdu-a is full (44.0 kW), where the next watt is worth 0.41 tok/s"
            ),
            "age_s": 0.3 + (at.timestamp() + number / 3) % 0.6,
        }

    def _limit(self, limit_id: str, nodes: list[Json], at: datetime) -> Json:
        below = [node for node in nodes if limit_id in node["path"]]
        house_w = HOUSEKEEPING_W * len(below) / 12
        ceiling_w, reason = CONTRACT_W[limit_id], "contract"
        if limit_id == "site":
            ceiling_w, reason = self.ceiling(at)
        return {
            "id": limit_id,
            "kind": "facility" if limit_id == "site" else limit_id.split("-", maxsplit=1)[0],
            "parent": PARENTS.get(limit_id),
            "contract_w": CONTRACT_W[limit_id],
            "ceiling_w": ceiling_w,
            "reason": reason,
            "exposure_w": house_w + sum((n["limit_w"] + 350) * 1.05 for n in below),
            "metered_w": house_w + sum(n["power_w"] for n in below),
            "armed": limit_id in self.armed,
        }

    def _decide(self, cause: str, at: datetime) -> None:
        decision_id = f"d-{len(self.decisions) + 1:05}"
        ceiling_w, reason = self.ceiling(at)
        nodes = [self._node(number, at) for number in range(12)]
        bounds = {
            limit_id: {"limit_id": limit_id, "limit_w": w, "reason": "contract", "key": None}
            for limit_id, w in CONTRACT_W.items()
        }
        bounds["site"] |= {"limit_w": ceiling_w, "reason": reason}
        self.decisions[decision_id] = {
            "id": decision_id,
            "decided_at": at.astimezone(UTC).isoformat(),
            "cause": cause,
            "inputs": {
                "topology": {
                    "limits": [
                        {"id": limit_id, "parent": PARENTS.get(limit_id)} for limit_id in CONTRACT_W
                    ],
                    "nodes": [{"id": node["id"], "limit": node["limit"]} for node in nodes],
                },
                "bounds": bounds,
                "fixed": {"node-12": {"limit_w": 4.2e3, "reason": "silent for 12 s"}},
                "shadow": not self.armed,
            },
            "outcome": {
                "targets": [_target(node) for node in nodes],
                "objective": 27310.4,
                "upper_bound": 27311.9,
                "prices": {"site": 0.41, "pdu-b": 0.12},
                "unmet": [],
            },
        }


def _target(node: Json) -> Json:
    return {
        "node": node["id"],
        "limit_w": node["limit_w"],
        "draw_w": node["limit_w"] * 1.05 + 350,
        "tok_s": node["tok_s"],
        "reason": "site is full (63.6 kW), where the next watt is worth 0.41 tok/s and 0.37 here",
    }


def _summary(decision: Json) -> Json:
    outcome = decision["outcome"]
    return {name: decision[name] for name in ("id", "decided_at", "cause")} | {
        "epoch": 7,
        "shadow": decision["inputs"]["shadow"],
        "objective_tok_s": outcome["objective"],
        "upper_bound_tok_s": outcome["upper_bound"],
        "unmet": "\n".join(outcome["unmet"]),
    }


def _covers(event: Json, at: datetime) -> bool:
    ends_at = event["ended_at"] or event["ends_at"]
    return datetime.fromisoformat(event["starts_at"]) <= at < datetime.fromisoformat(ends_at)


def _status(event: Json, at: datetime) -> str:
    if event.get("cancelled"):
        return "cancelled"
    if at < datetime.fromisoformat(event["starts_at"]):
        return "scheduled"
    return "active" if _covers(event, at) else "completed"


def _past_event(at: datetime) -> Json:
    starts_at, ends_at = at - timedelta(minutes=9), at - timedelta(minutes=6)
    return {
        "key": {"source": "dsx-flex", "id": "3f2b8c1e"},
        "kind": "limit",
        "limit_id": "site",
        "received_at": starts_at.isoformat(),
        "starts_at": starts_at.isoformat(),
        "ends_at": ends_at.isoformat(),
        "limit_w": 44.1e3,
        "baseline_w": 60.9e3,
        "ended_at": ends_at.isoformat(),
        "guaranteed": True,
        "delivered_w": 17.6e3,
        "excess_ws": 0.0,
    }
