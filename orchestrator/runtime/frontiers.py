"""Sends every node the operating points of its deployment, retained for its next start."""

from collections.abc import Mapping

from integrations.wire import codec, topics
from orchestrator.domain.frontier import Frontier
from orchestrator.domain.topology import Topology
from orchestrator.ports import Transport


class FrontierPublisher:
    """Publishes after every refit and on every connect."""

    def __init__(self, site: str, topology: Topology, transport: Transport) -> None:
        self._site = site
        self._topology = topology
        self._transport = transport
        self._points: dict[str, Frontier] = {}

    def publish(self, points: Mapping[str, Frontier] | None = None) -> None:
        """Send to all nodes; with points, those are sent from now on. By deployment."""
        if points is not None:
            self._points = dict(points)
        for node in self._topology.nodes:
            known = self._points.get(node.deployment)
            if known is not None:
                topic = topics.node(self._site, node.id, "frontier")
                self._transport.publish(topic, codec.FRONTIER.encode(known), qos=1, retain=True)
