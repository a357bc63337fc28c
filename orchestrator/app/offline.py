"""What the command line does to a facility's models while the service may be down."""

from datetime import UTC, datetime

from orchestrator.app.repositories import open_repositories
from orchestrator.domain.errors import NotFound, Unavailable
from orchestrator.domain.frontier import Frontier
from orchestrator.messages import Input
from orchestrator.models.fit import DEFAULT_RECIPE, Recipe
from orchestrator.services.calibration import Calibration
from orchestrator.settings import Settings
from orchestrator.snapshot import Snapshot


class NoControl:
    """Stands where the control thread would: nothing runs that could hear of a change."""

    def submit(self, item: Input) -> None:
        """Drop the input: the service reads the database when it starts."""

    def snapshot(self) -> Snapshot:
        """There is none. Raises Unavailable."""
        raise Unavailable("the service does not run here")


def store_profile(settings: Settings, csv: str) -> tuple[str, ...]:
    """Fit a profile, store it and make it active; returns the versions."""
    calibration = Calibration(
        models=open_repositories(settings, _utc).models,
        control=NoControl(),
        clock=_utc,
        simulated=settings.simulated,
        recipe=Recipe(forms=settings.models.forms or DEFAULT_RECIPE.forms),
    )
    return calibration.load(csv)


def active_frontier(settings: Settings, deployment: str) -> Frontier:
    """The frontier that decisions use for a deployment. Raises NotFound."""
    frontiers = open_repositories(settings, _utc).models.frontiers()
    if deployment not in frontiers:
        known = ", ".join(sorted(frontiers)) or "none"
        raise NotFound(f"no active model of {deployment!r}; there are models of: {known}")
    return frontiers[deployment]


def _utc() -> datetime:
    return datetime.now(UTC)
