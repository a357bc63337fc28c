"""The agent's clock."""

import time


class BootClock:
    """Seconds since boot, the time that the host slept included; survives no reboot."""

    def now_s(self) -> float:
        """CLOCK_BOOTTIME in seconds."""
        return time.clock_gettime(time.CLOCK_BOOTTIME)
