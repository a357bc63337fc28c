"""`ballast models` from a profile to a frontier in use; mistakes end in one line."""

import json
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from orchestrator.cli.app import app
from tests.plant_law import Law, profile_text
from tests.scenario.commands import ballast

TABLE = (
    "task,model_id,weight_precision,gpu_model,num_gpus,tensor_parallel,expert_parallel,"
    "data_parallel,max_num_seqs,avg_power_watts,output_throughput_tokens_per_sec,p95_itl_ms,"
    "p99_itl_ms"
)
SETTINGS = """
site = "lab"
simulated = true
data_dir = "{folder}/data"
[topology]
firm_limit_w = 3000
[[topology.limits]]
id = "site"
kind = "facility"
limit_w = 10000
[[topology.nodes]]
id = "n1"
limit = "site"
deployment = "llama-70b"
cards = 8
nameplate_w = 5600
min_w = 1600
fail_safe_w = 1600
"""


def run(*arguments: object) -> Result:
    return CliRunner().invoke(app, ["models", *map(str, arguments)])


def answer(*arguments: object) -> Any:
    result = run(*arguments)
    assert result.exit_code == 0, result.output
    return json.loads(result.stdout)


@pytest.fixture(scope="module")
def profile(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("profiles") / "profile.csv"
    path.write_text(profile_text(), encoding="utf-8")
    return path


def test_a_fit_tells_form_error_band_and_range_and_writes_its_points(
    profile: Path, tmp_path: Path
) -> None:
    (found,) = answer("fit", profile, "--out", tmp_path / "fits", "--json")
    assert found["deployment"] == "llama-70b"
    assert found["range"]["cap_w"] == [200.0, 700.0]
    assert found["mape"]["tok_s"] == min(found["contenders"]["tok_s"].values())
    written = json.loads((tmp_path / "fits" / "llama-70b.json").read_text(encoding="utf-8"))
    assert written["version"] == found["version"]
    assert written["frontier"]["points"][0]["cap_w"] == 200.0
    assert len(written["candidates"]) > len(written["frontier"]["points"])


def test_an_evaluation_counts_what_lies_outside_and_judges_the_rest(
    profile: Path, tmp_path: Path
) -> None:
    law = Law(tok=1.1)
    rows = [
        f"llama-70b,H100,8,{cap_w},{batch},{law.power_w(cap_w, batch)},{law.tok_s(cap_w, batch)},,,"
        for cap_w, batch in ((250, 64), (450, 128), (650, 256), (650, 512))
    ]
    test = tmp_path / "test.csv"
    test.write_text("\n".join([profile_text().splitlines()[0], *rows, *_stranger()]), "utf-8")
    found = answer("evaluate", "--train", profile, "--test", test, "--json")
    assert found["throughput_mape"] == pytest.approx(1 - 1 / 1.1, abs=0.03)
    assert found["power_mape"] < 0.03
    assert found["by_deployment"]["llama-70b"] == found["overall"]
    assert (found["rows"], found["outside"], found["unknown"]) == (3, 1, ["other"])


def _stranger() -> list[str]:
    return ["other,H100,8,500,64,3000,900,,,"]


def test_the_frontier_has_tokens_per_joule_and_bands(profile: Path) -> None:
    found = answer("frontier", "llama-70b", "--profile", profile, "--json")
    assert found["tok_s_band"] > 0
    for point in found["points"]:
        assert point["tok_j"] == pytest.approx(point["tok_s"] / point["power_w"], abs=1e-3)


def test_with_a_configuration_the_model_is_stored_active_and_shown(
    profile: Path, tmp_path: Path
) -> None:
    config = tmp_path / "ballast.toml"
    config.write_text(SETTINGS.format(folder=tmp_path), encoding="utf-8")
    assert run("frontier", "llama-70b", "--config", config).exit_code == 1
    stored = ballast("models", "fit", profile, "--config", config, "--json")  # logs as a program
    (fitted,) = json.loads(stored.stdout)
    assert f"stored and active: {fitted['version']}" in stored.stderr
    shown = answer("frontier", "llama-70b", "--config", config, "--json")
    assert shown["model_version"] == fitted["version"]


def test_a_plan_goes_on_from_the_runs_so_far(profile: Path, tmp_path: Path) -> None:
    begun = answer("plan", "--caps", "200,700", "--batches", "16,256", "--points", 6, "--json")
    assert begun["points"][0] == {"cap_w": 200.0, "batch": 256, "clock_mhz": None}
    part = tmp_path / "part.csv"
    part.write_text("\n".join(profile_text().splitlines()[:9]), encoding="utf-8")
    found = answer("plan", "--profile", part, "--caps", "200,700", "--points", 3, "--json")
    assert len(found["points"]) == 3


def test_tables_are_printed_without_json(profile: Path) -> None:
    assert "llama-70b" in run("fit", profile).stdout
    assert "tok/J" in run("frontier", "llama-70b", "--profile", profile).stdout
    assert "outside the range" in run("evaluate", "--train", profile, "--test", profile).stdout
    assert "cap W" in run("plan", "--caps", "200,700", "--batches", "16,256").stdout


def test_a_public_table_becomes_a_profile_of_one_cap(tmp_path: Path) -> None:
    rows = [
        f"chat,Maker/Model-8B,bf16,H100,1,1,1,1,{batch},{400 + batch},{90 * batch**0.8},{batch},9"
        for batch in (8, 16, 32, 64, 128)
    ]
    table, out = tmp_path / "table.csv", tmp_path / "profile.csv"
    table.write_text("\n".join([TABLE, *rows]), encoding="utf-8")
    assert run("import", table, "--out", out).exit_code == 0
    (found,) = answer("fit", out, "--json")
    assert found["deployment"] == "model-8b-chat-h100x1"
    assert found["range"]["cap_w"] == [700.0, 700.0]


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["fit", "missing.csv"], "missing.csv: cannot be read"),
        (
            ["evaluate", "--train", "missing.csv", "--test", "missing.csv"],
            "missing.csv: cannot be read",
        ),
        (["frontier", "chat"], "give either --profile PROFILE.csv or --config FILE"),
        (["plan"], "give --caps LOW,HIGH and --batches LOW,HIGH"),
        (["plan", "--caps", "700,200", "--batches", "1,2"], "--caps takes LOW,HIGH"),
        (["plan", "--caps", "200,700", "--batches", "1.5,8"], "--batches takes whole numbers"),
        (["plan", "--caps", "200,700", "--batches", "1,1e9"], "whole numbers of at most 65,536"),
        (["plan", "--caps", "200,70000", "--batches", "1,8"], "watts a card, at most 10,000"),
        (["plan", "--caps", "low,high", "--batches", "1,2"], "numbers above 0 with commas"),
        (["import", "missing.csv", "--out", "x.csv"], "cannot read missing.csv"),
        (["import", "x.csv", "--out", "./x.csv"], "--out would overwrite x.csv"),
    ],
)
def test_a_mistake_is_one_line_and_status_2(arguments: list[str], words: str) -> None:
    result = run(*arguments)
    assert result.exit_code == 2
    assert words in result.stderr
    assert result.stderr.count("\n") == 1


def test_a_table_of_something_else_and_an_unknown_card_are_refused(tmp_path: Path) -> None:
    table = tmp_path / "table.csv"
    table.write_text("a,b\n1,2\n", encoding="utf-8")
    assert "is no ML.ENERGY table" in run("import", table, "--out", tmp_path / "x").stderr
    table.write_text(f"{TABLE}\nchat,m,bf16,Z9,1,1,1,1,8,400,90,1,1\n", encoding="utf-8")
    assert "default limit of Z9" in run("import", table, "--out", tmp_path / "x").stderr
