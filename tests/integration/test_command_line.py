"""Wrong options are one line that says where help is, for the service's command and the agent's."""

import subprocess
import sys

import pytest


def run(module: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", module, *arguments],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


@pytest.mark.parametrize(
    ("module", "arguments", "words"),
    [
        ("orchestrator.cli", ["bench", "pals", "--nope"], "bench pals --help`"),
        ("orchestrator.cli", ["nothing"], "No such command 'nothing'"),
        ("orchestrator.cli", ["demo", "--for", "1"], "greater than or equal to 40"),
        ("agents.cli", ["run", "--nope"], "see `ballast-agent --help`"),
    ],
)
def test_a_wrong_option_is_one_line_and_status_2(
    module: str, arguments: list[str], words: str
) -> None:
    result = run(module, *arguments)
    assert (result.returncode, result.stdout) == (2, "")
    assert words in result.stderr
    assert result.stderr.count("\n") == 1


@pytest.mark.parametrize("module", ["orchestrator.cli", "agents.cli"])
def test_help_and_version_end_well_and_no_command_shows_the_help(module: str) -> None:
    assert "Usage:" in run(module, "--help").stdout
    assert run(module, "--version").returncode == 0
    bare = run(module)
    assert bare.returncode == 2
    assert "Usage:" in bare.stdout + bare.stderr
