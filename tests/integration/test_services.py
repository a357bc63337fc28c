"""The outside programs are really there and really private."""

import queue
import subprocess
from collections.abc import Callable
from pathlib import Path

import paho.mqtt.client as mqtt
import psycopg
from paho.mqtt.enums import CallbackAPIVersion
from paho.mqtt.reasoncodes import ReasonCode

from tests.programs import Address


def test_private_postgres_answers(postgres_url: str) -> None:
    """The PostgreSQL fixture gives a server that answers a query."""
    with psycopg.connect(postgres_url.replace("+psycopg", "")) as connection:
        assert connection.execute("SELECT 1").fetchone() == (1,)


def test_each_test_gets_an_empty_database(postgres_database_url: str) -> None:
    """A database of the test's own holds no tables."""
    with psycopg.connect(postgres_database_url.replace("+psycopg", "")) as connection:
        count = "SELECT count(*) FROM pg_tables WHERE schemaname = 'public'"
        assert connection.execute(count).fetchone() == (0,)


def test_private_mosquitto_carries_a_message(mosquitto: Callable[..., Address]) -> None:
    """What one client publishes on the private broker, a subscriber receives."""
    address = mosquitto()
    received: queue.Queue[bytes | bytearray] = queue.Queue()
    subscribed: queue.Queue[int] = queue.Queue()
    client = mqtt.Client(CallbackAPIVersion.VERSION2)
    client.on_subscribe = lambda *arguments: subscribed.put(arguments[2])
    client.on_message = lambda _client, _userdata, message: received.put(message.payload)
    client.connect(address.host, address.port)
    client.loop_start()
    try:
        client.subscribe("ballast/test", qos=1)
        subscribed.get(timeout=5)
        client.publish("ballast/test", b"480 W", qos=1)
        assert received.get(timeout=5) == b"480 W"
    finally:
        client.disconnect()
        client.loop_stop()


def test_mosquitto_takes_the_test_configuration(mosquitto: Callable[..., Address]) -> None:
    """A broker configured without anonymous access refuses an anonymous client."""
    address = mosquitto("allow_anonymous false")
    codes: queue.Queue[ReasonCode] = queue.Queue()
    client = mqtt.Client(CallbackAPIVersion.VERSION2)
    client.on_connect = lambda *arguments: codes.put(arguments[3])
    client.connect(address.host, address.port)
    client.loop_start()
    try:
        assert codes.get(timeout=5).is_failure
    finally:
        client.disconnect()
        client.loop_stop()


def test_chromium_runs(chromium_path: Path) -> None:
    """The browser starts and says its version."""
    answer = subprocess.run(
        [chromium_path, "--version"], capture_output=True, text=True, timeout=30, check=True
    )
    assert "hrom" in answer.stdout
