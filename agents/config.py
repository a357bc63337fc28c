"""What an operator may set, with units and defaults."""

from dataclasses import dataclass
from typing import Annotated

from annotated_types import Ge, Gt, Le, Lt


@dataclass(frozen=True, slots=True, kw_only=True)
class AgentConfig:
    """Configuration of one node agent.

    site, node: ids of 1 to 63 of a-z, 0-9 and hyphen.
    deployment: what the node serves; frontiers of other deployments are ignored.
    fail_safe_w: watts over all cards while no lease is held. It has no default.
    gpu: "nvml" or "twin:HOST:PORT" (simulated). gpu_uuids: the cards that the agent may turn;
        nvml touches no other.
    engine: "none" or "twin:HOST:PORT" (simulated).
    clock_lock: whether the agent may also lock the cards' SM clock, which saves energy where no
        cap binds. itl_p99_ms, ttft_p99_ms: latency objectives of the service, 99th percentiles.
    host_w, host_factor: the host draws host_factor x cards + host_w at the wall.
    boot_gated: whether something else caps the cards after a reboot before they draw power.
    journal: file that survives the process. broker_password_file: holds the password alone.
    period_s: between two steps without messages. call_timeout_s: bound of a round of GPU calls.
    watchdog: whether a second process tightens to fail-safe when the agent stalls or dies;
        watchdog_stall_s: after how long.
    """

    site: str
    node: str
    deployment: str
    fail_safe_w: Annotated[float, Gt(0), Lt(1e6)]
    gpu: str
    journal: str
    gpu_uuids: tuple[str, ...] = ()
    engine: str = "none"
    clock_lock: bool = False
    itl_p99_ms: Annotated[float, Gt(0)] | None = None
    ttft_p99_ms: Annotated[float, Gt(0)] | None = None
    host_w: Annotated[float, Ge(0), Lt(1e5)] = 0.0
    host_factor: Annotated[float, Ge(1), Le(2)] = 1.0
    boot_gated: bool = False
    broker_host: str = "127.0.0.1"
    broker_port: Annotated[int, Gt(0), Lt(65536)] = 1883
    broker_user: str = ""
    broker_password_file: str = ""
    broker_tls_ca: str = ""
    period_s: Annotated[float, Ge(0.05), Le(1.0)] = 0.5
    call_timeout_s: Annotated[float, Ge(0.05), Le(0.7)] = 0.5
    watchdog: bool = True
    watchdog_stall_s: Annotated[float, Ge(2.0), Le(60.0)] = 5.0
