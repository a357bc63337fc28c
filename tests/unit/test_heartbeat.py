"""The sign of life: given while control steps and leads, and by nothing else."""

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

from structlog.testing import capture_logs

from orchestrator.runtime.heartbeat import Heartbeat, calling, touching

EVERY_S = 0.01


@contextmanager
def beating(beat: Callable[[], None], alive: Callable[[], bool]) -> Iterator[Heartbeat]:
    heartbeat = Heartbeat("test", beat, alive, EVERY_S)
    heartbeat.start()
    try:
        yield heartbeat
    finally:
        heartbeat.stop()


def until(met: Callable[[], bool]) -> None:
    """Poll for at most five seconds."""
    for _ in range(500):
        if met():
            return
        time.sleep(0.01)
    raise AssertionError("it did not happen within five seconds")


def test_a_file_is_touched_while_alive_and_grows_old_afterwards(tmp_path: Path) -> None:
    path, alive = tmp_path / "alive", threading.Event()
    with beating(touching(path), alive.is_set):
        time.sleep(5 * EVERY_S)
        assert not path.exists()
        alive.set()
        until(path.exists)
        alive.clear()
        time.sleep(5 * EVERY_S)
        stamp = path.stat().st_mtime_ns
        time.sleep(5 * EVERY_S)
        assert path.stat().st_mtime_ns == stamp
        alive.set()
        until(lambda: path.stat().st_mtime_ns > stamp)


def test_a_beat_that_fails_is_said_once_and_tried_again(tmp_path: Path) -> None:
    folder = tmp_path / "later"
    with capture_logs() as logs, beating(touching(folder / "alive"), lambda: True):
        until(lambda: bool(logs))
        time.sleep(5 * EVERY_S)
        folder.mkdir()
        until((folder / "alive").exists)
        until(lambda: len(logs) == 2)
    assert [entry["event"] for entry in logs] == [
        "heartbeat does not arrive", "heartbeat arrives again",
    ]  # fmt: skip


class Watched(HTTPServer):
    """Counts what it is asked; answers as it is told."""

    asked = 0
    status = 200


class Answer(BaseHTTPRequestHandler):
    server: Watched

    def do_GET(self) -> None:
        self.server.asked += 1
        self.send_response(self.server.status)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *_: object) -> None:
        pass


def test_a_url_is_asked_for_and_a_refusal_is_a_failure() -> None:
    with Watched(("127.0.0.1", 0), Answer) as server:
        threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
        url = f"http://127.0.0.1:{server.server_port}/beat"
        with capture_logs() as logs, beating(calling(url, 1.0), lambda: True):
            until(lambda: server.asked > 2)
            assert logs == []
            server.status = 503
            until(lambda: bool(logs))
        server.shutdown()
    assert "503" in logs[0]["reason"]
