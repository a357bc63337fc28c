"""From profile samples to the frontiers that decisions use."""

import json
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, Protocol

import structlog

from orchestrator.domain.frontier import Frontier
from orchestrator.messages import FrontiersChanged
from orchestrator.models.fit import DEFAULT_RECIPE, Recipe, fit, version_of
from orchestrator.models.frontier import candidates, frontier
from orchestrator.models.refit import Refit
from orchestrator.models.samples import Samples, read_profile
from orchestrator.ports import Control

log = structlog.get_logger(__name__)


class Version(Protocol):
    """A stored model."""

    @property
    def version(self) -> str: ...
    @property
    def active(self) -> bool: ...
    @property
    def metrics(self) -> str: ...


class Models(Protocol):
    """Samples and the models fitted to them. Raises DatabaseUnavailable."""

    def add_samples(self, deployment: str, csv: str, *, simulated: bool, at: datetime) -> str: ...

    def add_model(
        self,
        frontier: Frontier,
        candidates: Frontier,
        *,
        samples_sha256: str,
        recipe: Mapping[str, Any] | object,
        metrics: Mapping[str, Any] | object,
        simulated: bool,
        at: datetime,
        origin: str = "profile",
        refused: str | None = None,
    ) -> None: ...

    def activate(self, version: str) -> None: ...

    def frontiers(self) -> Mapping[str, Frontier]: ...

    def candidates(self) -> Mapping[str, Frontier]: ...

    def profile(self, deployment: str) -> str | None: ...

    def versions(self, deployment: str | None = None) -> Sequence[Version]: ...


@dataclass(frozen=True, slots=True)
class _Fitted:
    """A fit to be made active; frontier and candidates None where it is stored already."""

    deployment: str
    version: str
    frontier: Frontier | None
    candidates: Frontier | None
    metrics: Mapping[str, Any]
    active: bool
    origin: str = "profile"
    refused: str | None = None


class Calibration:
    """Fits what is new, stores it, and makes it what decisions use.

    simulated: the samples come from a simulated plant. on_change: hears of all operating points
    of the active models, by deployment, for the agents.
    """

    def __init__(
        self,
        *,
        models: Models,
        control: Control,
        clock: Callable[[], datetime],
        simulated: bool,
        on_change: Callable[[Mapping[str, Frontier]], None] = lambda _frontiers: None,
        recipe: Recipe = DEFAULT_RECIPE,
    ) -> None:
        self._models = models
        self._control = control
        self._clock = clock
        self._simulated = simulated
        self._on_change = on_change
        self._recipe = recipe
        self._lock = threading.Lock()

    def load(self, csv: str) -> tuple[str, ...]:
        """Fit and activate every deployment of a profile; returns the versions now active.

        A fit that is stored already is not made again, and a refit that began from it stays
        active. Raises InvalidProfile and changes nothing.
        """
        samples = read_profile(csv)
        with self._lock:
            fitted = [self._fitted(samples, name) for name in samples.deployments()]
            versions = tuple(self._store(own, found) for own, found in fitted)
            self._announce()
        return versions

    def take(self, found: Refit, over: str) -> str:
        """Store a refit, and make it active unless it is refused; returns its version.

        over: the version that was in use when it began; if another is now, it is refused.
        """
        model = found.model
        best = frontier(model)
        fitted = _Fitted(
            deployment=model.deployment,
            version=model.version,
            frontier=best,
            candidates=replace(best, points=candidates(model)),
            metrics=found.metrics(),
            active=False,
            origin="telemetry",
            refused=found.refused,
        )
        with self._lock:
            in_use = self._models.candidates().get(model.deployment)
            if fitted.refused is None and (in_use is None or in_use.model_version != over):
                fitted = replace(fitted, refused="another model was made active meanwhile")
            self._store(found.samples, fitted)
            self._announce()
        return model.version

    def announce(self) -> None:
        """Tell control and everybody else the active frontiers."""
        with self._lock:
            self._announce()

    def _announce(self) -> None:
        points = self._models.candidates()
        self._control.submit(FrontiersChanged(self._models.frontiers(), points))
        self._on_change(points)

    def _fitted(self, samples: Samples, deployment: str) -> tuple[Samples, _Fitted]:
        own = samples.of(deployment)
        version = version_of(own, self._recipe)
        known = {stored.version: stored for stored in self._models.versions(deployment)}
        if version in known:
            refitted = any(_began_from(stored, version) for stored in known.values())
            active = known[version].active or refitted
            return own, _Fitted(deployment, version, None, None, {}, active)
        model = fit(samples, deployment, self._recipe)
        metrics = model.metrics()
        log.info("fitted", deployment=deployment, version=version, **metrics)
        best = frontier(model)
        points = replace(best, points=candidates(model))
        return own, _Fitted(deployment, version, best, points, metrics, False)

    def _store(self, own: Samples, found: _Fitted) -> str:
        if found.frontier is not None and found.candidates is not None:
            at = self._clock()
            sha256 = self._models.add_samples(
                found.deployment, own.csv(), simulated=self._simulated, at=at
            )
            self._models.add_model(
                found.frontier,
                found.candidates,
                samples_sha256=sha256,
                recipe=self._recipe,
                metrics=found.metrics,
                simulated=self._simulated,
                at=at,
                origin=found.origin,
                refused=found.refused,
            )
        if not found.active and found.refused is None:
            self._models.activate(found.version)
        return found.version


def _began_from(stored: Version, version: str) -> bool:
    """Whether a model is active and a refit of this version."""
    begun = json.loads(stored.metrics).get("profile_version") if stored.active else None
    return bool(begun == version)
