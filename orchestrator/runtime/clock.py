"""The clocks of the live service."""

import threading
import time
from datetime import UTC, datetime

from orchestrator.domain.moment import Moment, SteadyUtc


class LiveClock:
    """Now, in monotonic seconds and a UTC that rides through jumps; for every thread."""

    def __init__(self) -> None:
        self._utc = SteadyUtc()
        self._lock = threading.Lock()

    def __call__(self) -> Moment:
        """The moment."""
        with self._lock:
            now_s = time.monotonic()
            return Moment(now_s, self._utc.follow(now_s, datetime.now(UTC)))
