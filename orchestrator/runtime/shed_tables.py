"""Sends every node its row of the site's shed table, retained for its next start."""

from integrations.wire import codec, topics
from orchestrator.domain.shed_table import shed_table
from orchestrator.domain.topology import Topology
from orchestrator.ports import Transport


class ShedTablePublisher:
    """Publishes on every connect, and when the topology changes."""

    def __init__(self, site: str, topology: Topology, transport: Transport) -> None:
        self._site = site
        self._topology = topology
        self._transport = transport

    def publish(self, topology: Topology | None = None) -> None:
        """Send to all nodes; with a topology, its table is sent from now on."""
        if topology is not None:
            self._topology = topology
        table = shed_table(self._topology)
        for node in self._topology.nodes:
            topic = topics.node(self._site, node.id, "shed-table")
            row = codec.NODE_TABLE.encode(table.of(node.id))
            self._transport.publish(topic, row, qos=1, retain=True)
