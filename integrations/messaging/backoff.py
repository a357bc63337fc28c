"""How long to wait between attempts at something that is away."""

from dataclasses import dataclass
from random import SystemRandom

_random = SystemRandom()


@dataclass(frozen=True, kw_only=True)
class Backoff:
    """Waits that double from first_s to most_s, each spread by the jitter fraction either way."""

    first_s: float = 1.0
    most_s: float = 30.0
    jitter: float = 0.25

    def wait_s(self, failures: int) -> float:
        """The wait after this many failures in a row, counted from 1."""
        steady_s = min(self.most_s, self.first_s * 2.0 ** min(max(failures - 1, 0), 60))
        return min(self.most_s, steady_s * _random.uniform(1 - self.jitter, 1 + self.jitter))
