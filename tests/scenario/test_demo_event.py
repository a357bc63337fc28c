"""The demo's story, as the README tells it."""

import signal
import time

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


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGKILL], ids=["ctrl-c", "kill"])
def test_an_interrupted_demo_leaves_nothing_behind(
    tmp_path_factory: pytest.TempPathFactory, number: signal.Signals
) -> None:
    run = demo_in(tmp_path_factory.mktemp("interrupted"), free_port(), ["--for", "100"])
    try:
        until(lambda: "Dashboard: " in run.said(), 60.0, "the demo is up")
        assert len(processes_naming(run.data_dir)) >= 15
        time.sleep(0.5)
        run.signal(number)
        assert run.wait(20.0) == (0 if number == signal.SIGINT else -signal.SIGKILL)
        assert run.output() == ""
        until(lambda: not processes_naming(run.data_dir), 20.0, "no process is left")
    finally:
        run.stop()


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
