"""Puts an agent together: the only module that knows its concrete parts."""

import json
import secrets
import signal
import sys
import zlib
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Final

import structlog

from agents.backends import open_engine, open_gpus
from agents.clock import BootClock
from agents.config import AgentConfig
from agents.core.agent import Identity, start
from agents.core.lease import Terms
from agents.core.options import Service
from agents.heartbeat import Heartbeat
from agents.journal import Journal
from agents.log import log_to_stderr
from agents.loop import AgentLoop, Outside, Pace
from agents.ports import Transport
from integrations.messaging.access import node_principal
from integrations.messaging.mqtt import MqttTransport
from integrations.messaging.transport import LastWill, MqttAddress
from integrations.wire import codec, topics
from orchestrator.domain.errors import BallastError, ConfigurationError

BOOT_ID: Final = Path("/proc/sys/kernel/random/boot_id")

_log: structlog.stdlib.BoundLogger = structlog.get_logger(__name__)


def compose(config: AgentConfig, transport: Transport | None = None) -> AgentLoop:
    """An agent that is ready to run; without a transport it uses the configured broker.

    Raises ConfigurationError.
    """
    clock, journal = BootClock(), Journal(Path(config.journal))
    journal.claim()
    record, trouble = journal.read()
    if trouble:
        _log.warning(trouble)
    engine = open_engine(config.engine, config.node, config.call_timeout_s)
    outside = Outside(
        gpus=open_gpus(config.gpu, config.node, config.gpu_uuids, config.call_timeout_s),
        engine=engine,
        transport=transport or _transport(config),
        clock=clock,
        diary=journal,
        guardian=_heartbeat(config) if config.watchdog else None,
    )
    state = start(
        Terms(config.node, config.fail_safe_w, _jitter(config.node)),
        Identity(
            deployment=config.deployment,
            agent_version=agent_version(),
            boot_gated=config.boot_gated,
            knobs=_knobs(config, engine is not None),
            service=Service(
                config.itl_p99_ms, config.ttft_p99_ms, config.host_w, config.host_factor
            ),
        ),
        incarnation(clock.now_s()),
        record,
    )
    return AgentLoop(state, config.site, outside, Pace(config.period_s, config.call_timeout_s))


def _knobs(config: AgentConfig, engine: bool) -> tuple[str, ...]:
    wanted = {"cap": True, "clock": config.clock_lock, "batch": engine}
    return tuple(knob for knob, there in wanted.items() if there)


def run(config: AgentConfig) -> None:
    """Run an agent until SIGTERM or SIGINT. Raises ConfigurationError."""
    log_to_stderr()
    loop = compose(config)
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: loop.stop())
    _log.info("agent started", node=config.node, incarnation=loop.state.lease.incarnation)
    loop.run()
    _log.info("agent stopped; caps stay as they are", node=config.node)


def incarnation(now_s: float) -> str:
    """A name for this start that no other start has: boot, time since boot, chance."""
    try:
        boot = BOOT_ID.read_text("ascii")[:8]
    except OSError:
        boot = "unknown"
    return f"{boot}-{int(now_s * 1000)}-{secrets.token_hex(3)}"


def agent_version() -> str:
    """Version of the installed distribution."""
    try:
        return version("ballast-power")
    except PackageNotFoundError:
        return "unknown"


def _jitter(node: str) -> float:
    """A number in [0, 1) that spreads nodes, and is always the same for one node."""
    return zlib.crc32(node.encode()) / 2**32


def _transport(config: AgentConfig) -> MqttTransport:
    principal = node_principal(config.site, config.node)
    address = MqttAddress(
        host=config.broker_host,
        port=config.broker_port,
        username=config.broker_user or principal.name,
        password=_password(config.broker_password_file),
        tls_ca=Path(config.broker_tls_ca) if config.broker_tls_ca else None,
    )
    will = LastWill(
        topic=topics.node(config.site, config.node, "state"),
        payload=codec.NODE_STATE.encode(codec.OFFLINE),
    )
    return MqttTransport(address, client_id=principal.name, will=will)


def _password(path: str) -> str:
    if not path:
        return ""
    try:
        return Path(path).read_text("utf-8").strip()
    except (OSError, ValueError) as error:
        raise ConfigurationError(f"broker_password_file {path}: {error}") from error


def _heartbeat(config: AgentConfig) -> Heartbeat:
    return Heartbeat(
        [
            f"--gpu={config.gpu}",
            f"--node={config.node}",
            f"--journal={config.journal}",
            f"--fail-safe-w={config.fail_safe_w}",
            f"--stall-s={config.watchdog_stall_s}",
            *(f"--uuid={uuid}" for uuid in config.gpu_uuids),
        ]
    )


def main() -> None:
    """Run the agent whose checked configuration is the one argument, as JSON."""
    try:
        values = json.loads(sys.argv[1])
        values["gpu_uuids"] = tuple(values["gpu_uuids"])
        run(AgentConfig(**values))
    except BallastError as error:
        print(f"ballast-agent: {error}", file=sys.stderr)  # noqa: T201
        sys.exit(2 if isinstance(error, ConfigurationError) else 1)


if __name__ == "__main__":
    main()
