"""What the truth of each host tells, and what the faults of a scenario excuse."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Final

from orchestrator.domain.setpoint import Ack, Fence, Setpoint
from orchestrator.simtest.faults import FAULTS, Fault
from orchestrator.simtest.host import Host
from orchestrator.simtest.promises import EPSILON_W, Judge

if TYPE_CHECKING:
    from orchestrator.simtest.world import World

LEASED: Final = (
    "partition", "broker_restart", "broker_loss", "agent_crash", "agent_hang", "agent_kill",
    "host_reboot", "service_crash", "service_hang", "old_backup",
)  # fmt: skip
"""Faults that a lease's end makes harmless: after TAIL_S the node is at its fail-safe."""
TAIL_S: Final = 26.0
"""A lease, its drift, the descent after it, the watchdog's patience, and a few steps."""
REST_S: Final = 9.0
"""From the end of a lease to fail-safe: the descent, the watchdog and a few steps."""
HEAL_S: Final = 8.0
UNTOLD_S: Final = 6.0
"""So long nobody can know that a host has restarted: silence counts after three seconds."""
FOREIGN_S: Final = 28.0
"""A raise by another hand ends with the lease, which is not renewed."""
CLAMPED_S: Final = 8.0
"""A read-back above what was asked is seen, and others make room, within so long."""
HINDERS: Final = ("write_fails", "write_late", "write_clamps", "sensor_stale", "foreign_writer")
"""Faults during which cards may not come down, whoever wants it."""


