"""Real faults of a running site: each begins on its processes, and says how it is healed."""

import os
import resource
import shutil
import signal
import sqlite3
import time
from collections.abc import Callable
from contextlib import closing, suppress
from dataclasses import dataclass
from pathlib import Path

from orchestrator.demo.processes import Child
from orchestrator.demo.site_processes import SiteProcesses
from orchestrator.domain.errors import Unavailable

GONE_S = 10.0
SEEN_S = 2.0
BROKER = "nats-server"
DISK, OLD, NETWORK = "disk-full", "old-database", "cut-network"
Heal = Callable[[], None]


@dataclass(frozen=True, slots=True)
class Fault:
    """One kind of fault.

    lasts_s: from its beginning until it is healed. after_cut: it begins right after the service has
    taken the cut, because no cut can be asked for once it has begun; else a second before it.
    """

    name: str
    says: str
    lasts_s: float
    begin: Callable[[SiteProcesses], Heal]
    after_cut: bool = False


def kill_service(processes: SiteProcesses) -> Heal:
    """Kill the service, and with it its embedded broker."""
    kill(processes.service)
    return lambda: restart_service(processes)


def stop_service(processes: SiteProcesses) -> Heal:
    """Stop the service's clock hand; its broker goes on."""
    return _pause(processes.service)


def kill_agent(processes: SiteProcesses) -> Heal:
    """Kill one agent; its watchdog stays."""
    name, child = first_agent(processes)
    kill(child)
    return lambda: processes.start_agent(name)


def stop_agent(processes: SiteProcesses) -> Heal:
    """Stop one agent; its watchdog goes on."""
    return _pause(first_agent(processes)[1])


def kill_agents(processes: SiteProcesses) -> Heal:
    """Kill all agents at once."""
    for child in processes.agents.values():
        child.signal(signal.SIGKILL)
    for child in processes.agents.values():
        _ended(child)

    def heal() -> None:
        for name in list(processes.agents):
            processes.start_agent(name)

    return heal


def kill_broker(processes: SiteProcesses) -> Heal:
    """Kill the embedded broker; the service starts it again by itself."""
    os.kill(broker_pid(processes), signal.SIGKILL)
    return _nothing


def stop_broker(processes: SiteProcesses) -> Heal:
    """Stop the broker: connections stand, and nothing moves on them."""
    pid = broker_pid(processes)
    os.kill(pid, signal.SIGSTOP)

    def heal() -> None:
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGCONT)

    return heal


def fill_disk(processes: SiteProcesses) -> Heal:
    """Let every write of the service to a file fail, its database's and its log's too."""
    pid = processes.service.pid
    soft, hard = resource.prlimit(pid, resource.RLIMIT_FSIZE)
    resource.prlimit(pid, resource.RLIMIT_FSIZE, (0, hard))

    def heal() -> None:
        with suppress(ProcessLookupError):
            resource.prlimit(pid, resource.RLIMIT_FSIZE, (soft, hard))

    return heal


def restore_copy(processes: SiteProcesses) -> Heal:
    """Kill the service and put the copy of its database in place of today's."""
    kill(processes.service)
    live = database_file(processes)
    for suffix in ("-wal", "-shm"):
        live.with_name(live.name + suffix).unlink(missing_ok=True)
    shutil.copyfile(copy_file(processes), live)
    return lambda: restart_service(processes)


def forget_a_restart(processes: SiteProcesses) -> Heal:
    """Copy the database, restart the service, and put the copy back."""
    copy_database(processes)
    before = epoch_in(database_file(processes))
    kill(processes.service)
    restart_service(processes)
    deadline_s = time.monotonic() + GONE_S
    while epoch_in(database_file(processes)) == before and time.monotonic() < deadline_s:
        time.sleep(0.1)
    time.sleep(SEEN_S)  # for the agents to hear of the new epoch
    return restore_copy(processes)


def epoch_in(database: Path) -> int:
    """The epoch that a database has given out last."""
    with closing(sqlite3.connect(database, timeout=GONE_S)) as connection:
        (epoch,) = connection.execute("SELECT epoch FROM leadership").fetchone()
        return int(epoch)


def copy_database(processes: SiteProcesses) -> None:
    """Take a copy of the live database, as a nightly backup does."""
    with (
        closing(sqlite3.connect(database_file(processes))) as live,
        closing(sqlite3.connect(copy_file(processes))) as copy,
    ):
        live.backup(copy)


def database_file(processes: SiteProcesses) -> Path:
    """The site's SQLite database."""
    return processes.options.data_dir / "ballast.db"


def copy_file(processes: SiteProcesses) -> Path:
    """The copy that `restore_copy` puts back."""
    return processes.options.data_dir / "yesterday.db"


def broker_pid(processes: SiteProcesses) -> int:
    """The embedded broker among the service's children. Raises Unavailable."""
    deadline_s = time.monotonic() + GONE_S
    while time.monotonic() < deadline_s:
        for pid in children(processes.service.pid):
            with suppress(OSError):
                if Path(f"/proc/{pid}/comm").read_text().strip() == BROKER:
                    return pid
        time.sleep(0.05)
    raise Unavailable("the service has no embedded broker")


def children(pid: int) -> list[int]:
    """The children of a process, of all its threads."""
    found = []
    for task in Path(f"/proc/{pid}/task").glob("*"):
        with suppress(OSError):
            found += [int(word) for word in (task / "children").read_text().split()]
    return found


def first_agent(processes: SiteProcesses) -> tuple[str, Child]:
    """The agent that faults of one agent hit."""
    return next(iter(processes.agents.items()))


def kill(child: Child) -> None:
    """Kill a process and wait for its end. Raises Unavailable when it does not come."""
    child.signal(signal.SIGKILL)
    _ended(child)


def restart_service(processes: SiteProcesses) -> None:
    """Start the service again; returns when its broker answers."""
    processes.start_service()
    processes.wait_broker()


def _pause(child: Child) -> Heal:
    child.signal(signal.SIGSTOP)
    return lambda: child.signal(signal.SIGCONT)


def _ended(child: Child) -> None:
    if not child.wait(GONE_S):
        raise Unavailable(f"{child.name} does not end")


def _nothing() -> None:
    """Heal what heals itself."""


def _elsewhere(_processes: SiteProcesses) -> Heal:
    raise Unavailable("agents share this machine's network")


FAULTS = (
    Fault("none", "nothing goes wrong", 1.0, lambda _: _nothing),
    Fault("kill-service", "the service is killed, back after 4 s", 4.0, kill_service, True),
    Fault("stop-service", "the service stands still for 6 s", 6.0, stop_service, True),
    Fault("kill-agent", "an agent is killed, back after 12 s", 12.0, kill_agent),
    Fault("stop-agent", "an agent stands still for 8 s", 8.0, stop_agent),
    Fault("kill-agents", "all agents are killed and started at once", 0.0, kill_agents),
    Fault("kill-broker", "the broker is killed", 0.0, kill_broker),
    Fault("stop-broker", "the broker stands still for 8 s", 8.0, stop_broker),
    Fault(DISK, "no write of the service to disk succeeds for 8 s", 8.0, fill_disk, True),
    Fault(OLD, "a copy of the database of before a restart", 0.0, forget_a_restart, True),
    Fault(NETWORK, "the network between agents and broker is cut for 10 s", 10.0, _elsewhere),
)
