"""Puts the demo's processes together: plant, service, agents, and the utility."""

import contextlib
import json
import secrets
import socket
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from integrations.grid.dsx_jws import load_signing_key, new_signing_key, private_pem, public_pem
from integrations.messaging.access import (
    feed_principal,
    node_principal,
    orchestrator_principal,
)
from integrations.messaging.transport import MqttAddress
from integrations.twin.demo_site import demo_site
from integrations.twin.site import TwinSite, dump_site
from integrations.twin.sweep import (
    default_batches,
    default_caps_w,
    profile_samples,
    write_profile_csv,
)
from orchestrator.demo.client import nothing
from orchestrator.demo.facility import SITE, UTILITY, agent, facility
from orchestrator.demo.processes import Child, stop_all
from orchestrator.domain.errors import PortInUse, Unavailable
from orchestrator.runtime.credentials import ensure_secret
from orchestrator.runtime.folders import make_folder

START_S = 30.0
HOST = "127.0.0.1"
FIRST_PORT, PORTS = 20_000, 12_000
PORT_TRIES = 100


@dataclass(frozen=True, slots=True)
class Options:
    """What the user chose.

    broker: an external one's host and port, None for the embedded. nodes: how many of the demo's
    nodes there are, None for all.
    """

    data_dir: Path
    http_port: int
    seed: int
    database_url: str | None
    broker: tuple[str, int] | None
    nodes: int | None = None


@dataclass(frozen=True, slots=True)
class Vantage:
    """Where agents run: a program that starts them, and where they see the broker and the plant."""

    prefix: tuple[str, ...]
    broker: tuple[str, int]
    twin: tuple[str, int]


