"""The same demo with PostgreSQL and an external Mosquitto in place of the embedded ones."""

import pytest

from tests.scenario.commands import DemoRun, processes_naming, query

pytestmark = [pytest.mark.timeout(200), pytest.mark.mosquitto]


def test_the_demo_complies_on_postgresql_and_mosquitto(
    external_run: DemoRun, external_database_url: str
) -> None:
    assert external_run.wait(150.0) == 0, external_run.said()
    found = external_run.figures()
    assert 0 < found["time_to_comply_s"] < 5.0
    assert found["max_over_limit_w"] <= 0.005 * found["limit_w"]
    assert processes_naming(external_run.data_dir) == []
    assert not (external_run.data_dir / "ballast.db").exists()
    assert not (external_run.data_dir / "broker").exists()

    url = external_database_url
    (event,) = query(url, "SELECT * FROM events_delivered")
    assert event["simulated"] is True
    assert event["limit_w"] == pytest.approx(found["limit_w"], abs=1.0)
    assert event["time_to_comply_s"] < 5.0
    explained = "SELECT node, reason FROM decisions_explained WHERE signal_id = '{}'"
    rows = query(url, explained.format(event["event_id"]))
    assert {row["node"] for row in rows} == {f"node-{n:02d}" for n in range(1, 13)}
    assert all(row["reason"] for row in rows)
    (sent,) = query(url, "SELECT COUNT(*) AS n FROM setpoints WHERE kind = 'decrease'")
    assert sent["n"] >= 12
    (samples,) = query(url, "SELECT COUNT(DISTINCT node) AS n FROM node_samples")
    assert samples["n"] == 12
