"""The benches of the paper's experiments, as an operator runs them."""

import json
import subprocess
import sys
from typing import Any


def bench(*arguments: str) -> dict[str, Any]:
    command = [sys.executable, "-m", "orchestrator.cli", "bench", *arguments, "--json"]
    answer = subprocess.run(command, capture_output=True, text=True, timeout=110, check=True)
    found: dict[str, Any] = json.loads(answer.stdout)
    return found


def test_pals_puts_every_policy_beside_the_oracle_and_says_simulated() -> None:
    found = bench("pals", "--seeds", "1", "--minutes", "3", "--only", "gpt2", "--no-moved",
                  "--no-sites", "--jobs", "2")  # fmt: skip
    assert found["simulated"] is True
    assert len(found["twin"]) >= 12
    policies = {row["policy"] for row in found["one_node"] if row["load"] == "saturated"}
    assert policies == {
        "fixed", "batch only", "cap only", "paper", "ballast", "ballast, clock", "oracle",
        "oracle, clock",
    }  # fmt: skip
    fixed = [row for row in found["one_node"] if row["policy"] == "fixed"]
    assert all(row["gain"] == 1.0 for row in fixed)


def test_control_follows_its_signals_from_below() -> None:
    found = bench("control", "--minutes", "5")
    rows = {row["signal"]: row for row in found["rows"]}
    assert found["simulated"] is True
    assert rows["step down"]["settling_s"] is not None
    assert rows["ramp"]["overshoot"] < 0.02
    assert rows["regulation"]["score"]["score"] > 0.75
