"""The demo's story, as the README tells it."""

import signal
from contextlib import ExitStack

import pytest

from tests.programs import free_port
from tests.scenario.commands import DemoRun, demo_in, processes_naming, until

pytestmark = pytest.mark.timeout(240)

KEYS = {
    "simulated",
    "nodes",
    "baseline_w",
    "limit_w",
    "time_to_comply_s",
    "max_over_limit_w",
    "rebound_w",
    "tokens_lost_fraction",
    "p95_itl_ms_before",
    "p95_itl_ms_during",
    "decisions",
}
METER_NOISE = 0.005


def test_an_interrupted_demo_leaves_nothing_behind(
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    with ExitStack() as stack:
        asked, killed = (
            demo_in(tmp_path_factory.mktemp(name), free_port(), ["--for", "100"])
            for name in ("asked", "killed")
        )
        for run in (asked, killed):
            stack.callback(run.stop)
        for run in (asked, killed):
            run.wait_up()
            assert len(processes_naming(run.data_dir)) >= 15
        asked.signal(signal.SIGINT)
        killed.signal(signal.SIGKILL)
        assert asked.wait(20.0) == 0
        assert asked.output() == ""
        assert killed.wait(5.0) == -signal.SIGKILL
        assert processes_naming(asked.data_dir) == []
        until(lambda: not processes_naming(killed.data_dir), 20.0, "no process is left")


def test_the_demo_complies_and_leaves_nothing_behind(demo_run: DemoRun) -> None:
    assert demo_run.wait(200.0) == 0, demo_run.said()
    found = demo_run.figures()
    assert set(found) == KEYS
    assert found["simulated"] is True
    assert found["nodes"] == 12
    assert found["limit_w"] == pytest.approx(0.7 * found["baseline_w"], rel=1e-3)
    assert 0 < found["time_to_comply_s"] < 5.0
    assert 0 <= found["max_over_limit_w"] <= METER_NOISE * found["limit_w"]
    assert found["rebound_w"] <= METER_NOISE * found["baseline_w"]
    assert 0 < found["tokens_lost_fraction"] < 0.3
    assert 0 < found["p95_itl_ms_before"] < found["p95_itl_ms_during"]
    assert found["decisions"] > 2
    assert "SIMULATED" in demo_run.said()
    assert processes_naming(demo_run.data_dir) == []
