"""The bench of models: hosts are told apart carefully, and nothing below the floor is claimed."""

import json
from pathlib import Path

import numpy as np
import pandas as pd

from orchestrator.bench.models.measured import repeats, split_hosts
from orchestrator.bench.models.run import measure, plain
from orchestrator.bench.models.twin import on_host
from tests.plant_law import a_profile


def sweep(*runs: tuple[int, float]) -> pd.DataFrame:
    batches, watts = zip(*runs, strict=True)
    tok_s = [100.0 * batch**0.7 for batch in batches]
    return pd.DataFrame({"deployment": "chat", "batch": batches, "power_w": watts, "tok_s": tok_s})


def test_a_batch_that_comes_again_begins_another_host_and_power_tells_whose_a_row_is() -> None:
    rows = sweep((64, 900), (256, 950), (256, 1090), (384, 945), (512, 955), (512, 1100))
    hosts = [list(zip(h["batch"], h["power_w"], strict=True)) for h in split_hosts(rows)]
    assert hosts == [[(64, 900), (256, 950), (384, 945), (512, 955)], [(256, 1090), (512, 1100)]]


def test_a_fall_of_power_while_the_batch_grows_is_another_host() -> None:
    fallen = split_hosts(sweep((8, 500), (16, 510), (32, 400), (64, 420)))
    assert [len(host) for host in fallen] == [2, 2]
    assert len(split_hosts(sweep((8, 500), (16, 490), (32, 480)))) == 1


def test_repeats_tell_how_far_hosts_are_apart() -> None:
    (found,) = repeats(sweep((64, 900), (256, 1000), (256, 1150)))
    assert (found.batch, round(found.power, 3), found.throughput) == (256, 0.15, 0.0)


def test_another_host_keeps_to_the_caps() -> None:
    frame = a_profile().frame
    hot = on_host(frame, power=1.3, tok_s=0.9)
    assert (hot["power_w"] <= hot["cap_w"] * hot["gpus"] + 1e-6).all()
    assert np.allclose(hot["tok_s"], 0.9 * frame["tok_s"])


def test_a_public_table_is_judged_by_deployment_and_the_floor_bounds_the_claim(
    tmp_path: Path,
) -> None:
    path = tmp_path / "table.csv"
    path.write_text("\n".join(_table()), encoding="utf-8")
    found = json.loads(json.dumps(plain(measure(path, seed=1)), allow_nan=False))
    assert found["simulated"] is False
    assert found["floor"]["pairs"] == 2
    assert abs(found["floor"]["power"] - 0.15) < 0.01
    held_out = found["overall"]["held_out_hosts"]
    assert held_out["power_claimed"] >= found["floor"]["power"]
    assert {row["host"] for row in found["rows"]} == {"same", "held out"}
    assert found["overall"]["same_host"]["throughput_mape"] < 0.05


def _table() -> list[str]:
    head = (
        "task,model_id,weight_precision,gpu_model,num_gpus,tensor_parallel,expert_parallel,"
        "data_parallel,max_num_seqs,avg_power_watts,output_throughput_tokens_per_sec,p95_itl_ms,"
        "p99_itl_ms"
    )
    return [head, *(row for batch in (8, 16, 32, 64, 128, 256) for row in _runs(batch))]


def _runs(batch: int) -> list[str]:
    """One run, and at two batches another one on a host that draws more."""
    power_w, tok_s = 400 + 200 * batch / (batch + 50), 1000 * batch / (8 + 0.1 * batch)
    factors = (1.0, 1.15) if batch in (32, 128) else (1.0,)
    return [
        f"chat,m,bf16,H100,1,1,1,1,{batch},{power_w * factor},{tok_s * factor**-0.1},9,9"
        for factor in factors
    ]
