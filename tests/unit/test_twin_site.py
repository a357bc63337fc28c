"""The description of a simulated site, and profiling on it."""

import csv
import json
import math
from pathlib import Path
from typing import Any

import pytest

from integrations.twin.demo_site import demo_site
from integrations.twin.node import Deployment, steady
from integrations.twin.site import dump_site, load_site
from integrations.twin.sweep import (
    default_batches,
    default_caps_w,
    profile_samples,
    write_profile_csv,
)
from orchestrator.domain.errors import ConfigurationError, InvalidInput


def document() -> dict[str, object]:
    loaded: dict[str, object] = json.loads(dump_site(demo_site(5)))
    return loaded


def test_a_site_survives_its_json_form() -> None:
    assert load_site(dump_site(demo_site(5))) == demo_site(5)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"nodes": []}, "1-10000 nodes"),
        ({"nodes": 3}, "must be a list"),
        ({"speed": 0}, "speed"),
        ({"speed": math.nan}, "speed"),
        ({"uncontrolled_w": -1}, "uncontrolled_w"),
        ({"uncontrolled_w": "4 kW"}, "uncontrolled_w must be a number"),
        ({"seed": 1.5}, "seed"),
        ({"sede": 1}, "unknown sede"),
        ({"losses": {"pue": 0.9}}, "pue"),
        ({"losses": {"psu": 0.9}}, "unknown psu"),
        ({"losses": {"fans": "loud"}}, "fans must be a number"),
    ],
)
def test_a_wrong_site_is_refused_with_the_key_at_fault(change: dict[str, Any], words: str) -> None:
    with pytest.raises(ConfigurationError, match=words):
        load_site(json.dumps({**document(), **change}))


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"gpu_model": "H800"}, "H100, H200"),
        ({"model": "gpt-5"}, "mixtral-8x7b"),
        ({"gpus": 6, "model": "llama-3.1-70b"}, "multiple"),
        ({"gpus": 0}, "multiple"),
        ({"id": "Node 1"}, "ids are"),
        ({"id": "node-02"}, "share an id"),
        ({"id": "rack-1"}, "share an id"),
        ({"limits": []}, "root limit"),
        ({"limits": ["elsewhere"]}, "different root"),
        ({"limits": "facility"}, "list of ids"),
        ({"demand_share": math.nan}, "demand_share"),
        ({"boot_gate": "yes"}, "true or false"),
        ({"extra": 1}, "unknown extra"),
    ],
)
def test_a_wrong_node_is_refused_with_the_key_at_fault(change: dict[str, Any], words: str) -> None:
    site = document()
    nodes = site["nodes"]
    assert isinstance(nodes, list)
    nodes[0] = {**nodes[0], **change}
    with pytest.raises(ConfigurationError, match=words):
        load_site(json.dumps(site))


def test_what_is_not_json_is_refused() -> None:
    with pytest.raises(ConfigurationError, match="not JSON"):
        load_site("{")
    with pytest.raises(ConfigurationError, match="expected an object"):
        load_site("[]")


def test_a_profile_is_the_saturated_truth_with_measurement_noise(tmp_path: Path) -> None:
    caps_w, batches = default_caps_w("H100"), default_batches("qwen3-32b", 8)
    rows = profile_samples(
        "H100", "qwen3-32b", 8, caps_w=caps_w, batches=batches, repeats=2, seed=1
    )
    assert len(rows) == len(caps_w) * len(batches) * 2
    assert (min(caps_w), max(caps_w), max(batches)) == (200.0, 700.0, 1024)
    node = Deployment("H100", "qwen3-32b", 8)
    true = [steady(node, r.cap_w, r.batch, seconds=120.0) for r in rows]
    tok_error = [abs(r.tok_s / t.tok_s - 1.0) for r, t in zip(rows, true, strict=True)]
    power_error = [abs(r.power_w / t.power_w - 1.0) for r, t in zip(rows, true, strict=True)]
    assert 0.01 < sum(tok_error) / len(rows) < 0.03
    assert 0.007 < sum(power_error) / len(rows) < 0.018
    path = tmp_path / "profile.csv"
    write_profile_csv(path, rows)
    with path.open(newline="") as file:
        read = list(csv.DictReader(file))
    assert list(read[0]) == [
        "deployment", "gpu_model", "gpus", "cap_w", "batch", "power_w", "tok_s", "itl_p95_ms",
        "itl_p99_ms", "clock_mhz",
    ]  # fmt: skip
    assert {row["deployment"] for row in read} == {"qwen3-32b-h100-x8"}
    assert {row["clock_mhz"] for row in read} == {""}
    assert [float(row["tok_s"]) for row in read] == [row.tok_s for row in rows]
    assert all(row.itl_p95_ms <= row.itl_p99_ms for row in rows)


def test_a_profile_may_lock_clocks_and_catch_a_node_while_it_drains() -> None:
    rows = profile_samples(
        "H100", "qwen3-32b", 8, caps_w=[250.0, 700.0], batches=[32, 512], repeats=1, seed=1,
        clocks_mhz=(None, 1000.0), transients=True,
    )  # fmt: skip
    grid, drained = rows[:8], rows[8:]
    assert {row.clock_mhz for row in grid} == {None, 1000.0}
    assert [row.cap_w for row in drained] == [250.0] * 3 + [700.0] * 3
    assert all(32 < row.batch < 512 for row in drained)
    assert all(row.power_w < 8 * 250.0 * 1.06 for row in drained[:3])


@pytest.mark.parametrize(
    "wrong",
    [
        {"caps_w": [199.0]},
        {"batches": [0]},
        {"batches": [4096]},
        {"repeats": 0},
        {"clocks_mhz": [9000.0]},
    ],
)
def test_a_sweep_outside_what_the_node_can_do_is_refused(wrong: dict[str, Any]) -> None:
    sweep: dict[str, Any] = {"caps_w": [300.0], "batches": [8], "repeats": 1, "seed": 1, **wrong}
    with pytest.raises(InvalidInput):
        profile_samples("H100", "llama-3.1-8b", 8, **sweep)