@dataclass(slots=True)
class SiteProcesses:
    """All children of the demo; stop() leaves none of them."""

    options: Options
    site: TwinSite = field(init=False)
    broker: tuple[str, int] = field(init=False)
    twin: tuple[str, int] = field(init=False)
    plant: Child = field(init=False)
    service: Child = field(init=False)
    agents: dict[str, Child] = field(default_factory=dict)
    vantage: Vantage | None = None
    _children: list[Child] = field(default_factory=list)

    def __post_init__(self) -> None:
        site = demo_site(self.options.seed)
        self.site = replace(site, nodes=site.nodes[: self.options.nodes])
        self.broker = self.options.broker or (HOST, free_port())
        for name in ("logs", "config", "journals", "profiles"):
            make_folder(self.options.data_dir / name)

    def start_plant(self) -> None:
        """The simulated site, in its own process."""
        path = self._write("site.json", json.loads(dump_site(self.site)))
        arguments = ["orchestrator.cli", "twin", "serve", "--site", str(path)]
        self.plant = self._child("twin", arguments, speaks=True)
        self.twin = (HOST, int(json.loads(self.plant.first_line(START_S))["port"]))

    def start_service(self) -> None:
        """`ballast serve` on the demo's configuration; started anew after it was killed."""
        config = self.write_config(self.twin)
        self.service = self._child(
            "service", ["orchestrator.cli", "serve", "--config", str(config)]
        )

    def wait_broker(self, check: Callable[[], None] = nothing) -> None:
        """Return when the broker accepts connections. Raises Unavailable, and what check raises."""
        deadline = time.monotonic() + START_S
        while time.monotonic() < deadline:
            check()
            with contextlib.suppress(OSError), socket.create_connection(self.broker, 0.5):
                return
            time.sleep(0.05)
        raise Unavailable(f"no broker answers at {self.broker[0]}:{self.broker[1]}{self._advice()}")

    def start_agent(self, node: str) -> None:
        """The real agent for one node."""
        spec = next(spec for spec in self.site.nodes if spec.id == node)
        name = node_principal(SITE, node).name
        ensure_secret(self._secrets, name)
        seen = self.vantage or Vantage((), self.broker, self.twin)
        broker = {
            "broker_host": seen.broker[0],
            "broker_port": seen.broker[1],
            "broker_user": name,
            "broker_password_file": str(self._secrets / name),
        }
        config = agent(spec, self.options.data_dir, seen.twin, broker)
        path = self._write_toml(f"{node}.toml", config)
        arguments = ["agents.cli", "run", "--config", str(path)]
        self.agents[node] = self._child(node, arguments, prefix=seen.prefix)

    def publish_event(self, limit_w: float, duration_s: float) -> Mapping[str, Any]:
        """Let the utility publish its load target; returns what it printed."""
        name = feed_principal(SITE, UTILITY, UTILITY).name
        arguments = {
            "--host": self.broker[0],
            "--port": str(self.broker[1]),
            "--username": name,
            "--password-file": str(self._secrets / name),
            "--isv": UTILITY,
            "--limit-w": f"{limit_w:.1f}",
            "--duration-s": f"{duration_s:g}",
            "--key": str(self._utility_key()),
        }
        words = [word for pair in arguments.items() for word in pair]
        child = self._child("utility", ["orchestrator.demo.utility", *words], speaks=True)
        return dict(json.loads(child.first_line(START_S)))

    def admin_password(self) -> str:
        """How to sign in as admin."""
        return ensure_secret(self._secrets, "admin")

    def service_address(self) -> MqttAddress:
        """The broker as the service sees it: who signs in so may hear all that nodes say."""
        name = orchestrator_principal(SITE).name
        password = ensure_secret(self._secrets, name)
        return MqttAddress(
            host=self.broker[0], port=self.broker[1], username=name, password=password
        )

    def stop(self) -> None:
        """End everything: agents and utility first, then the service, the plant last."""
        stop_all([c for c in self._children if c.name not in ("twin", "service")])
        stop_all([c for c in self._children if c.name == "service"])
        stop_all(self._children)

    def check(self) -> None:
        """Raise Unavailable when the plant or the service has ended by itself."""
        for child in (self.plant, self.service):
            if not child.running():
                raise Unavailable(f"{child.name} ended: {child.last_words()}")

    @property
    def _secrets(self) -> Path:
        return self.options.data_dir / "secrets"

    def write_config(self, twin: tuple[str, int]) -> Path:
        """Write the service's configuration; twin is where the plant listens."""
        config = facility(
            self.site, self.options.data_dir, twin, self._profiles(), self._public_key()
        )
        config["http"] = {"host": HOST, "port": self.options.http_port}
        config["broker"] = {"mode": "embedded", "host": HOST, "port": self.broker[1]}
        if self.options.broker:
            config["broker"] |= {"mode": "external", "host": self.broker[0]}
        if self.options.database_url:
            config["database_url"] = self.options.database_url
        return self._write("service.json", config)

    def _advice(self) -> str:
        if self.options.broker is None:
            return ""
        config = self.options.data_dir / "config" / "service.json"
        return (
            f"; for a Mosquitto: ballast broker-files FOLDER --config {config} "
            f"--port {self.broker[1]}"
        )

    def _profiles(self) -> list[Path]:
        found = []
        for node in {spec.deployment: spec for spec in self.site.nodes}.values():
            path = self.options.data_dir / "profiles" / f"{node.deployment}.csv"
            if not path.exists():
                rows = profile_samples(
                    node.gpu_model,
                    node.model,
                    node.gpus,
                    caps_w=default_caps_w(node.gpu_model),
                    batches=default_batches(node.model, node.gpus, node.gpu_model),
                    repeats=2,
                    seed=self.site.seed,
                )
                write_profile_csv(path, rows)
            found.append(path)
        return found

    def _utility_key(self) -> Path:
        path = self._secrets / "utility.pem"
        if not path.exists():
            path.touch(mode=0o600)
            path.write_bytes(private_pem(new_signing_key(UTILITY)))
        return path

    def _public_key(self) -> Path:
        self._secrets.mkdir(mode=0o700, parents=True, exist_ok=True)
        key = load_signing_key(UTILITY, self._utility_key().read_bytes())
        path = self.options.data_dir / "config" / "utility-public.pem"
        path.write_bytes(public_pem(key))
        return path

    def _write(self, name: str, content: Mapping[str, Any]) -> Path:
        path = self.options.data_dir / "config" / name
        path.write_text(json.dumps(content, indent=2), encoding="utf-8")
        return path

    def _write_toml(self, name: str, content: Mapping[str, Any]) -> Path:
        path = self.options.data_dir / "config" / name
        lines = [f"{key} = {json.dumps(value)}\n" for key, value in content.items()]
        path.write_text("".join(lines), encoding="utf-8")
        return path

    def _child(
        self,
        name: str,
        arguments: list[str],
        *,
        speaks: bool = False,
        prefix: tuple[str, ...] = (),
    ) -> Child:
        log = self.options.data_dir / "logs" / f"{name}.log"
        child = Child(name, arguments, log, speaks=speaks, prefix=prefix)
        self._children.append(child)
        return child


def free_port() -> int:
    """A TCP port on loopback that is free now, and that no outgoing connection is given later."""
    for _ in range(PORT_TRIES):
        port = FIRST_PORT + secrets.randbelow(PORTS)
        with socket.socket() as probe, contextlib.suppress(OSError):
            probe.bind((HOST, port))
            return port
    raise PortInUse(f"no port from {FIRST_PORT} to {FIRST_PORT + PORTS} is free")


def claim_http_port(port: int) -> None:
    """Raise PortInUse when somebody listens on the dashboard's port already."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((HOST, port))
        except OSError as error:
            raise PortInUse(f"port {port} is in use; choose another with --port") from error
