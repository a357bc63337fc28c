"""The demo's story: a simulated site under a real service, curtailed once, measured throughout."""

import json
import signal
import sys
import threading
import time
import webbrowser
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from types import FrameType
from typing import Any

from orchestrator.demo.client import ServiceClient
from orchestrator.demo.measure import Observer
from orchestrator.demo.report import Event, baseline_w, report
from orchestrator.demo.site_processes import (
    Options,
    SiteProcesses,
    claim_http_port,
)
from orchestrator.domain.errors import Unavailable

EVENT_AFTER_S = 30.0
EVENT_S = 60.0
REDUCTION = 0.30
STEADY_WITHIN_S = 60.0


class Interrupted(Exception):
    """Somebody asked for the end before the start was over."""


@dataclass(slots=True)
class Demo:
    """One run. say: prints a line for people. seconds: None runs until it is interrupted."""

    options: Options
    seconds: float | None
    as_json: bool
    open_browser: bool
    say: Callable[[str], None]
    _stopping: threading.Event = field(default_factory=threading.Event)
    _event: Event | None = None

    def run(self) -> int:
        """Run to the end; 0 when everything went well, and no process is left in any case."""
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, self._interrupt)
        claim_http_port(self.options.http_port)
        processes = SiteProcesses(self.options)
        try:
            return self._run(processes)
        except Interrupted:
            return 0
        finally:
            self._show_end()
            self.say("Stopping: agents first, then the service, the plant last.")
            processes.stop()

    def _run(self, processes: SiteProcesses) -> int:
        client = self._start(processes)
        observer = Observer(*processes.twin)
        observer.start()
        try:
            self._wait_steady(client, processes)
            return self._watch(client, processes, observer)
        finally:
            observer.stop()
            client.close()

    def _start(self, processes: SiteProcesses) -> ServiceClient:
        self.say("Starting the simulated plant, the service with its broker, and 12 agents.")
        processes.start_plant()
        processes.start_service()
        check = partial(self._check_start, processes)
        processes.wait_broker(check)
        for node in processes.site.nodes:
            processes.start_agent(node.id)
        client = ServiceClient(f"http://127.0.0.1:{self.options.http_port}")
        client.wait_ready(STEADY_WITHIN_S, check)
        client.sign_in("admin", processes.admin_password())
        for rack in sorted({node.limits[-1] for node in processes.site.nodes}):
            client.arm(rack)
        self.say(
            f"Dashboard: {client.url}   sign in as admin, password {processes.admin_password()}"
        )
        self.say("Everything you see is SIMULATED: 12 nodes, 96 GPUs. Ctrl-C stops it all.")
        if self.open_browser:
            webbrowser.open(client.url)
        return client

    def _wait_steady(self, client: ServiceClient, processes: SiteProcesses) -> None:
        """Until every node follows its target: a new leader raises nothing for one lease."""
        deadline = time.monotonic() + STEADY_WITHIN_S
        while not self._stopping.is_set() and time.monotonic() < deadline:
            processes.check()
            snapshot = client.facility()
            self._show(snapshot, None)
            if steady(snapshot):
                return
            self._stopping.wait(0.5)

    def _watch(self, client: ServiceClient, processes: SiteProcesses, observer: Observer) -> int:
        start_s = time.monotonic()
        snapshot = client.facility()
        while not self._stopping.is_set() and not self._over(start_s):
            processes.check()
            now_s = time.monotonic()
            if self._event is None and now_s >= start_s + EVENT_AFTER_S:
                self._event = self._publish(processes, observer)
            snapshot = self._refresh(client, snapshot)
            self._show(snapshot, self._event)
            self._stopping.wait(1.0)
        if self._event is not None:
            self._report(processes, observer, self._event, snapshot)
        return 0

    def _publish(self, processes: SiteProcesses, observer: Observer) -> Event:
        before_w = baseline_w(observer, time.monotonic())
        limit_w = (1 - REDUCTION) * before_w
        published = processes.publish_event(limit_w, EVENT_S)
        self.say(
            f"\nThe utility asks for {REDUCTION:.0%} less for {EVENT_S:.0f} s: "
            f"at most {limit_w / 1e3:.1f} kW instead of {before_w / 1e3:.1f} kW"
        )
        return Event(float(published["published_s"]), EVENT_S, before_w, limit_w)

    def _report(
        self, processes: SiteProcesses, observer: Observer, event: Event, snapshot: dict[str, Any]
    ) -> None:
        figures = report(processes.site, observer, event, snapshot["decisions"]).as_json()
        if self.as_json:
            sys.stdout.write(json.dumps(figures) + "\n")
            return
        self.say("\nWhat was measured (simulated plant):")
        for name, value in figures.items():
            self.say(f"  {name:22} {value}")

    def _refresh(self, client: ServiceClient, last: dict[str, Any]) -> dict[str, Any]:
        """The snapshot of now; the last one while the service is away or restarts."""
        try:
            return client.facility()
        except Unavailable:
            return last

    def _show(self, snapshot: dict[str, Any], event: Event | None) -> None:
        if not self.as_json:
            sys.stdout.write("\r" + live_line(snapshot, event, time.monotonic()) + "\x1b[K")
            sys.stdout.flush()

    def _show_end(self) -> None:
        if not self.as_json:
            sys.stdout.write("\n")

    def _over(self, start_s: float) -> bool:
        return self.seconds is not None and time.monotonic() >= start_s + self.seconds

    def _check_start(self, processes: SiteProcesses) -> None:
        """Raise Interrupted when nobody waits for the start any more, or why it will not come."""
        if self._stopping.is_set():
            raise Interrupted
        processes.check()

    def _interrupt(self, _number: int, _frame: FrameType | None) -> None:
        self._stopping.set()


def steady(snapshot: dict[str, Any]) -> bool:
    """Whether every node follows and holds what the last decision wants for it."""
    return snapshot["mode"] == "armed" and all(
        node["status"] == "following"
        and node["enforced_w"] is not None
        and node["target_w"] is not None
        and abs(node["enforced_w"] - node["target_w"]) < 0.02 * node["target_w"]
        for node in snapshot["nodes"]
    )


def live_line(snapshot: dict[str, Any], event: Event | None, now_s: float) -> str:
    """Budget, metered power, tokens/s and p95 inter-token latency on one line."""
    metered_w, itl_ms = snapshot["metered_w"], snapshot["itl_p95_ms"]
    parts = [
        f"budget {snapshot['ceiling_w'] / 1e3:6.1f} kW",
        f"metered {metered_w / 1e3:6.1f} kW" if metered_w is not None else "metered   ?   kW",
        f"{snapshot['tok_s']:9,.0f} tok/s",
        f"p95 ITL {itl_ms:5.1f} ms" if itl_ms is not None else "p95 ITL   ?   ms",
    ]
    if event is not None and now_s < event.ends_s:
        parts.append(f"EVENT {event.ends_s - now_s:3.0f} s left")
    elif snapshot["raises_held_s"] > 0:
        parts.append(f"new leader, raises nothing for {snapshot['raises_held_s']:.0f} s")
    return "  |  ".join(["SIMULATED", *parts])
