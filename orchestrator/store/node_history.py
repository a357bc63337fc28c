"""What nodes reported lately, for refits."""

from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import Engine, select

from orchestrator.domain.telemetry import NodeSample
from orchestrator.store.engine import reading
from orchestrator.store.record_tables import node_samples


class NodeHistory:
    """Reads samples of nodes."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def recent(self, nodes: Sequence[str], since: datetime) -> list[NodeSample]:
        """The samples of some nodes from a moment on, by node and then by time."""
        columns = [node_samples.c[name] for name in NodeSample.__slots__]
        query = select(*columns).where(node_samples.c.node.in_(nodes), node_samples.c.at >= since)
        with reading(self._engine) as connection:
            rows = connection.execute(query.order_by(node_samples.c.node, node_samples.c.at))
            return [NodeSample(**row) for row in rows.mappings()]
