"""Drift that lasts is refitted once; every version is kept, and a worse one is never used."""

from collections.abc import Iterator
from dataclasses import asdict, dataclass, replace
from datetime import datetime, timedelta
from pathlib import Path

import pytest
from sqlalchemy import insert

from orchestrator.messages import FrontiersChanged
from orchestrator.models.fit import Recipe
from orchestrator.models.refit import Refit
from orchestrator.services.calibration import Calibration
from orchestrator.services.refits import Refits
from orchestrator.store.engine import open_engine, sqlite_url, writing
from orchestrator.store.migrate import upgrade
from orchestrator.store.models import Models
from orchestrator.store.node_history import NodeHistory
from orchestrator.store.record_tables import node_samples
from tests.api_bench import TOPOLOGY
from tests.plant_law import Law, an_hour, profile_text
from tests.recording_control import NOON, RecordingControl, a_snapshot

RECIPE = Recipe(forms=("physics",))


@dataclass
class Clock:
    now: datetime = NOON

    def __call__(self) -> datetime:
        return self.now


class Bench:
    """The services on a database of their own, with a node that has drifted for a while."""

    def __init__(self, folder: Path, drift_s: float = 400.0) -> None:
        self.engine = open_engine(sqlite_url(str(folder / "ballast.db")))
        upgrade(self.engine)
        self.models, self.clock = Models(self.engine), Clock()
        shown = a_snapshot()
        first, *others = shown.nodes
        self.control = RecordingControl(
            replace(shown, nodes=(replace(first, drift_s=drift_s), *others))
        )
        self.calibration = Calibration(
            models=self.models,
            control=self.control,
            clock=self.clock,
            simulated=True,
            recipe=RECIPE,
        )
        self.refits = Refits(
            topology=TOPOLOGY,
            models=self.models,
            history=NodeHistory(self.engine),
            calibration=self.calibration,
            control=self.control,
            clock=self.clock,
            recipe=RECIPE,
        )
        (self.first,) = self.calibration.load(profile_text())
        self.clock.now += timedelta(minutes=1)

    def report(self, older: Law, newer: Law) -> None:
        for node in ("node-1", "node-2"):
            rows = [
                {"limit_w": None, "ttft_p95_ms": None, "lease": "held", "decision_id": None}
                | asdict(sample)
                for sample in an_hour(node, self.clock.now, older, newer)
            ]
            with writing(self.engine) as connection:
                connection.execute(insert(node_samples), rows)

    def active(self) -> str:
        return self.models.frontiers()["llama-70b"].model_version


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Bench]:
    made = Bench(tmp_path)
    yield made
    made.engine.dispose()


def test_a_lasting_drift_is_refitted_and_the_old_version_kept(bench: Bench) -> None:
    bench.report(Law(tok=0.85), Law(tok=0.85))
    (version,) = bench.refits.check()
    assert bench.active() == version
    told = bench.control.last(FrontiersChanged)
    assert isinstance(told, FrontiersChanged)
    assert told.frontiers["llama-70b"].model_version == version
    stored = {model.version: model for model in bench.models.versions()}
    assert stored.keys() == {bench.first, version}
    assert (stored[version].origin, stored[version].refused) == ("telemetry", None)
    assert '"held_out":{' in stored[version].metrics


def test_a_worse_refit_is_stored_as_refused_and_changes_nothing(bench: Bench) -> None:
    bench.report(Law(tok=0.8), Law())
    (version,) = bench.refits.check()
    assert bench.active() == bench.first
    refused = next(model for model in bench.models.versions() if model.version == version)
    assert not refused.active
    assert refused.refused is not None
    assert "not better on 24 held-out runs" in refused.refused


def test_the_same_deployment_is_not_tried_again_within_the_hour(bench: Bench) -> None:
    bench.report(Law(tok=0.85), Law(tok=0.85))
    assert len(bench.refits.check()) == 1
    assert bench.refits.check() == ()


def test_without_lasting_drift_or_telemetry_nothing_is_fitted(tmp_path: Path) -> None:
    calm = Bench(tmp_path, drift_s=100.0)
    calm.report(Law(tok=0.85), Law(tok=0.85))
    assert calm.refits.check() == ()
    (tmp_path / "other").mkdir()
    assert Bench(tmp_path / "other").refits.check() == ()


def test_a_restart_with_the_same_profile_keeps_the_refit(bench: Bench) -> None:
    bench.report(Law(tok=0.85), Law(tok=0.85))
    (version,) = bench.refits.check()
    bench.calibration.load(profile_text())
    assert bench.active() == version


def test_a_new_profile_replaces_a_refit(bench: Bench) -> None:
    bench.report(Law(tok=0.85), Law(tok=0.85))
    bench.refits.check()
    (fresh,) = bench.calibration.load(profile_text(law=Law(tok=0.9)))
    assert bench.active() == fresh


def test_a_refit_gives_way_to_a_profile_that_was_loaded_while_it_was_fitted(bench: Bench) -> None:
    bench.report(Law(tok=0.85), Law(tok=0.85))
    take = bench.calibration.take
    loaded: list[str] = []

    def late(found: Refit, over: str) -> str:
        loaded.extend(bench.calibration.load(profile_text(law=Law(tok=0.9))))
        return take(found, over)

    bench.calibration.take = late  # type: ignore[method-assign]
    (version,) = bench.refits.check()
    assert bench.active() == loaded[0]
    refused = next(model for model in bench.models.versions() if model.version == version)
    assert refused.refused == "another model was made active meanwhile"
