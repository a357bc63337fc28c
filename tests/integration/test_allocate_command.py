"""`ballast allocate`: a file in, a file or text out, one line for what is wrong."""

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from orchestrator.cli.app import app
from orchestrator.domain.allocation.policies import document

PROBLEM = {
    "policy": "throughput",
    "limits": [{"id": "site", "parent": None, "limit_w": 250.0}],
    "devices": [{"id": "a", "limits": ["site"], "frontier": [[100.0, 10.0], [200.0, 15.0]]}],
}


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "problem.json"
    path.write_text(json.dumps(PROBLEM))
    return path


def allocate(*arguments: object) -> Result:
    return CliRunner().invoke(app, ["allocate", *map(str, arguments)])


def test_the_result_is_printed_or_written(file: Path) -> None:
    printed = allocate(file)
    assert printed.exit_code == 0
    assert json.loads(printed.stdout)["points"] == {"a": 1}
    out = file.with_name("result.json")
    written = allocate(file, "--out", out)
    assert (written.exit_code, written.output) == (0, "")
    assert json.loads(out.read_text()) == json.loads(printed.stdout)


def test_a_bad_file_is_one_line_and_status_two(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    missing = allocate(file.with_name("none.json"))
    assert (missing.exit_code, missing.stderr.count("\n")) == (2, 1)
    file.write_text('{"policy": "fair", "devices": [{"id": "a"}]}')
    refused = allocate(file)
    assert refused.exit_code == 2
    assert refused.stderr == "ballast: device a: needs max_w or a frontier\n"
    monkeypatch.setattr(document, "MAX_BYTES", 10)
    assert "at most 10, split it" in allocate(file).stderr


def test_a_result_that_cannot_be_written_says_so(file: Path) -> None:
    refused = allocate(file, "--out", file.parent / "nowhere" / "result.json")
    assert refused.exit_code == 2
    assert "cannot write" in refused.stderr
