"""A connection that cannot be begun is reported, so that it can be tried again."""

import os
import resource
import socket
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from integrations.messaging.link import Link
from integrations.messaging.transport import MqttAddress
from orchestrator.domain.errors import BrokerUnavailable


@contextmanager
def one_more_file() -> Iterator[None]:
    """Let this process open one file more, and no second one."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    free = os.dup(0)
    os.close(free)
    resource.setrlimit(resource.RLIMIT_NOFILE, (free + 1, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


def test_a_client_without_file_descriptors_says_so_and_can_be_tried_again() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        link = Link(
            MqttAddress(host="127.0.0.1", port=server.getsockname()[1], username="a", password="b"),
            client_id="a",
            keepalive_s=10,
            will=None,
            tls=None,
            opened=lambda _: None,
            received=lambda _topic, _payload, _retained: None,
            refused=lambda _: None,
        )
        with one_more_file(), pytest.raises(BrokerUnavailable, match="no MQTT broker answers"):
            link.open()
