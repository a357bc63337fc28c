"""The demo's site with everything real in it, an operator's hands on it, and the plant's truth."""

import os
import signal
import time
from pathlib import Path
from typing import Any

import httpx

from integrations.twin.client import TwinConnection
from orchestrator.bench.failover.truth import PlantLog
from orchestrator.demo.client import ServiceClient
from orchestrator.demo.measure import mean_w
from orchestrator.demo.run import steady
from orchestrator.demo.site_processes import Options, SiteProcesses
from tests.programs import free_port
from tests.scenario.commands import until

START_S = 60.0
STEADY_S = 40.0
TTL_S = 8.0
RACKS = ("rack-1", "rack-2", "rack-3")
NOISE = 0.01


class LiveSite:
    """Plant, service and twelve agents, each a process; the facility starts in shadow."""

    def __init__(self, folder: Path) -> None:
        self.processes = SiteProcesses(Options(folder, free_port(), 1, None, None))
        self.database = f"sqlite:///{folder / 'ballast.db'}"
        url = f"http://127.0.0.1:{self.processes.options.http_port}"
        self._client = ServiceClient(url)
        self.http = httpx.Client(base_url=f"{url}/api/v1", timeout=10.0)

    def start(self) -> None:
        self.processes.start_plant()
        self.processes.start_service()
        self.processes.wait_broker()
        for node in self.processes.site.nodes:
            self.processes.start_agent(node.id)
        self.sign_in()

    def sign_in(self) -> None:
        """Wait for the service and open a session, as after every start of it."""
        self._client.wait_ready(START_S, self.processes.check)
        body = {"user": "admin", "password": self.processes.admin_password()}
        answer = self.http.post("/session", json=body)
        self.http.headers["Authorization"] = f"Bearer {answer.json()['token']}"

    def stop(self) -> None:
        self._client.close()
        self.http.close()
        self.processes.stop()

    def watch(self) -> PlantLog:
        return PlantLog(self.processes.twin)

    def plant(self, op: str, **fields: Any) -> dict[str, Any]:
        """Ask the plant something once."""
        connection = TwinConnection(*self.processes.twin)
        try:
            return connection.call(op, **fields)
        finally:
            connection.close()

    def reboot_host(self, node: str) -> None:
        """What a reboot does: agent and watchdog are gone, cards are at their default."""
        agent = self.processes.agents[node]
        children = Path(f"/proc/{agent.pid}/task/{agent.pid}/children").read_text()
        for watchdog in children.split():
            os.kill(int(watchdog), signal.SIGKILL)
        agent.signal(signal.SIGKILL)
        assert agent.wait(10.0)
        self.plant("reboot", node=node)

    def enforced_w(self) -> dict[str, float]:
        """The sums of limits that the cards enforce, by node."""
        nodes: dict[str, Any] = self.plant("truth")["nodes"]
        return {name: node["enforced_w"] for name, node in nodes.items()}

    def metered_w(self) -> float:
        return float(self.plant("meter", limit_id=None)["power_w"])

    def get(self, path: str) -> Any:
        answer = self.http.get(path)
        assert answer.is_success, answer.text
        return answer.json()

    def put(self, path: str, body: dict[str, Any]) -> Any:
        answer = self.http.put(path, json=body)
        assert answer.is_success, answer.text
        return answer.json() if answer.content else None

    def post(self, path: str, body: dict[str, Any]) -> Any:
        answer = self.http.post(path, json=body)
        assert answer.is_success, answer.text
        return answer.json()

    def delete(self, path: str) -> None:
        answer = self.http.delete(path)
        assert answer.is_success, answer.text

    def facility(self) -> dict[str, Any]:
        return dict(self.get("/facility"))

    def node(self, name: str) -> dict[str, Any]:
        """A node in the snapshot of now."""
        return next(node for node in self.facility()["nodes"] if node["id"] == name)

    def arm(self, limit_id: str) -> None:
        self.put(f"/limits/{limit_id}/arming", {"armed": True})

    def wait_steady(self) -> None:
        """Until every node follows and provably holds what it should."""
        until(
            lambda: steady(self.facility()) and self.keeps_ceiling(),
            STEADY_S,
            "every node follows its target",
        )

    def keeps_ceiling(self) -> bool:
        """Whether the site could not draw more than it may, whatever happens."""
        facility = self.facility()
        return bool(facility["exposure_w"] <= facility["ceiling_w"])

    def wait_ceiling(self, limit_w: float, within_s: float = 10.0) -> None:
        """Until this is what the facility may draw."""
        until(
            lambda: abs(self.facility()["ceiling_w"] - limit_w) < 1.0,
            within_s,
            f"a ceiling of {limit_w:.0f} W, not {self.facility()['ceiling_w']:.0f} W",
        )

    def wait_power_under(self, limit_w: float, within_s: float = 10.0) -> None:
        until(lambda: self.metered_w() <= limit_w, within_s, f"power under {limit_w:.0f} W")

    def curtail(
        self, log: PlantLog, duration_s: float, fraction: float = 0.7
    ) -> tuple[float, float]:
        """Let the utility ask for less; returns the limit in watts and the second it ends."""
        now_s = time.monotonic()
        limit_w = fraction * mean_w(log.between(now_s - 5.0, now_s))
        published = self.processes.publish_event(limit_w, duration_s)
        self.wait_ceiling(round(limit_w, 1))
        self.wait_power_under(limit_w)
        return limit_w, float(published["published_s"]) + duration_s
