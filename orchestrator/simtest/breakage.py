"""Breaks and mends the world as its scenario says."""

from collections import Counter
from typing import TYPE_CHECKING, Final

from orchestrator.messages import NodeOffline
from orchestrator.simtest.database import Tables
from orchestrator.simtest.faults import Fault
from orchestrator.simtest.host import Host
from orchestrator.simtest.network import Link

if TYPE_CHECKING:
    from orchestrator.simtest.world import World

LEAST_BOOT_S: Final = 12.0
"""No host draws more than idle within so long of its restart."""
WALL_SLACK: Final = 0.06
BACKUP_EVERY_S: Final = 40.0


class Breakage:
    """Applies faults to a world; see faults.FAULTS for what each does."""

    def __init__(self, world: "World") -> None:
        self.world = world
        self.waiting = list(world.scenario.faults)
        self.running: list[Fault] = []
        self.past: list[Fault] = []
        self.injected: Counter[str] = Counter()
        self.meter_dead = False
        self.wall_s = 0.0
        self.slack_s = 0.3
        self.backups: list[Tables] = []
        self.returns: list[float] = []
        self.rebooted_s: dict[str, float] = {}
        self.raised: dict[str, tuple[float, float]] = {}

    def act(self) -> None:
        """End what is over, begin what is due, bring back what is to return."""
        now_s = self.world.now_s
        for fault in [f for f in self.running if f.ends_s <= now_s]:
            self.running.remove(fault)
            self.past.append(fault)
            self._switch(fault, on=False)
        while self.waiting and self.waiting[0].at_s <= now_s:
            fault = self.waiting.pop(0)
            self.running.append(fault)
            self.injected[fault.kind] += 1
            self.world.say(f"FAULT {fault.kind} at {fault.where} for {fault.for_s} s")
            self._switch(fault, on=True)
        if self.world.count % round(BACKUP_EVERY_S * 10) == 0:
            self.backups.append(self.world.database.copy())
        for due_s in [due_s for due_s in self.returns if due_s <= now_s]:
            if self.world.start_service():
                self.returns.remove(due_s)

    def _links(self, where: str) -> list[Link]:
        links = self.world.network.links
        return list(links.values()) if where == "site" else [links[where]]

    def _switch(self, fault: Fault, *, on: bool) -> None:
        """Begin or end a fault."""
        match fault.kind:
            case "loss" | "duplicate" | "delay" | "partition":
                self._link(fault, on)
            case "broker_restart" | "broker_loss":
                self._broker(fault, on)
            case "service_crash" | "service_hang" | "two_leaders" | "old_backup":
                self._service(fault, on)
            case "database_down":
                self.world.database.down = on
            case "meter_dies":
                self.meter_dead = on
            case "wall_jump":
                self.wall_s = 2.0 * (fault.size - 15.0) if on else 0.0
                self.slack_s += WALL_SLACK * 60.0 if on else 0.0
            case _:
                self._host(fault, self.world.hosts[fault.where], on)

    def _link(self, fault: Fault, on: bool) -> None:
        for link in self._links(fault.where):
            match fault.kind:
                case "loss":
                    link.loss = fault.size if on else 0.0
                case "duplicate":
                    link.double = fault.size if on else 0.0
                case "delay":
                    link.delay_s = fault.size if on else 0.0
                case _:
                    link.cut = on
        if not on:
            self.world.network.release(self.world.now_s)

    def _broker(self, fault: Fault, on: bool) -> None:
        for link in self._links("site"):
            link.cut = on
        if on and fault.kind == "broker_loss":
            self.world.network.forget()
            self.world.retained_epoch = 0
        if not on:
            self.world.network.release(self.world.now_s)

    def _service(self, fault: Fault, on: bool) -> None:
        if not on or not self.world.services:
            return
        now_s, leader = self.world.now_s, self.world.services[-1]
        match fault.kind:
            case "service_hang":
                leader.resumes_s = now_s + fault.for_s
            case "two_leaders":
                self.world.start_service()
            case "service_crash":
                leader.crash_after = int(fault.size)
                self.returns.append(now_s + fault.for_s)
            case _:
                self.world.services.clear()
                tables = self.backups[0] if self.backups else self.world.database.copy()
                self.world.database.tables = tables
                self.backups.clear()
                self.returns.append(now_s + fault.for_s)

    def _host(self, fault: Fault, host: Host, on: bool) -> None:
        if fault.kind.startswith(("agent", "host", "engine")):
            self._process(fault, host, on)
        elif fault.kind.startswith("clock"):
            self._clock(fault, host, on)
        else:
            self._driver(fault, host, on)

    def _process(self, fault: Fault, host: Host, on: bool) -> None:
        now_s = self.world.now_s
        match fault.kind:
            case "agent_crash" if on and host.agent is not None:
                host.crash_after, host.returns_s = int(fault.size), now_s + fault.for_s + 1.0
            case "agent_hang" if on:
                host.resumes_s = now_s + fault.for_s
            case "agent_kill" if on:
                host.kill(now_s + fault.for_s)
                self.world.network.send("site", "site", NodeOffline(host.node.id), now_s)
            case "host_reboot" if on:
                host.reboot(now_s, now_s + max(fault.for_s, LEAST_BOOT_S))
                self.rebooted_s[host.node.id] = now_s
            case "engine_hang":
                self._hang(host, on)
            case _:
                pass

    def _clock(self, fault: Fault, host: Host, on: bool) -> None:
        now_s, clock = self.world.now_s, host.clock
        if fault.kind == "clock_drift":
            rate = 1.0 + (fault.size - 0.005) * 2.0 if on else 1.0
            clock.set(now_s, clock.at(now_s), rate)
        elif on:
            clock.set(now_s, clock.at(now_s) + fault.size, clock.rate)

    def _driver(self, fault: Fault, host: Host, on: bool) -> None:
        driver = host.driver
        match fault.kind:
            case "write_fails":
                driver.fails = on
            case "write_late":
                driver.late_s = fault.size if on else 0.0
            case "write_clamps":
                driver.clamp_w = fault.size if on else 0.0
            case "card_lies":
                self._lie(host, on)
            case "foreign_writer" if on:
                self._raise(host)
            case "sensor_stuck":
                driver.stuck = on
            case "sensor_biased":
                driver.bias = (fault.size - 0.075) * 2.0 if on else 0.0
            case "sensor_stale":
                driver.blind = on
            case _:
                pass

    def _lie(self, host: Host, on: bool) -> None:
        if on:
            host.driver.lying.add(next(iter(host.driver.index)))
        else:
            host.driver.tell_truth()

    def _raise(self, host: Host) -> None:
        uuid, driver = next(iter(host.driver.index)), host.driver
        raised_w = driver.default_w - driver.enforced_w[uuid]
        driver.raise_by_hand(uuid, driver.default_w)
        self.raised[host.node.id] = (max(0.0, raised_w), self.world.now_s)

    def _hang(self, host: Host, on: bool) -> None:
        host.serving = not on
        if on:
            host.plant.live.halt()
