"""The clocks of the live service."""

import time
from datetime import UTC, datetime

from orchestrator.domain.moment import Moment


def live_moment() -> Moment:
    """Now, in monotonic seconds and UTC."""
    return Moment(time.monotonic(), datetime.now(UTC))
