"""Imports point one way, and the agent stays light."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
HEAVY = ("fastapi", "nicegui", "numba", "numpy", "pandas", "scipy", "sklearn", "sqlalchemy")

IMPORT_ALL = """
import importlib, json, sys

class Refuse:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in heavy:
            raise ImportError(f"the agent must run without {name}")

heavy, modules = json.loads(sys.argv[1])
sys.meta_path.insert(0, Refuse())
for module in modules:
    importlib.import_module(module)
"""


def agent_modules() -> list[str]:
    """Name every module of the agent that is on disk."""
    return [
        ".".join(path.relative_to(ROOT).with_suffix("").parts)
        for path in sorted((ROOT / "agents").rglob("*.py"))
        if path.name != "__init__.py"
    ]


def test_contracts_are_kept() -> None:
    """Every import contract in pyproject.toml holds."""
    command = Path(sys.executable).with_name("lint-imports")
    answer = subprocess.run(
        [command, "--no-cache"], cwd=ROOT, capture_output=True, text=True, timeout=60, check=False
    )
    assert answer.returncode == 0, answer.stdout + answer.stderr


def import_without(heavy: tuple[str, ...], modules: list[str]) -> subprocess.CompletedProcess[str]:
    """Import the modules in a new interpreter in which `heavy` cannot be imported."""
    command = [sys.executable, "-c", IMPORT_ALL, json.dumps([heavy, modules])]
    return subprocess.run(
        command, cwd=ROOT, capture_output=True, text=True, timeout=60, check=False
    )


def test_agent_imports_nothing_heavy() -> None:
    """Every agent module imports where the orchestrator's dependencies are not installed."""
    modules = agent_modules()
    assert modules, "no agent modules were found"
    answer = import_without(HEAVY, modules)
    assert answer.returncode == 0, answer.stderr


@pytest.mark.parametrize("package", HEAVY)
def test_the_block_really_blocks(package: str) -> None:
    """A heavy import fails inside the interpreter that the agent is tested in."""
    answer = import_without(HEAVY, [package])
    assert f"the agent must run without {package}" in answer.stderr
