"""A network of their own for agents, and a way to cut it between them and the broker.

Agents run in a network namespace with two links to this machine: one to the broker, which can be
cut as a cable is, and one to their cards, which stays.
"""

import asyncio
import os
import shutil
import subprocess
import threading
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field

from orchestrator.demo.site_processes import Vantage
from orchestrator.domain.errors import Unavailable

Address = tuple[str, int]
COMMAND_S = 5.0
START_S = 5.0
CHUNK = 65_536


def unavailable() -> str | None:
    """Why no namespace can be made here, None where it can."""
    if os.geteuid() != 0:
        return "network namespaces need root"
    if shutil.which("ip") is None:
        return "network namespaces need the program ip (iproute2)"
    return None


@dataclass(slots=True)
class Network:
    """One namespace; open it before the agents start, and close it after they have ended."""

    broker: Address
    twin: Address
    _relay: "Relay | None" = None
    _number: int = field(default_factory=lambda: os.getpid() % 250)

    @property
    def name(self) -> str:
        """The namespace's name."""
        return f"ballast-{os.getpid()}"

    def open(self) -> Vantage:
        """Make it; returns where agents run. Raises Unavailable."""
        _ip("netns", "add", self.name)
        _ip("-n", self.name, "link", "set", "lo", "up")
        outside = {link: self._link(link, 18 + index) for index, link in enumerate("bt")}
        broker, twin = (outside["b"], self.broker[1]), (outside["t"], self.twin[1])
        self._relay = Relay({broker: self.broker, twin: self.twin})
        self._relay.start()
        return Vantage(("ip", "netns", "exec", self.name), broker, twin)

    def cut(self) -> None:
        """Let nothing pass between agents and broker; no connection is told."""
        _ip("link", "set", self._device("b"), "down")

    def mend(self) -> None:
        """Let everything pass again."""
        _ip("link", "set", self._device("b"), "up")

    def close(self) -> None:
        """Remove it, with its links."""
        if self._relay is not None:
            self._relay.stop()
        for link in "bt":
            with suppress(Unavailable):
                _ip("link", "del", self._device(link))
        with suppress(Unavailable):
            _ip("netns", "del", self.name)

    def _device(self, link: str) -> str:
        return f"bal{self._number}{link}0"

    def _link(self, link: str, second: int) -> str:
        """Join the namespace by a pair of devices; returns the address on this side."""
        here, there = f"198.{second}.{self._number}.1", f"198.{second}.{self._number}.2"
        outer, inner = self._device(link), f"bal{self._number}{link}1"
        _ip("link", "add", outer, "type", "veth", "peer", "name", inner, "netns", self.name)
        _ip("addr", "add", f"{here}/30", "dev", outer)
        _ip("link", "set", outer, "up")
        _ip("-n", self.name, "addr", "add", f"{there}/30", "dev", inner)
        _ip("-n", self.name, "link", "set", inner, "up")
        return here


class Relay:
    """Passes TCP connections on, from each address to another, on a thread of its own."""

    def __init__(self, targets: Mapping[Address, Address]) -> None:
        self._targets = targets
        self._loop = asyncio.new_event_loop()
        self._ready = threading.Event()
        self._thread = threading.Thread(target=self._run, name="relay", daemon=True)

    def start(self) -> None:
        """Listen. Raises Unavailable."""
        self._thread.start()
        if not self._ready.wait(START_S):
            raise Unavailable(f"cannot listen on {', '.join(str(here) for here in self._targets)}")

    def stop(self) -> None:
        """Hang up on everybody."""
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(START_S)

    def _run(self) -> None:
        asyncio.set_event_loop(self._loop)
        with suppress(OSError):
            serving = (self._serve(here, there) for here, there in self._targets.items())
            servers = [self._loop.run_until_complete(begin) for begin in serving]
            self._ready.set()
            self._loop.run_forever()
            for server in servers:
                server.close()
        tasks = asyncio.all_tasks(self._loop)
        for task in tasks:
            task.cancel()
        self._loop.run_until_complete(asyncio.gather(*tasks, return_exceptions=True))
        self._loop.close()

    async def _serve(self, here: Address, there: Address) -> asyncio.Server:
        async def welcome(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            with suppress(OSError):
                far_reader, far_writer = await asyncio.open_connection(*there)
                ways = _pass_on(reader, far_writer), _pass_on(far_reader, writer)
                await asyncio.gather(*ways)
            writer.close()

        return await asyncio.start_server(welcome, *here)


async def _pass_on(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Copy until one side ends, then end the other."""
    try:
        while chunk := await reader.read(CHUNK):
            writer.write(chunk)
            await writer.drain()
    except OSError:
        pass
    finally:
        writer.close()


def _ip(*words: str) -> None:
    try:
        subprocess.run(
            ["ip", *words],  # noqa: S607 - iproute2 lies where the system keeps it
            check=True,
            capture_output=True,
            timeout=COMMAND_S,
        )
    except (OSError, subprocess.SubprocessError) as error:
        said = getattr(error, "stderr", None) or b""
        raise Unavailable(f"ip {' '.join(words)}: {said.decode().strip() or error}") from error
