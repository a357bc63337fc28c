"""Requests of a deployment's own kind, as tests and benchmarks offer them to a node."""

from collections.abc import Callable
from pathlib import Path
from typing import Final

from integrations.twin.deployment import Deployment
from integrations.twin.workload import Requests, arriving, queued, read_trace

HEADROOM: Final = 1.3
SPARE: Final = 100


def saturated(deployment: Deployment, seconds: float, seed: int) -> Requests:
    """A queue that does not empty for `seconds`, of requests as the deployment's workload."""
    c, workload = deployment.coefficients, deployment.workload
    least_ms = c.base_ms + c.request_ms * deployment.entry.max_batch
    tokens = deployment.max_batch * 1000.0 / least_ms * seconds
    count = 2 * deployment.max_batch + HEADROOM * tokens / workload.output_mean
    return queued(workload, int(count) + SPARE, seed)


def poisson(
    deployment: Deployment,
    rate_tok_s: float | Callable[[float], float],
    seconds: float,
    seed: int,
) -> Requests:
    """Poisson arrivals that ask for `rate_tok_s` output tokens a second on average."""
    return arriving(deployment.workload, rate_tok_s, seconds, seed)


def trace(path: Path, deployment: Deployment, scale: float, seconds: float) -> Requests:
    """Arrivals and lengths of a trace file, `scale` times as many a second, for `seconds`.

    InvalidInput if an answer of the trace is longer than the twin generates.
    """
    del deployment  # a trace has lengths of its own
    return read_trace(path, scale, seconds)
