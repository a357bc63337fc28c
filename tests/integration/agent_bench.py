"""One real agent process between a real broker and the simulated plant."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from integrations.messaging.access import Credential, node_principal, orchestrator_principal
from integrations.messaging.embedded import EmbeddedBroker
from integrations.messaging.mqtt import MqttTransport
from integrations.messaging.transport import MqttAddress
from integrations.twin.client import TwinConnection, TwinGpus
from integrations.wire import codec, topics
from orchestrator.domain.setpoint import Ack, Fence, Setpoint
from orchestrator.domain.shed import NodeTable, Shed
from orchestrator.domain.telemetry import Description, Telemetry

SITE, NODE = "hall-1", "node-01"
FAIL_SAFE_W = 2400.0
PASSWORD = "secret-of-the-node"


def eventually(holds: Callable[[], bool], within_s: float = 5.0) -> float:
    """Seconds until the condition held; fails when it does not in time."""
    begin_s = time.monotonic()
    while not holds():
        assert time.monotonic() - begin_s < within_s, "it did not happen in time"
        time.sleep(0.01)
    return time.monotonic() - begin_s


class Plant:
    """The simulated plant in its own process."""

    def __init__(self) -> None:
        command = [sys.executable, "-m", "integrations.twin.process", "--port", "0", "--seed", "7"]
        self._process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        assert self._process.stdout is not None
        self.port = int(json.loads(self._process.stdout.readline())["port"])
        self._connection = TwinConnection("127.0.0.1", self.port)
        self.gpus = TwinGpus(self._connection, NODE)

    def caps_w(self) -> list[float]:
        return [card.enforced_w for card in self.gpus.read()]

    def power_w(self) -> float:
        return sum(card.power_w for card in self.gpus.read())

    def reset(self) -> None:
        for card in self.gpus.read():
            self.gpus.set_limit_w(card.uuid, card.default_w)

    def stop(self) -> None:
        self._connection.close()
        self._process.send_signal(signal.SIGTERM)
        self._process.communicate(timeout=10)


def start_broker(folder: Path) -> EmbeddedBroker:
    credentials = (
        Credential(node_principal(SITE, NODE), PASSWORD),
        Credential(orchestrator_principal(SITE), PASSWORD),
    )
    broker = EmbeddedBroker(folder, credentials)
    broker.start()
    return broker


class Desk:
    """An orchestrator's end of the wire: sends setpoints, keeps what the node reports."""

    def __init__(self, port: int) -> None:
        principal = orchestrator_principal(SITE)
        address = MqttAddress(
            host="127.0.0.1", port=port, username=principal.name, password=PASSWORD
        )
        self.transport = MqttTransport(address, client_id=principal.name)
        self.telemetry: list[Telemetry] = []
        self.acks: list[Ack] = []
        self.descriptions: list[Description] = []
        self.states: list[str] = []
        self._sequence = 0
        self._take("telemetry", codec.TELEMETRY.decode, self.telemetry)
        self._take("ack", codec.ACK.decode, self.acks)
        self._take("desc", codec.DESCRIPTION.decode, self.descriptions)
        self._take("state", lambda raw: codec.NODE_STATE.decode(raw).state, self.states)
        self.transport.start()

    def _take(self, kind: topics.NodeKind, decode: Callable[[bytes], Any], into: list[Any]) -> None:
        def handle(_topic: str, payload: bytes, _retained: bool) -> None:
            into.append(decode(payload))

        self.transport.subscribe(topics.node(SITE, NODE, kind), handle, qos=1)

    def hears(self) -> Telemetry:
        """Wait for a fresh report."""
        count = len(self.telemetry)
        eventually(lambda: len(self.telemetry) > count and self.transport.connected, 8.0)
        return self.telemetry[-1]

    def shed(self, shed: Shed, table: NodeTable) -> None:
        """Leave the node its row of the table, then broadcast."""
        topic, row = topics.node(SITE, NODE, "shed-table"), codec.NODE_TABLE.encode(table)
        assert self.transport.publish(topic, row, qos=1, retain=True)
        eventually(lambda: self.telemetry[-1].shed_table == table.table)
        assert self.transport.publish(topics.shed(SITE), codec.SHED.encode(shed), qos=1)

    def send(self, limit_w: float, *, ttl_s: float = 60.0, epoch: int = 1) -> Setpoint:
        heard, self._sequence = self.hears(), self._sequence + 1
        setpoint = Setpoint(
            node=NODE,
            limit_w=limit_w,
            target_tok_s=None,
            ttl_s=ttl_s,
            fence=Fence(epoch, self._sequence),
            incarnation=heard.incarnation,
            stamp_s=heard.stamp_s,
            decision_id="d-1",
        )
        topic = topics.node(SITE, NODE, "setpoint")
        assert self.transport.publish(topic, codec.SETPOINT.encode(setpoint), qos=1)
        return setpoint

    def stop(self) -> None:
        self.transport.stop()


class Agent:
    """The command `ballast-agent run` as an operator starts it."""

    def __init__(self, folder: Path, plant: Plant, broker_port: int, **extra: Any) -> None:
        secret = folder / "password"
        secret.write_text(PASSWORD)
        values = {
            "site": SITE,
            "node": NODE,
            "deployment": "llama-3.1-8b",
            "fail_safe_w": FAIL_SAFE_W,
            "gpu": f"twin:127.0.0.1:{plant.port}",
            "engine": f"twin:127.0.0.1:{plant.port}",
            "journal": str(folder / "journal.json"),
            "broker_port": broker_port,
            "broker_password_file": str(secret),
            "watchdog": False,
        } | extra
        config = folder / "agent.toml"
        config.write_text(
            "\n".join(f"{key} = {json.dumps(value)}" for key, value in values.items())
        )
        program = Path(sys.executable).with_name("ballast-agent")
        self.process = subprocess.Popen(
            [program, "run", "--config", config], stderr=subprocess.PIPE, text=True
        )

    def children(self) -> list[int]:
        path = Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children")
        return [int(child) for child in path.read_text().split()]

    def end(self, number: signal.Signals = signal.SIGTERM) -> None:
        """Send a signal and wait for the end; the watchdog may live longer."""
        if self.process.poll() is None:
            self.process.send_signal(number)
        self.process.wait(timeout=10)
        if self.process.stderr:
            self.process.stderr.close()


def alive(pid: int) -> bool:
    """Whether a process runs and is not just waiting to be reaped."""
    try:
        os.kill(pid, 0)
        return ") Z " not in Path(f"/proc/{pid}/stat").read_text()
    except (ProcessLookupError, FileNotFoundError):
        return False
