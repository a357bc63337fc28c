"""The plant in a process of its own: real time, and its faces over TCP on loopback."""

import argparse
import asyncio
import contextlib
import errno
import json
import random
import signal
import sys
import time
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

from integrations.twin.demo_site import demo_site
from integrations.twin.faces import SLOW_OPS, Faces, parse, refusal
from integrations.twin.plant import STEP_S, Plant
from integrations.twin.site import TwinSite, load_site
from orchestrator.domain.errors import ConfigurationError, InvalidMessage, PortInUse

WARM_UP_S: Final = 30.0
CHUNK_S: Final = 0.5
CATCH_UP_S: Final = 10.0
LINE_BYTES: Final = 65_536
CONNECTIONS: Final = 512
DRAIN_S: Final = 5.0
WRITE_LATENCY_S: Final = (0.010, 0.020)


def serve(
    site: TwinSite, *, host: str, port: int, ready: Callable[[int], None] | None = None
) -> None:
    """Run the plant until SIGTERM or SIGINT. Blocks; call it on a process's main thread.

    The site has been serving for half a minute when `ready` is called with the port that the
    faces listen on, which the system picks for port 0. PortInUse if the port is taken.
    """
    asyncio.run(_serve(Plant(site), host, port, ready))


async def _serve(plant: Plant, host: str, port: int, ready: Callable[[int], None] | None) -> None:
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    doors = _Doors(Faces(plant, lambda: datetime.now(UTC)))
    server = await _listen(doors, host, port)
    plant.advance(WARM_UP_S)
    if ready is not None:
        ready(server.sockets[0].getsockname()[1])
    pacing = asyncio.create_task(_pace(plant))
    pacing.add_done_callback(lambda _: stop.set())
    await stop.wait()
    server.close()
    doors.close()
    if pacing.done():
        pacing.result()
    pacing.cancel()


async def _listen(doors: "_Doors", host: str, port: int) -> asyncio.Server:
    try:
        return await asyncio.start_server(doors.welcome, host, port, limit=LINE_BYTES)
    except OSError as error:
        if error.errno != errno.EADDRINUSE:
            raise ConfigurationError(f"cannot listen on {host}:{port}: {error}") from error
        raise PortInUse(f"port {port} on {host} is in use; choose another one") from error


async def _pace(plant: Plant) -> None:
    """Follow the monotonic clock; a long sleep of the machine is forgotten, not caught up with."""
    last_s = time.monotonic()
    while True:
        await asyncio.sleep(STEP_S)
        now_s = time.monotonic()
        owed_s = min(now_s - last_s, CATCH_UP_S) * plant.site.speed
        last_s = now_s
        while owed_s > 0.0:
            plant.advance(min(owed_s, CHUNK_S))
            owed_s -= CHUNK_S
            await asyncio.sleep(0)


class _Doors:
    """One task a connection: answers in order, and nobody waits for a slow neighbour."""

    def __init__(self, faces: Faces) -> None:
        self._faces = faces
        self._guests: set[asyncio.StreamWriter] = set()
        self._latency = random.Random(0)  # noqa: S311 - a simulated delay

    def close(self) -> None:
        """Hang up on everybody."""
        for writer in self._guests:
            writer.transport.abort()

    async def welcome(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Serve one client until it leaves, sends an endless line, or stops reading."""
        if len(self._guests) >= CONNECTIONS:
            writer.transport.abort()
            return
        self._guests.add(writer)
        try:
            await self._converse(reader, writer)
        except (OSError, TimeoutError):
            writer.transport.abort()
        finally:
            self._guests.discard(writer)
            writer.close()

    async def _converse(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while True:
            try:
                line = await reader.readline()
            except ValueError:
                error = InvalidMessage(f"a line holds at most {LINE_BYTES} bytes")
                await self._send(writer, refusal(error))
                return
            if not line:
                return
            await self._send(writer, await self._answer(line))
            await asyncio.sleep(0)

    async def _answer(self, line: bytes) -> dict[str, Any]:
        try:
            request = parse(line)
        except InvalidMessage as error:
            return refusal(error)
        op = request.get("op")
        if isinstance(op, str) and op in SLOW_OPS:
            await asyncio.sleep(self._latency.uniform(*WRITE_LATENCY_S))
        return self._faces.answer(request)

    async def _send(self, writer: asyncio.StreamWriter, answer: dict[str, Any]) -> None:
        writer.write(json.dumps(answer, separators=(",", ":")).encode() + b"\n")
        async with asyncio.timeout(DRAIN_S):
            await writer.drain()


def main(arguments: Sequence[str] | None = None) -> None:
    """Serve `--site demo` or a JSON file; the first line on standard output is the port."""
    parser = argparse.ArgumentParser(description="Run a simulated site on loopback.")
    parser.add_argument("--site", default="demo", help="'demo' or a JSON file")
    parser.add_argument("--seed", type=int, default=1, help="of the demo site")
    parser.add_argument("--port", type=int, default=0, help="0 lets the system choose")
    chosen = parser.parse_args(arguments)
    site = (
        demo_site(chosen.seed)
        if chosen.site == "demo"
        else load_site(Path(chosen.site).read_text(encoding="utf-8"))
    )
    serve(site, host="127.0.0.1", port=chosen.port, ready=_announce)


def _announce(port: int) -> None:
    with contextlib.suppress(BrokenPipeError):
        sys.stdout.write(json.dumps({"port": port, "simulated": True}) + "\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main()
