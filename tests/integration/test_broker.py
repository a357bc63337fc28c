"""The embedded broker as a child process."""

import os
import signal
import socket
import stat
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from integrations.messaging.access import Credential, Principal, node_principal
from integrations.messaging.backoff import Backoff
from integrations.messaging.embedded import EmbeddedBroker
from integrations.messaging.mqtt import MqttTransport
from integrations.messaging.transport import MqttAddress
from orchestrator.domain.errors import BrokerUnavailable, ConfigurationError, PortInUse

ALL = Credential(Principal("tester", publish=("#",), subscribe=("#",)), "a-long-secret")
QUICK = Backoff(first_s=0.05, most_s=0.2)


def eventually(condition: Callable[[], object], timeout_s: float = 5.0) -> None:
    deadline = time.monotonic() + timeout_s
    while not condition():
        assert time.monotonic() < deadline, "the condition did not come true in time"
        time.sleep(0.01)


def is_alive(pid: int) -> bool:
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except FileNotFoundError:
        return False
    return state != "Z"


@pytest.fixture
def broker(tmp_path: Path) -> Iterator[EmbeddedBroker]:
    with EmbeddedBroker(tmp_path / "broker", [ALL], backoff=QUICK) as running:
        yield running


@pytest.fixture
def client_of(broker: EmbeddedBroker) -> Iterator[Callable[[Credential], MqttTransport]]:
    made: list[MqttTransport] = []

    def make(credential: Credential) -> MqttTransport:
        address = MqttAddress(
            host="127.0.0.1",
            port=broker.port,
            username=credential.principal.name,
            password=credential.password,
        )
        made.append(MqttTransport(address, client_id=f"client-{len(made)}", backoff=QUICK))
        made[-1].start()
        return made[-1]

    yield make
    for client in made:
        client.stop()


def test_a_killed_broker_comes_back_on_its_port_with_its_retained_messages(
    broker: EmbeddedBroker, client_of: Callable[[Credential], MqttTransport]
) -> None:
    client, seen = client_of(ALL), []
    eventually(lambda: client.connected)
    client.subscribe("probe", lambda *_: seen.append("probe"), qos=1)
    client.publish("kept", b"before", qos=1, retain=True)
    client.publish("probe", b"", qos=1)
    eventually(lambda: seen)
    port, first = broker.port, broker.pid
    assert first is not None
    os.kill(first, signal.SIGKILL)
    eventually(lambda: broker.pid not in {None, first} and client.connected)
    assert (broker.port, broker.restarts) == (port, 1)
    late, kept = client_of(ALL), []
    late.subscribe("kept", lambda *message: kept.append(message))
    eventually(lambda: kept)
    assert kept == [("kept", b"before", True)]


def test_stopping_leaves_no_process_and_a_free_port(tmp_path: Path) -> None:
    broker = EmbeddedBroker(tmp_path, [ALL])
    broker.start()
    pid = broker.pid
    assert pid is not None
    broker.stop()
    assert not is_alive(pid)
    assert broker.pid is None
    with socket.create_server(("127.0.0.1", broker.port)):
        pass


def test_a_stopped_broker_starts_again_on_the_same_port(tmp_path: Path) -> None:
    broker = EmbeddedBroker(tmp_path, [ALL])
    broker.start()
    port = broker.port
    broker.stop()
    broker.start()
    assert broker.port == port
    assert broker.pid is not None
    broker.stop()


def test_a_port_in_use_is_refused_by_name(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(PortInUse, match=f"port {port} "):
            EmbeddedBroker(tmp_path, [ALL], port=port).start()


def test_a_program_that_is_not_a_broker_is_reported(tmp_path: Path) -> None:
    broken = EmbeddedBroker(tmp_path, [ALL], executable=Path("/bin/false"))
    with pytest.raises(BrokerUnavailable, match="ended before it was ready"):
        broken.start()
    assert broken.pid is None


def test_a_folder_that_cannot_be_written_is_reported(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(ConfigurationError, match="cannot be written"):
        EmbeddedBroker(tmp_path / "file" / "below", [ALL]).start()


def test_the_passwords_are_readable_by_the_owner_alone(
    broker: EmbeddedBroker, tmp_path: Path
) -> None:
    configuration = tmp_path / "broker" / "nats.conf"
    assert "a-long-secret" in configuration.read_text()
    assert stat.S_IMODE(configuration.stat().st_mode) == 0o600
    assert stat.S_IMODE(configuration.parent.stat().st_mode) == 0o700


def test_new_users_are_let_in_without_disturbing_the_others(
    broker: EmbeddedBroker, client_of: Callable[[Credential], MqttTransport]
) -> None:
    connects: list[str] = []
    old = client_of(ALL)
    old.on_connect(lambda: connects.append("old"))
    eventually(lambda: old.connected)
    settled, first = len(connects), broker.pid
    joining = Credential(node_principal("hall-1", "node-a"), "another-secret")
    newcomer = client_of(joining)
    broker.set_credentials([ALL, joining])
    eventually(lambda: newcomer.connected)
    assert (len(connects), broker.pid) == (settled, first)


def test_a_user_without_any_right_reads_and_writes_nothing(
    broker: EmbeddedBroker, client_of: Callable[[Credential], MqttTransport]
) -> None:
    nobody = Credential(Principal("nobody", publish=(), subscribe=()), "useless-secret")
    broker.set_credentials([ALL, nobody])
    seen: list[tuple[str, bytes, bool]] = []
    client, powerless = client_of(ALL), client_of(nobody)
    eventually(lambda: client.connected and powerless.connected)
    powerless.subscribe("#", lambda *message: seen.append(message))
    client.subscribe("#", lambda *message: seen.append(message))
    powerless.publish("forbidden", b"", qos=1)
    eventually(lambda: powerless.denied == 1)
    client.publish("canary", b"", qos=1)
    eventually(lambda: seen)
    assert seen == [("canary", b"", False)]


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux ends a child with its parent")
def test_the_broker_does_not_outlive_a_killed_service(tmp_path: Path) -> None:
    service = subprocess.Popen(
        [sys.executable, "-c", SERVICE, str(tmp_path)],
        stdout=subprocess.PIPE,
        text=True,
        cwd=Path(__file__).parents[2],
    )
    with service:
        assert service.stdout is not None
        pid = int(service.stdout.readline())
        assert is_alive(pid)
        service.kill()
    eventually(lambda: not is_alive(pid))


SERVICE = """
import sys, time
from pathlib import Path
from integrations.messaging.embedded import EmbeddedBroker
broker = EmbeddedBroker(Path(sys.argv[1]), [])
broker.start()
print(broker.pid, flush=True)
time.sleep(30)
"""
