"""`ballast twin curve` and `ballast twin fit`."""

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from integrations.twin.fingerprint import twin_hash
from orchestrator.cli.app import app

CURVE = ["twin", "curve", "--gpu", "H200", "--model", "llama-2-70b"]


def run(*arguments: str) -> tuple[int, str, str]:
    result = CliRunner().invoke(app, arguments)
    return result.exit_code, result.stdout, result.stderr


def test_a_curve_is_a_list_that_says_it_is_simulated_and_extrapolated() -> None:
    status, out, _ = run(*CURVE, "--caps", "700,500,350", "--json")
    assert status == 0
    points = json.loads(out)
    assert [point["cap_w"] for point in points] == [700.0, 500.0, 350.0]
    for point in points:
        assert point["simulated"] is True
        assert point["extrapolated"] is True
        assert point["twin"] == twin_hash()
        assert point["power_w"] <= point["cap_w"] * point["gpus"] + 1.0
        assert point["tok_j"] == pytest.approx(point["tok_s"] / point["wall_w"], rel=1e-3)
        assert 0.0 < point["itl_mean_ms"] < point["itl_p99_ms"]
    assert points[0]["tok_s"] > points[1]["tok_s"] > points[2]["tok_s"]


def test_a_table_says_simulated_in_its_title() -> None:
    status, out, _ = run(*CURVE, "--caps", "500", "--batch", "64", "--gpus", "8")
    assert status == 0
    assert "SIMULATED" in out
    assert "x8, batch 64" in out


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--caps", "800"], "outside 200-700"),
        (["--caps", "nan"], "outside 200-700"),
        (["--caps", "much"], "separated by commas"),
        (["--caps", "500", "--gpu", "H300"], "A100, H100, H200, B200"),
        (["--caps", "500", "--model", "gpt-5"], "llama-2-70b"),
        (["--caps", "500", "--gpus", "5"], "multiple"),
        (["--caps", "500", "--batch", "0"], "batch limit 0"),
        (["--caps", "500", "--clock", "9000"], "MHz"),
    ],
)
def test_bad_input_is_one_line_and_status_two(arguments: list[str], words: str) -> None:
    status, out, err = run(*CURVE, *arguments)
    assert status == 2
    assert out == ""
    assert words in err
    assert err.count("\n") == 1


def test_a_fit_needs_the_table_and_a_place_to_write(tmp_path: Path) -> None:
    status, _, err = run("twin", "fit", str(tmp_path / "none.csv"))
    assert status == 2
    assert "cannot read" in err
