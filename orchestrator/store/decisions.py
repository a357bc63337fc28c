"""Decisions with all that is needed to replay them, byte for byte."""

import json
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Engine, RowMapping, select

from orchestrator.domain.decision import Decision, DecisionInputs, Outcome, Target
from orchestrator.domain.errors import NotFound
from orchestrator.domain.timeline import Bound
from orchestrator.store.canonical import decode, dumps, encode
from orchestrator.store.engine import reading, writing
from orchestrator.store.inserts import insert_or_ignore
from orchestrator.store.record_tables import decision_nodes, decisions
from orchestrator.store.tables import documents
from orchestrator.store.topologies import keep_document


@dataclass(frozen=True, slots=True)
class DecisionSummary:
    """A decision without its inputs and targets."""

    id: str
    decided_at: datetime
    epoch: int
    cause: str
    shadow: bool
    objective_tok_s: float
    upper_bound_tok_s: float
    unmet: str


class Decisions:
    """Decisions by id. The topology and frontiers among their inputs are stored once by hash."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def add(self, decision: Decision, epoch: int) -> None:
        """Store a decision of a leader; a repeat changes nothing."""
        rows = [_node_row(decision, target) for target in decision.outcome.targets]
        with writing(self._engine) as connection:
            row = _row(connection, decision, epoch)
            insert_or_ignore(connection, decisions, [row])
            insert_or_ignore(connection, decision_nodes, rows)

    def get(self, decision_id: str) -> Decision:
        """The decision as it was made. Raises NotFound."""
        with reading(self._engine) as connection:
            query = select(decisions).where(decisions.c.id == decision_id)
            row = connection.execute(query).mappings().one_or_none()
            if row is None:
                raise NotFound(f"no decision has the id {decision_id!r}")
            inputs = decode(DecisionInputs, _inputs_text(connection, row))
        outcome = decode(Outcome, row["outcome"])
        return Decision(row["id"], row["decided_at"], row["cause"], inputs, outcome)

    def inputs_text(self, decision_id: str) -> str:
        """The inputs as canonical JSON, complete. Raises NotFound."""
        return encode(self.get(decision_id).inputs)

    def outcome_text(self, decision_id: str) -> str:
        """The outcome as canonical JSON. Raises NotFound."""
        return encode(self.get(decision_id).outcome)

    def recent(self, count: int, before: datetime | None = None) -> list[DecisionSummary]:
        """The latest decisions, newest first."""
        columns = [decisions.c[name] for name in DecisionSummary.__slots__]
        query = select(*columns).order_by(decisions.c.decided_at.desc(), decisions.c.id.desc())
        if before is not None:
            query = query.where(decisions.c.decided_at < before)
        with reading(self._engine) as connection:
            rows = connection.execute(query.limit(count)).mappings()
            return [DecisionSummary(**row) for row in rows]


def _row(connection: Connection, decision: Decision, epoch: int) -> dict[str, Any]:
    inputs = json.loads(encode(decision.inputs))
    inputs["topology"] = keep_document(connection, dumps(inputs["topology"]))
    frontiers = inputs["frontiers"]
    inputs["frontiers"] = {
        deployment: keep_document(connection, dumps(body)) for deployment, body in frontiers.items()
    }
    outcome = decision.outcome
    return {
        "id": decision.id,
        "decided_at": decision.decided_at,
        "epoch": epoch,
        "cause": decision.cause,
        "shadow": decision.inputs.shadow,
        "topology_sha256": inputs["topology"],
        "model_versions": dumps({name: body["model_version"] for name, body in frontiers.items()}),
        "inputs": dumps(inputs),
        "outcome": encode(outcome),
        "objective_tok_s": outcome.objective,
        "upper_bound_tok_s": outcome.upper_bound,
        "unmet": "\n".join(outcome.unmet),
    }


def _node_row(decision: Decision, target: Target) -> dict[str, Any]:
    bound = _bound(decision, target)
    key = bound.key if bound else None
    return {
        "decision_id": decision.id,
        "node": target.node,
        "limit_w": target.limit_w,
        "draw_w": target.draw_w,
        "tok_s": target.tok_s,
        "reason": target.reason,
        "bound_limit_id": bound.limit_id if bound else None,
        "signal_source": key.source if key else None,
        "signal_id": key.id if key else None,
    }


def _bound(decision: Decision, target: Target) -> Bound | None:
    """The limit above the node at which one more watt would buy most; None if it is not bound."""
    inputs, prices = decision.inputs, decision.outcome.prices
    if target.node in inputs.fixed:
        return None
    path = inputs.topology.path_of[target.node]
    dearest = max(path, key=lambda limit_id: prices.get(limit_id, 0.0))
    return inputs.bounds.get(dearest) if prices.get(dearest, 0.0) > 0 else None


def _inputs_text(connection: Connection, row: RowMapping) -> str:
    """The inputs with the documents back in the places of their hashes."""
    inputs = json.loads(row["inputs"])
    hashes = {inputs["topology"], *inputs["frontiers"].values()}
    query = select(documents.c.sha256, documents.c.body).where(documents.c.sha256.in_(hashes))
    bodies = {sha256: json.loads(body) for sha256, body in connection.execute(query)}
    inputs["topology"] = bodies[inputs["topology"]]
    inputs["frontiers"] = {name: bodies[sha256] for name, sha256 in inputs["frontiers"].items()}
    return dumps(inputs)
