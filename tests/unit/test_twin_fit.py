"""Fitting the twin to a table of measured runs."""

import csv
import json
from importlib.resources import files
from pathlib import Path

import pytest

from integrations.twin.catalogue import Entry, entries, load_entries
from integrations.twin.measured import PROMPTS, Run, read_groups, short_name
from integrations.twin.refit import refit, simulated, words
from orchestrator.domain.errors import InvalidInput

COLUMNS = (
    "task",
    "model_id",
    "architecture",
    "activated_params_billions",
    "gpu_model",
    "num_gpus",
    "max_num_seqs",
    "avg_batch_size",
    "avg_output_len",
    "avg_power_watts",
    "output_throughput_tokens_per_sec",
    "median_itl_ms",
    "p90_itl_ms",
    "p95_itl_ms",
    "p99_itl_ms",
)
BATCHES = (8, 32, 64, 128, 256)


def known(gpu: str, model: str) -> Entry:
    return next(entry for entry in entries() if (entry.gpu, entry.model) == (gpu, model))


def simulated_row(entry: Entry, batch: int) -> dict[str, object]:
    """A run of the twin itself, written down as the table has it."""
    point = simulated(entry, Run(batch, float(batch), 500.0, 50.0 * batch, {}))
    return {
        "task": "lm-arena-chat",
        "model_id": "example/Some-Model-7B-Instruct",
        "architecture": "Dense Transformer",
        "activated_params_billions": 8.0,
        "gpu_model": entry.gpu,
        "num_gpus": entry.gpus,
        "max_num_seqs": batch,
        "avg_batch_size": batch,
        "avg_output_len": entry.workload.output_mean,
        "avg_power_watts": point.power_w,
        "output_throughput_tokens_per_sec": point.tok_s,
        "median_itl_ms": 0.97 * point.itl_mean_ms,
        "p90_itl_ms": 0.5 * (point.itl_mean_ms + point.itl_p95_ms),
        "p95_itl_ms": point.itl_p95_ms,
        "p99_itl_ms": point.itl_p99_ms,
    }


def table(folder: Path, rows: list[dict[str, object]]) -> Path:
    path = folder / "runs.csv"
    with path.open("w", newline="") as file:
        writer = csv.DictWriter(file, COLUMNS, extrasaction="ignore")
        writer.writeheader()
        writer.writerows(rows)
    return path


def test_runs_of_a_known_twin_are_fitted_within_three_percent(tmp_path: Path) -> None:
    entry = known("H100", "llama-3.1-8b")
    path = table(tmp_path, [simulated_row(entry, batch) for batch in BATCHES])
    said: list[str] = []
    found = load_entries(refit(path, said.append))
    made = next(item for item in found if item.model == "some-model-7b")
    assert made.origin == "measured"
    assert made.batches == (8, 256)
    assert made.residuals["runs"] == 5
    assert made.residuals["power"] < 0.03
    assert made.residuals["tok_s"] < 0.03
    assert any("some-model-7b" in line and words(made.residuals) in line for line in said)
    assert {item.origin for item in found} == {"measured", "shaped", "extrapolated"}


def test_one_task_is_chosen_and_starved_or_few_runs_are_left_out(tmp_path: Path) -> None:
    entry = known("H100", "llama-3.1-8b")
    chat = [simulated_row(entry, batch) for batch in BATCHES]
    starved = {**chat[-1], "max_num_seqs": 2048}
    gpqa = [{**row, "task": "gpqa"} for row in chat]
    few = [{**row, "model_id": "example/Few"} for row in chat[:4]]
    video = [{**row, "model_id": "example/Video", "task": "video-chat"} for row in chat]
    unknown_card = [{**row, "gpu_model": "MI300X"} for row in chat]
    path = table(tmp_path, [*chat, starved, *gpqa, *few, *video, *unknown_card])
    groups = {(group.gpu, group.model): group for group in read_groups(path)}
    assert set(groups) == {("H100", "some-model-7b"), ("H100", "llama-3.1-8b")}
    chosen = groups["H100", "some-model-7b"]
    assert chosen.task == next(iter(PROMPTS))
    assert [run.limit for run in chosen.runs] == list(BATCHES)


def test_models_have_short_names() -> None:
    assert short_name("Qwen/Qwen3-30B-A3B-Instruct-2507") == "qwen3-30b-a3b"
    assert short_name("Qwen/Qwen3-235B-A22B-Instruct-2507-FP8") == "qwen3-235b-a22b-fp8"
    assert short_name("google/gemma-3-27b-it") == "gemma-3-27b"
    assert short_name("nvidia/NVIDIA-Nemotron-Nano-9B-v2") == "nemotron-nano-9b-v2"


def test_another_table_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "other.csv"
    path.write_text("a,b\n1,2\n")
    with pytest.raises(InvalidInput, match="is not the ML"):
        read_groups(path)
    with pytest.raises(InvalidInput, match="cannot read"):
        read_groups(tmp_path / "none.csv")


def test_the_coefficient_file_names_its_source_and_licence() -> None:
    text = files("integrations.twin").joinpath("coefficients.json").read_text(encoding="utf-8")
    document = json.loads(text)
    assert "ML.ENERGY benchmark v3 (Apache-2.0)" in document["source"]
    assert len({(e.gpu, e.model, e.gpus) for e in entries()}) == len(entries())
