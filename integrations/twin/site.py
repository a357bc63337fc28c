"""The description of a simulated site, and its JSON form."""

import json
import math
import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from typing import Any, Final

from integrations.twin.deployment import Deployment
from integrations.twin.losses import NO_LOSSES, Losses
from orchestrator.domain.errors import ConfigurationError

MAX_NODES: Final = 10_000
_ID: Final = re.compile(r"[a-z0-9-]{1,63}")


@dataclass(frozen=True, slots=True)
class TwinNode:
    """One serving node.

    demand_share: mean offered load as a share of what the node serves uncapped at its largest
    batch. limits: ids of the limits above it, the root first, each with a sub-meter.
    boot_gate: after a reboot the engine stays down until every card was capped again.
    """

    id: str
    gpus: int
    gpu_model: str
    model: str
    demand_share: float
    limits: tuple[str, ...]
    boot_gate: bool = False

    def __post_init__(self) -> None:
        if not (_ID.fullmatch(self.id) and all(map(_ID.fullmatch, self.limits))):
            raise ConfigurationError(f"{self.id!r}: ids are 1-63 of a-z, 0-9 and the hyphen")
        Deployment(self.gpu_model, self.model, self.gpus)
        if not (math.isfinite(self.demand_share) and 0.0 <= self.demand_share <= 5.0):
            raise ConfigurationError(f"{self.id}: demand_share must lie in 0-5")
        if not self.limits:
            raise ConfigurationError(f"{self.id}: name at least the root limit")

    @property
    def max_batch(self) -> int:
        """The most requests that run at once on the node."""
        return Deployment(self.gpu_model, self.model, self.gpus).max_batch

    @property
    def deployment(self) -> str:
        """The deployment id of this model on these cards."""
        return Deployment(self.gpu_model, self.model, self.gpus).id


@dataclass(frozen=True, slots=True)
class TwinSite:
    """One simulated site.

    uncontrolled_w: load at the root that no node causes. speed: simulated seconds a real second.
    losses: what the meters see beyond the servers.
    """

    seed: int
    nodes: tuple[TwinNode, ...]
    uncontrolled_w: float
    speed: float = 1.0
    losses: Losses = NO_LOSSES

    def __post_init__(self) -> None:
        if not 0 < len(self.nodes) <= MAX_NODES:
            raise ConfigurationError(f"a site has 1-{MAX_NODES} nodes, not {len(self.nodes)}")
        ids = {node.id for node in self.nodes}
        if len(ids) < len(self.nodes) or any(ids & set(node.limits) for node in self.nodes):
            raise ConfigurationError("two nodes, or a node and a limit, share an id")
        if len({node.limits[0] for node in self.nodes}) > 1:
            raise ConfigurationError("the nodes name different root limits; a site has one")
        if self.seed < 0:
            raise ConfigurationError("the seed must not be negative")
        if not (math.isfinite(self.uncontrolled_w) and self.uncontrolled_w >= 0.0):
            raise ConfigurationError("uncontrolled_w must be a number of watts, zero or more")
        if not 0.0 < self.speed <= 100.0:
            raise ConfigurationError("speed must lie above 0 and at or below 100")

    @property
    def root(self) -> str:
        """The id of the limit above everything."""
        return self.nodes[0].limits[0]


def dump_site(site: TwinSite) -> str:
    """The site as a JSON object."""
    return json.dumps(asdict(site), indent=2)


def load_site(text: str) -> TwinSite:
    """Read a site from JSON; ConfigurationError says which key or name is wrong."""
    try:
        document = json.loads(text)
    except ValueError as error:
        raise ConfigurationError(f"the site file is not JSON: {error}") from error
    values = _keys(document, TwinSite, "the site")
    if not isinstance(values["nodes"], list):
        raise ConfigurationError("the site: nodes must be a list")
    nodes = tuple(_node(item, index) for index, item in enumerate(values["nodes"]))
    speed = _number(values.get("speed", 1.0), "speed")
    uncontrolled_w = _number(values["uncontrolled_w"], "uncontrolled_w")
    losses = _losses(values.get("losses", {}))
    return TwinSite(_integer(values["seed"], "seed"), nodes, uncontrolled_w, speed, losses)


def _losses(item: Any) -> Losses:
    values = _keys(item, Losses, "losses")
    return Losses(**{key: _number(value, f"losses: {key}") for key, value in values.items()})


def _node(item: Any, index: int) -> TwinNode:
    values = _keys(item, TwinNode, f"node {index}")
    limits = values["limits"]
    if not isinstance(limits, list) or not all(isinstance(limit, str) for limit in limits):
        raise ConfigurationError(f"node {index}: limits must be a list of ids")
    texts = [values[key] for key in ("id", "gpu_model", "model")]
    if not all(isinstance(text, str) for text in texts):
        raise ConfigurationError(f"node {index}: id, gpu_model and model must be texts")
    return TwinNode(
        id=texts[0],
        gpus=_integer(values["gpus"], f"node {index}: gpus"),
        gpu_model=texts[1],
        model=texts[2],
        demand_share=_number(values["demand_share"], f"node {index}: demand_share"),
        limits=tuple(limits),
        boot_gate=_flag(values.get("boot_gate", False), f"node {index}: boot_gate"),
    )


def _keys(item: Any, kind: type, where: str) -> Mapping[str, Any]:
    if not isinstance(item, dict):
        raise ConfigurationError(f"{where}: expected an object")
    known = [field.name for field in fields(kind)]
    if unknown := sorted(set(item) - set(known)):
        raise ConfigurationError(f"{where}: unknown {', '.join(unknown)}; known: {known}")
    optional = {"speed", "boot_gate", "losses", *(field.name for field in fields(Losses))}
    if missing := [key for key in known if key not in item and key not in optional]:
        raise ConfigurationError(f"{where}: missing {', '.join(missing)}")
    return item


def _number(value: Any, where: str) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise ConfigurationError(f"{where} must be a number")
    try:
        return float(value)
    except OverflowError as error:
        raise ConfigurationError(f"{where} is too large") from error


def _integer(value: Any, where: str) -> int:
    if isinstance(value, bool) or not isinstance(value, int):
        raise ConfigurationError(f"{where} must be a whole number")
    return value


def _flag(value: Any, where: str) -> bool:
    if not isinstance(value, bool):
        raise ConfigurationError(f"{where} must be true or false")
    return value
