"""What a deployment does over power caps when its queue never empties: a simulated curve."""

from collections.abc import Sequence
from dataclasses import dataclass

from integrations.twin.catalogue import replica_of
from integrations.twin.deployment import Deployment
from integrations.twin.fingerprint import twin_hash
from integrations.twin.node import steady
from orchestrator.domain.errors import InvalidInput


@dataclass(frozen=True, slots=True)
class CurvePoint:
    """One cap at saturation.

    cap_w of each card; power_w of all cards, wall_w of the server; tok_j: output tokens a joule at
    the server's wall, tok_s / wall_w. extrapolated: no measurement covers this card and model.
    """

    simulated: bool
    extrapolated: bool
    twin: str
    deployment: str
    gpus: int
    batch: int
    clock_mhz: float | None
    cap_w: float
    power_w: float
    wall_w: float
    tok_s: float
    tok_j: float
    itl_mean_ms: float
    itl_p99_ms: float


def curve(
    gpu: str,
    model: str,
    caps_w: Sequence[float],
    *,
    gpus: int | None = None,
    batch: int | None = None,
    clock_mhz: float | None = None,
    seconds: float = 120.0,
    seed: int = 0,
) -> list[CurvePoint]:
    """One point a cap, in the order given.

    gpus: one replica without it. batch: of the node, its largest without it. InvalidInput outside
    the card's range, ConfigurationError for unknown names.
    """
    deployment = Deployment(gpu, model, replica_of(gpu, model) if gpus is None else gpus)
    running = deployment.max_batch if batch is None else batch
    if not caps_w:
        raise InvalidInput("name at least one cap in watts, such as --caps 700,500")
    for cap_w in caps_w:
        deployment.card.check_cap_w(cap_w, gpu)
    return [_point(deployment, cap_w, running, clock_mhz, seconds, seed) for cap_w in caps_w]


def _point(
    deployment: Deployment,
    cap_w: float,
    batch: int,
    clock_mhz: float | None,
    seconds: float,
    seed: int,
) -> CurvePoint:
    found = steady(deployment, cap_w, batch, clock_mhz, seconds, seed)
    return CurvePoint(
        simulated=True,
        extrapolated=deployment.extrapolated,
        twin=twin_hash(),
        deployment=deployment.id,
        gpus=deployment.gpus,
        batch=batch,
        clock_mhz=clock_mhz,
        cap_w=cap_w,
        power_w=round(found.power_w, 1),
        wall_w=round(found.wall_w, 1),
        tok_s=round(found.tok_s, 1),
        tok_j=round(found.tok_j, 4),
        itl_mean_ms=round(found.itl_mean_ms, 3),
        itl_p99_ms=round(found.itl_p99_ms, 3),
    )
