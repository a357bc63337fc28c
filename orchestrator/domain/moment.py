"""One moment in both clocks: monotonic seconds for control, UTC for records."""

from dataclasses import dataclass
from datetime import datetime


@dataclass(frozen=True, slots=True)
class Moment:
    """monotonic_s: seconds of this process's monotonic clock. utc: time zone aware."""

    monotonic_s: float
    utc: datetime
