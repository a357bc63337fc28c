"""Refits a deployment's model when what its nodes show stays outside the model's error band."""

from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from typing import Final, Protocol

import structlog

from orchestrator.domain.errors import BallastError
from orchestrator.domain.surface import surface_of
from orchestrator.domain.telemetry import NodeSample
from orchestrator.domain.topology import Node, Topology
from orchestrator.models.fit import DEFAULT_RECIPE, Recipe, fit
from orchestrator.models.refit import refit
from orchestrator.models.samples import read_profile
from orchestrator.models.telemetry import runs_of
from orchestrator.ports import Control
from orchestrator.services.calibration import Calibration, Models

log = structlog.get_logger(__name__)

DRIFT_S: Final = 300.0
LOOK_BACK: Final = timedelta(hours=1)
NOT_AGAIN_FOR: Final = timedelta(hours=1)


class History(Protocol):
    """What nodes reported lately. Raises DatabaseUnavailable."""

    def recent(self, nodes: Sequence[str], since: datetime) -> list[NodeSample]: ...


class Refits:
    """A slow job: looks for drift, refits what drifts, and keeps only what is better.

    Every refit is stored; one that is not better on runs it has not seen is refused, with figures.
    """

    def __init__(
        self,
        *,
        topology: Topology,
        models: Models,
        history: History,
        calibration: Calibration,
        control: Control,
        clock: Callable[[], datetime],
        recipe: Recipe = DEFAULT_RECIPE,
    ) -> None:
        self._topology = topology
        self._models = models
        self._history = history
        self._calibration = calibration
        self._control = control
        self._clock = clock
        self._recipe = recipe
        self._tried: dict[str, datetime] = {}

    def check(self) -> tuple[str, ...]:
        """Refit what drifts and was not tried lately; returns the versions that were stored."""
        found = []
        for deployment in self._drifting():
            self._tried[deployment] = self._clock()
            try:
                version = self._refit(deployment)
            except BallastError as error:
                log.warning("refit failed", deployment=deployment, reason=str(error))
                continue
            if version is not None:
                found.append(version)
        return tuple(found)

    def _drifting(self) -> list[str]:
        drifting = {
            node.deployment for node in self._control.snapshot().nodes if node.drift_s >= DRIFT_S
        }
        free = self._clock() - NOT_AGAIN_FOR
        return sorted(name for name in drifting if self._tried.get(name, free) <= free)

    def _refit(self, deployment: str) -> str | None:
        csv, in_use = self._models.profile(deployment), self._models.candidates().get(deployment)
        if csv is None or in_use is None:
            return None
        profile = read_profile(csv)
        base = fit(profile, deployment, self._recipe)
        nodes = self._nodes(deployment, base.gpus)
        samples = self._history.recent([node.id for node in nodes], self._clock() - LOOK_BACK)
        runs = runs_of(samples, base.gpus, base.axes)
        found = refit(profile, runs, surface_of(in_use.points), base, self._recipe)
        if found is None:
            log.info("too few runs for a refit", deployment=deployment, runs=len(runs))
            return None
        log.info("refitted", deployment=deployment, refused=found.refused, after=str(found.after))
        return self._calibration.take(found, over=in_use.model_version)

    def _nodes(self, deployment: str, cards: int) -> list[Node]:
        return [
            node
            for node in self._topology.nodes
            if node.deployment == deployment and node.cards == cards
        ]
