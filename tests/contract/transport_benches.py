"""The same small site over each transport: an orchestrator, two nodes and a feed."""

import os
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Protocol

from integrations.messaging.access import (
    Credential,
    Principal,
    feed_principal,
    node_principal,
    orchestrator_principal,
)
from integrations.messaging.backoff import Backoff
from integrations.messaging.embedded import EmbeddedBroker
from integrations.messaging.memory import MemoryBroker, MemoryTransport
from integrations.messaging.mosquitto import mosquitto_acl, mosquitto_config, mosquitto_passwords
from integrations.messaging.mqtt import MqttTransport
from integrations.messaging.transport import Handler, LastWill, MqttAddress
from tests.programs import (
    SYSTEM_FOLDERS,
    Address,
    accepts_connections,
    free_port,
    require_program,
    running,
)

SITE = "hall-1"
BASE = f"ballast/v1/{SITE}"
PRINCIPALS = {
    "orchestrator": orchestrator_principal(SITE),
    "node-a": node_principal(SITE, "node-a"),
    "node-b": node_principal(SITE, "node-b"),
    "feed": feed_principal(SITE, "utility", "isv.example-1"),
}
CREDENTIALS = tuple(
    Credential(principal, f"secret-of-{role}") for role, principal in PRINCIPALS.items()
)
QUICK = Backoff(first_s=0.05, most_s=0.2)


class Transport(Protocol):
    """What the orchestrator and the agents expect of a transport."""

    def start(self) -> None: ...
    def stop(self, timeout_s: float = 2.0) -> None: ...
    @property
    def connected(self) -> bool: ...
    def publish(
        self, topic: str, payload: bytes, *, qos: int = 0, retain: bool = False
    ) -> bool: ...
    def subscribe(self, pattern: str, handler: Handler, *, qos: int = 0) -> None: ...
    def on_connect(self, callback: Callable[[], None]) -> None: ...


class Inbox:
    """Remembers what a client received."""

    def __init__(self) -> None:
        self.messages: list[tuple[str, bytes, bool]] = []

    def __call__(self, topic: str, payload: bytes, retained: bool) -> None:
        self.messages.append((topic, payload, retained))

    def __contains__(self, payload: bytes) -> bool:
        return any(payload == message[1] for message in self.messages)


class Bench(Protocol):
    """A broker with its clients."""

    def client(self, role: str, *, will: LastWill | None = None) -> Transport: ...
    def ready(self, client: Transport) -> bool: ...
    def drop(self, client: Transport) -> None: ...
    def stop_broker(self) -> None: ...
    def start_broker(self) -> None: ...
    def pump(self) -> None: ...


def eventually(bench: Bench, condition: Callable[[], object], timeout_s: float = 5.0) -> None:
    """Wait until the condition holds; fail after the timeout."""
    deadline = time.monotonic() + timeout_s
    while not condition():
        bench.pump()
        assert time.monotonic() < deadline, "the condition did not come true in time"
        time.sleep(0.01)


class MemoryBench:
    """Clients of a broker in this process."""

    def __init__(self) -> None:
        self.broker = MemoryBroker()

    def client(self, role: str, *, will: LastWill | None = None) -> Transport:
        return self.broker.transport(role, will=will, principal=PRINCIPALS[role])

    def ready(self, client: Transport) -> bool:
        return client.connected

    def drop(self, client: Transport) -> None:
        assert isinstance(client, MemoryTransport)
        client.drop()

    def stop_broker(self) -> None:
        self.broker.stop()

    def start_broker(self) -> None:
        self.broker.start()

    def pump(self) -> None:
        self.broker.deliver()


class _MqttBench:
    """Clients that reach a real broker over MQTT."""

    def __init__(self, port: int) -> None:
        self.port = port
        self.clients: list[MqttTransport] = []

    def client(self, role: str, *, will: LastWill | None = None) -> MqttTransport:
        return self.client_with(PRINCIPALS[role], f"secret-of-{role}", will=will)

    def client_with(
        self, principal: Principal, password: str, *, will: LastWill | None = None
    ) -> MqttTransport:
        address = MqttAddress(
            host="127.0.0.1", port=self.port, username=principal.name, password=password
        )
        client_id = f"{principal.name}-{len(self.clients)}"
        client = MqttTransport(address, client_id=client_id, will=will, backoff=QUICK)
        self.clients.append(client)
        return client

    def ready(self, client: Transport) -> bool:
        """Whether the client is connected and its subscriptions are answered."""
        assert isinstance(client, MqttTransport)
        return client._link is not None and client._link.settled

    def drop(self, client: Transport) -> None:
        """Cut the client's socket and keep it from coming back."""
        assert isinstance(client, MqttTransport)
        assert client._link is not None
        client._stopping.set()
        client._link._cut()

    def pump(self) -> None:
        """Nothing: the broker delivers by itself."""

    def close(self) -> None:
        for client in self.clients:
            client.stop()


class NatsBench(_MqttBench):
    """MQTT over the embedded broker."""

    def __init__(self, folder: Path) -> None:
        self.broker = EmbeddedBroker(folder, CREDENTIALS)
        self.broker.start()
        super().__init__(self.broker.port)

    def stop_broker(self) -> None:
        self.broker.stop()

    def start_broker(self) -> None:
        self.broker.start()

    def close(self) -> None:
        super().close()
        self.broker.stop()


class MosquittoBench(_MqttBench):
    """MQTT over a private Mosquitto with Ballast's configuration."""

    def __init__(self, folder: Path) -> None:
        super().__init__(free_port())
        program = require_program(["mosquitto"], SYSTEM_FOLDERS)
        self.folder, self.config = folder, folder / "mosquitto.conf"
        self.command = [str(program), "-c", str(self.config)]
        self._write(folder / "passwords", mosquitto_passwords(CREDENTIALS))
        self._write(folder / "acl", mosquitto_acl(PRINCIPALS.values()))
        self._write(self.config, self._configuration())
        self.life = ExitStack()
        self.start_broker()

    def _configuration(self) -> str:
        return mosquitto_config(
            host="127.0.0.1",
            port=self.port,
            password_file=self.folder / "passwords",
            acl_file=self.folder / "acl",
            persistence_dir=self.folder,
            user="root" if os.geteuid() == 0 else None,
        )

    @staticmethod
    def _write(path: Path, text: str) -> None:
        path.write_text(text)
        path.chmod(0o600)

    def stop_broker(self) -> None:
        self.life.close()

    def start_broker(self) -> None:
        address = Address("127.0.0.1", self.port)
        log = self.folder / "mosquitto.log"
        server = running(self.command, lambda: accepts_connections(address), log=log)
        self.life.enter_context(server)

    def close(self) -> None:
        super().close()
        self.stop_broker()


MqttBench = NatsBench | MosquittoBench


@contextmanager
def bench_of(kind: str, folder: Path) -> Iterator[MemoryBench | MqttBench]:
    """Set up a bench and take it down again."""
    if kind == "memory":
        yield MemoryBench()
        return
    bench = NatsBench(folder) if kind == "nats" else MosquittoBench(folder)
    try:
        yield bench
    finally:
        bench.close()