class Truth:
    """Judges leases, stops and charges by what cards really enforce."""

    def __init__(self, world: "World") -> None:
        self.world = world
        self.lied_s: dict[str, float] = {}
        self.leases_s: dict[str, float] = {}
        self.epochs: dict[str, int] = {}
        self.known: dict[tuple[str, Fence], int] = {}
        self.last_w = {name: host.driver.total_w for name, host in world.hosts.items()}

    def told(self, name: str, setpoint: Setpoint) -> None:
        """A setpoint has reached a host: the latest true time at which its lease can end."""
        host, now_s = self.world.hosts[name], self.world.now_s
        clock_s = host.clock.at(now_s)
        left_s = max(0.0, setpoint.ends_s - clock_s) / 0.99
        self.leases_s[name] = max(self.leases_s.get(name, 0.0), now_s + left_s)
        if host.agent is not None:
            self.known.setdefault((name, setpoint.fence), self.epochs.get(name, 0))
            self.epochs[name] = max(self.epochs.get(name, 0), setpoint.fence.epoch)

    def acknowledged(self, host: Host, ack: Ack) -> None:
        """An agent has answered: nothing that grants a lease may be older than what it saw."""
        agent = host.agent
        if agent is None or not ack.accepted or agent.lease.setpoint is None:
            return
        granted = agent.lease.setpoint.fence
        known_epoch = self.known.get((host.node.id, granted), 0)
        if granted == ack.fence and granted.epoch < known_epoch:
            self.world.judge.blame(
                4, self.world.now_s, host.node.id, f"took a lease of epoch {granted.epoch}"
            )

    def unreached(self) -> frozenset[str]:
        """Nodes that a cut may not have reached, and whose lease may not have ended yet."""
        now_s = self.world.now_s
        found: set[str] = set()
        for fault in self._faults():
            if not FAULTS[fault.kind].reach:
                continue
            ends_s = fault.ends_s + TAIL_S
            if fault.kind in LEASED:
                ends_s = min(fault.ends_s, fault.at_s + TAIL_S) + HEAL_S
            if now_s < ends_s:
                found |= self._nodes(fault.where)
        found |= {name for name in self.world.hosts if now_s < self._foreign_until_s(name)}
        return frozenset(found)

    def excused_w(self) -> dict[str, float]:
        """By node, how far cards that ignore their limits, or were raised, may be above them."""
        now_s = self.world.now_s
        found = dict.fromkeys(self.world.hosts, 0.0)
        for name, host in self.world.hosts.items():
            excess_w = 0.0
            if host.driver.lying:
                excess_w = host.driver.excess_w()
                self.lied_s[name] = now_s
            elif now_s < self.lied_s.get(name, -9.0) + 1.0:
                excess_w = host.node.nameplate_w - host.driver.total_w
            if now_s < host.driver.clamped_s + CLAMPED_S:
                excess_w += host.driver.clamped_w * host.node.cards
            if now_s < self._foreign_until_s(name):
                excess_w += self.world.breakage.raised[name][0]
            found[name] = excess_w * (1.0 + host.node.overhead_fraction)
        return found

    def judge(self, judge: Judge, wall_w: Mapping[str, float]) -> None:
        """What the truth of each host tells about leases, stops and charges."""
        now_s = self.world.now_s
        for name, host in self.world.hosts.items():
            self._judge_rise(judge, name, host)
            self._judge_lease(judge, name, host)
            self.last_w[name] = host.driver.total_w
        hosts = self.world.hosts.items()
        if all(self._rests(name, host) and not host.driver.lying for name, host in hosts):
            judge.at_rest(now_s, wall_w)
        epoch = self.world.database.tables.epoch
        known = {
            name: host
            for name, host in self.world.hosts.items()
            if now_s >= self._known_from_s(name, host)
        }
        for service in self.world.services:
            if service.state.epoch == epoch and service.state.bounds and now_s >= service.resumes_s:
                judge.charged(now_s, service, known)

    def _judge_rise(self, judge: Judge, name: str, host: Host) -> None:
        """Limits rise only while an agent holds a lease, or by another hand, or by a reboot."""
        if host.driver.total_w <= self.last_w[name] + EPSILON_W:
            return
        now_s = self.world.now_s
        broken = self.world.breakage
        since_s = max(broken.rebooted_s.get(name, 0.0), broken.raised.get(name, (0.0, 0.0))[1])
        if now_s <= since_s + 1.0 or host.driver.late_s or host.driver.clamp_w:
            return
        if now_s > self.leases_s.get(name, 0.0) + 1.0:
            words = f"limits rose from {self.last_w[name]:.0f} to {host.driver.total_w:.0f} W"
            judge.blame(6, now_s, name, f"{words} without a lease")

    def _judge_lease(self, judge: Judge, name: str, host: Host) -> None:
        """When no lease can be in force any more, the cards are at fail-safe."""
        enforced_w = host.driver.total_w
        if self._rests(name, host) and enforced_w > host.node.fail_safe_w + EPSILON_W:
            words = f"{enforced_w:.0f} W enforced long after its lease"
            judge.blame(3, self.world.now_s, name, words)

    def _rests(self, name: str, host: Host) -> bool:
        """Whether no lease can be in force any more, and nothing hinders the way to fail-safe."""
        now_s, driver = self.world.now_s, host.driver
        hindered = driver.fails or driver.blind or driver.late_s or driver.clamp_w
        rebooting = host.agent is None and host.watch is None
        if (
            hindered
            or rebooting
            or not host.record.armed
            or now_s < self.leases_s.get(name, 0.0) + REST_S
        ):
            return False
        recently = [f for f in self._faults() if f.where == name]
        return not any(f.kind in HINDERS and now_s < f.ends_s + TAIL_S for f in recently)

    def _nodes(self, where: str) -> set[str]:
        return set(self.world.hosts) if where == "site" else {where}

    def _faults(self) -> list[Fault]:
        return [*self.world.breakage.running, *self.world.breakage.past]

    def _foreign_until_s(self, name: str) -> float:
        raised = self.world.breakage.raised.get(name)
        return raised[1] + FOREIGN_S if raised else 0.0

    def _known_from_s(self, name: str, host: Host) -> float:
        """Before this nobody can know what the host's cards enforce."""
        rebooted_s = self.world.breakage.rebooted_s.get(name, float("-inf"))
        clamped_s = host.driver.clamped_s + 2.0
        return max(rebooted_s + UNTOLD_S, self._foreign_until_s(name), clamped_s)
