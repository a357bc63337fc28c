"""Profile samples and the models fitted to them."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, Engine, select, update

from orchestrator.domain.errors import NotFound
from orchestrator.domain.frontier import Frontier
from orchestrator.store.canonical import decode, digest, dumps, encode
from orchestrator.store.engine import reading, writing
from orchestrator.store.inserts import insert_or_ignore
from orchestrator.store.tables import models, profile_samples


@dataclass(frozen=True, slots=True)
class ModelVersion:
    """A stored model without its frontier. recipe, metrics: JSON.

    origin: "profile", or "telemetry" for a refit. refused: why a refit was not made active.
    """

    version: str
    deployment: str
    samples_sha256: str
    recipe: str
    metrics: str
    active: bool
    simulated: bool
    created_at: datetime
    origin: str
    refused: str | None


class Models:
    """Models by version; at most one of a deployment is active."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def add_samples(self, deployment: str, csv: str, *, simulated: bool, at: datetime) -> str:
        """Store samples once; returns their SHA-256."""
        sha256 = digest(csv)
        row = {
            "sha256": sha256,
            "deployment": deployment,
            "csv": csv,
            "simulated": simulated,
            "created_at": at,
        }
        with writing(self._engine) as connection:
            insert_or_ignore(connection, profile_samples, [row])
        return sha256

    def samples(self, sha256: str) -> str:
        """The CSV text of samples. Raises NotFound."""
        query = select(profile_samples.c.csv).where(profile_samples.c.sha256 == sha256)
        with reading(self._engine) as connection:
            csv = connection.execute(query).scalar()
        if csv is None:
            raise NotFound(f"no samples have the hash {sha256}")
        return str(csv)

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
    ) -> None:
        """Store a fit under its frontier's version, not yet active; a repeat changes nothing.

        candidates: every operating point of the same fit, for the agents to choose from. origin,
        refused: see ModelVersion.
        """
        row = {
            "version": frontier.model_version,
            "deployment": frontier.deployment,
            "samples_sha256": samples_sha256,
            "recipe": dumps(recipe),
            "frontier": encode(frontier),
            "candidates": encode(candidates),
            "metrics": dumps(metrics),
            "active": False,
            "simulated": simulated,
            "created_at": at,
            "origin": origin,
            "refused": refused,
        }
        with writing(self._engine) as connection:
            insert_or_ignore(connection, models, [row])

    def activate(self, version: str) -> None:
        """Let decisions use this version instead of its deployment's other ones.

        Raises NotFound.
        """
        with writing(self._engine) as connection:
            query = select(models.c.deployment).where(models.c.version == version)
            deployment = connection.execute(query).scalar()
            if deployment is None:
                raise NotFound(f"no model has the version {version!r}")
            same = models.c.deployment == deployment
            connection.execute(update(models).where(same).values(active=False))
            chosen = update(models).where(models.c.version == version)
            connection.execute(chosen.values(active=True))

    def frontiers(self) -> dict[str, Frontier]:
        """The active frontier of every deployment."""
        return self._active(models.c.frontier)

    def candidates(self) -> dict[str, Frontier]:
        """All operating points of the active model of every deployment."""
        return self._active(models.c.candidates)

    def _active(self, body_column: ColumnElement[str]) -> dict[str, Frontier]:
        query = select(models.c.deployment, body_column).where(models.c.active)
        with reading(self._engine) as connection:
            rows = connection.execute(query.order_by(models.c.deployment))
            return {deployment: decode(Frontier, body) for deployment, body in rows}

    def profile(self, deployment: str) -> str | None:
        """The CSV text of the profile last fitted, refits left out; None without one."""
        query = (
            select(profile_samples.c.csv)
            .join(models, models.c.samples_sha256 == profile_samples.c.sha256)
            .where(models.c.deployment == deployment, models.c.origin == "profile")
            .order_by(models.c.created_at.desc())
            .limit(1)
        )
        with reading(self._engine) as connection:
            return connection.execute(query).scalar()

    def versions(self, deployment: str | None = None) -> list[ModelVersion]:
        """Stored models, newest first."""
        columns = [models.c[name] for name in ModelVersion.__slots__]
        query = select(*columns).order_by(models.c.created_at.desc(), models.c.version)
        if deployment is not None:
            query = query.where(models.c.deployment == deployment)
        with reading(self._engine) as connection:
            return [ModelVersion(**row) for row in connection.execute(query).mappings()]
