"""Plays the utility: publishes one DSX Flex load target over MQTT and says when it did."""

import argparse
import json
import sys
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path
from uuid import uuid4

from integrations.grid.dsx_flex import TargetRequest, load_target_event, load_target_topic
from integrations.grid.dsx_flex_envelope import Stamp
from integrations.grid.dsx_jws import SigningKey, load_signing_key
from integrations.messaging.mqtt import MqttTransport
from integrations.messaging.transport import MqttAddress
from orchestrator.domain.errors import BallastError, BrokerUnavailable
from orchestrator.runtime.credentials import read_secret
from orchestrator.runtime.logs import configure_logs

CONNECT_S = 10.0


def main() -> int:
    """Publish and print {"published_s": monotonic, "published_at": UTC}; 1 when it cannot."""
    configure_logs()
    chosen = _arguments()
    try:
        published = _publish_once(chosen)
    except BallastError as error:
        sys.stderr.write(f"{error}\n")
        return 1
    sys.stdout.write(json.dumps(published) + "\n")
    return 0


def _publish_once(chosen: argparse.Namespace) -> dict[str, float | str]:
    address = MqttAddress(
        host=chosen.host,
        port=chosen.port,
        username=chosen.username,
        password=read_secret(chosen.password_file),
    )
    key = load_signing_key(chosen.isv, chosen.key.read_bytes())
    transport = MqttTransport(address, client_id=chosen.username)
    transport.start()
    try:
        _wait_for(transport)
        return publish(transport, chosen, key)
    finally:
        transport.stop()


def publish(
    transport: MqttTransport, chosen: argparse.Namespace, key: SigningKey
) -> dict[str, float | str]:
    """Sign and publish the target. Raises BrokerUnavailable when it does not get away."""
    start = datetime.now(UTC)
    target = TargetRequest(
        limit_w=chosen.limit_w,
        starts_at=start,
        ends_at=start + timedelta(seconds=chosen.duration_s),
    )
    event = load_target_event(chosen.isv, [target], Stamp(uuid4(), start, uuid4()), key)
    published_s = time.monotonic()
    if not transport.publish(load_target_topic(chosen.isv), event, qos=1):
        raise BrokerUnavailable("the utility lost the broker")
    return {"published_s": published_s, "published_at": start.isoformat()}


def _wait_for(transport: MqttTransport) -> None:
    deadline = time.monotonic() + CONNECT_S
    while not transport.connected:
        if time.monotonic() > deadline:
            raise BrokerUnavailable("the utility cannot reach the broker")
        time.sleep(0.05)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="Publish one DSX Flex load target.")
    parser.add_argument("--host", required=True)
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--username", required=True)
    parser.add_argument("--password-file", type=Path, required=True)
    parser.add_argument("--isv", required=True)
    parser.add_argument("--limit-w", type=float, required=True)
    parser.add_argument("--duration-s", type=float, required=True)
    parser.add_argument("--key", type=Path, required=True)
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
