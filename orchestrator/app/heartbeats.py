"""The heartbeats that the settings ask for."""

from collections.abc import Callable

from orchestrator.runtime.heartbeat import Heartbeat, calling, touching
from orchestrator.settings import HeartbeatSettings


def build_heartbeats(chosen: HeartbeatSettings, alive: Callable[[], bool]) -> list[Heartbeat]:
    """One for each place that beats go to; none where nothing was chosen."""
    found = []
    if chosen.file is not None:
        found.append(Heartbeat("file", touching(chosen.file), alive, chosen.every_s))
    if chosen.url is not None:
        found.append(Heartbeat("url", calling(chosen.url, chosen.every_s), alive, chosen.every_s))
    return found
