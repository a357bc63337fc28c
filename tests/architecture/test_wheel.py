"""The wheel holds everything that Ballast needs to run."""

import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
SHIPPED = ("agents", "dashboards", "integrations", "migrations", "orchestrator")
BYTE_CODE = shutil.ignore_patterns("__pycache__")
NOT_SHIPPED = frozenset({".md"})


@pytest.fixture(scope="module")
def wheel_names(tmp_path_factory: pytest.TempPathFactory) -> frozenset[str]:
    """Build the wheel offline from a copy of the sources and list what it holds."""
    source = tmp_path_factory.mktemp("source")
    target = tmp_path_factory.mktemp("wheel")
    for name in ("pyproject.toml", "LICENSE", "README.md"):
        if (ROOT / name).exists():
            shutil.copy(ROOT / name, source)
    for package in SHIPPED:
        shutil.copytree(ROOT / package, source / package, ignore=BYTE_CODE)
    command = [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--no-index"]
    command += ["--no-build-isolation", "--wheel-dir", str(target), str(source)]
    subprocess.run(command, check=True, timeout=90, capture_output=True)
    (wheel,) = target.glob("ballast_power-*.whl")
    with zipfile.ZipFile(wheel) as archive:
        return frozenset(archive.namelist())


def files_on_disk() -> list[str]:
    """Name every file of the shipped packages."""
    return [
        path.relative_to(ROOT).as_posix()
        for package in SHIPPED
        for path in sorted((ROOT / package).rglob("*"))
        if path.is_file() and path.suffix not in NOT_SHIPPED and "__pycache__" not in path.parts
    ]


def test_wheel_holds_every_file_of_every_package(wheel_names: frozenset[str]) -> None:
    """Nothing that is on disk stays behind: modules, migrations, templates, assets."""
    assert sorted(set(files_on_disk()) - wheel_names) == []


def test_wheel_holds_the_migrations(wheel_names: frozenset[str]) -> None:
    """The database can be created from the installed package."""
    assert "migrations/versions/__init__.py" in wheel_names


def test_wheel_holds_nothing_else(wheel_names: frozenset[str]) -> None:
    """Tests and tools stay in the repository."""
    tops = {name.partition("/")[0] for name in wheel_names}
    assert {top for top in tops if not top.endswith(".dist-info")} == set(SHIPPED)


def test_wheel_names_both_commands(wheel_names: frozenset[str]) -> None:
    """The entry points are part of the distribution."""
    assert any(name.endswith(".dist-info/entry_points.txt") for name in wheel_names)
