"""A small simulated site of real processes that faults are tried on, near its limit."""

import time
from contextlib import ExitStack
from pathlib import Path
from tempfile import TemporaryDirectory

from orchestrator.bench.failover import network
from orchestrator.bench.failover.leases import LeaseLog
from orchestrator.bench.failover.network import Network
from orchestrator.bench.failover.truth import PlantLog
from orchestrator.demo.client import ServiceClient
from orchestrator.demo.facility import SITE
from orchestrator.demo.measure import mean_w
from orchestrator.demo.run import steady
from orchestrator.demo.site_processes import Options, SiteProcesses, free_port
from orchestrator.domain.errors import Unavailable

NODES = 4
START_S = 60.0
SETTLE_S = 60.0
LIMIT, CUT = 0.90, 0.70
BUSY = 0.90
BUDGET = "faults"


class Stage:
    """Plant, service, broker and agents; open() brings them to a busy state near limit_w."""

    def __init__(self, database_url: str | None) -> None:
        self._stack = ExitStack()
        self._database_url = database_url
        self.full_w = 0.0

    def open(self) -> None:
        """Start everything. Raises Unavailable; close() is due in any case."""
        folder = Path(self._stack.enter_context(TemporaryDirectory(prefix="ballast-failover-")))
        options = Options(folder, free_port(), 1, self._database_url, None, NODES)
        self.processes = SiteProcesses(options)
        self._stack.callback(self.processes.stop)
        self.processes.start_plant()
        self.network = self._join()
        self.processes.start_service()
        self.processes.wait_broker()
        for node in self.processes.site.nodes:
            self.processes.start_agent(node.id)
        self.client = ServiceClient(f"http://127.0.0.1:{options.http_port}")
        self._stack.callback(self.client.close)
        self._begin()

    def close(self) -> None:
        """End every process of it, and remove its files."""
        self._stack.close()

    @property
    def limit_w(self) -> float:
        """What the site keeps to before a cut."""
        return round(LIMIT * self.full_w, 1)

    @property
    def cut_w(self) -> float:
        """What it keeps to afterwards."""
        return round(CUT * self.full_w, 1)

    def settle(self) -> None:
        """Until every node follows and the site uses what it may. Raises Unavailable."""
        self.sign_in()
        self.client.limit(BUDGET, self.processes.site.root, self.limit_w)
        deadline_s = time.monotonic() + SETTLE_S
        while time.monotonic() < deadline_s:
            if self._is_settled():
                return
            time.sleep(0.2)
        raise Unavailable(f"the site has not come to rest within {SETTLE_S:.0f} s")

    def cut(self) -> None:
        """Let the operator lower the limit."""
        self.client.limit(BUDGET, self.processes.site.root, self.cut_w)

    def sign_in(self) -> None:
        """Wait for the service and sign in anew: it may have been restarted."""
        self.client.wait_ready(START_S)
        self.client.sign_in("admin", self.processes.admin_password())

    def _join(self) -> Network | None:
        """Put the agents on a network of their own where that can be done."""
        if network.unavailable():
            return None
        found = Network(self.processes.broker, self.processes.twin)
        self._stack.callback(found.close)
        # Agents end before their network goes.
        self._stack.callback(self.processes.stop)
        self.processes.vantage = found.open()
        return found

    def _begin(self) -> None:
        self.sign_in()
        self.client.arm(self.processes.site.root)
        deadline_s = time.monotonic() + SETTLE_S
        while not steady(self.client.facility()):
            if time.monotonic() > deadline_s:
                raise Unavailable(f"no steady state within {SETTLE_S:.0f} s of the start")
            time.sleep(0.5)
        self.log = self._stack.enter_context(PlantLog(self.processes.twin))
        leases = LeaseLog(SITE, self.processes.service_address())
        self.leases = self._stack.enter_context(leases)
        time.sleep(5.0)
        self.full_w = mean_w(self.log.between(0.0, time.monotonic()))

    def _is_settled(self) -> bool:
        snapshot = self.client.facility()
        ceiling_w, metered_w = snapshot["ceiling_w"], snapshot["metered_w"]
        busy = metered_w is not None and metered_w > BUSY * ceiling_w
        return bool(steady(snapshot) and ceiling_w > self.cut_w + 1.0 and busy)
