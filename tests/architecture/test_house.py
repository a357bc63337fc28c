"""The house keeps its shape: small modules, plain names, nothing of one machine."""

import re
import subprocess
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
SHIPPED = ("agents", "dashboards", "integrations", "migrations", "orchestrator")
MAX_LINES = 400
VAGUE_NAMES = frozenset(
    stem + plural
    for stem in ("util", "helper", "manager", "common", "misc")
    for plural in ("", "s")
)
REGISTRY_HOST = re.compile(r"\b(?:pypi|pythonhosted|npmjs)[.]org\b")
MACHINE_PATH = re.compile(r"(?<![\w.-])/(?:work|root|home/\w+|opt/\w+)(?:/|\b)")
NOT_READ = frozenset({"LICENSE"})


def modules() -> list[Path]:
    """Return every Python file of the house."""
    return [path for top in (*SHIPPED, "tests") for path in sorted((ROOT / top).rglob("*.py"))]


@cache
def text_files() -> tuple[Path, ...]:
    """Return every text file that is or will be in the repository."""
    listing = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=30,
        check=True,
    ).stdout
    names = sorted(set(filter(None, listing.split("\0"))) - NOT_READ)
    files = (ROOT / name for name in names)
    return tuple(path for path in files if path.is_file() and b"\0" not in path.read_bytes())


def occurrences(pattern: re.Pattern[str]) -> Iterator[str]:
    """Yield file, line number and text of every match in the repository."""
    for path in text_files():
        for number, line in enumerate(path.read_text("utf-8").splitlines(), start=1):
            if pattern.search(line):
                yield f"{path.relative_to(ROOT)}:{number}: {line.strip()}"


def test_package_files_are_empty() -> None:
    """Every __init__.py is empty."""
    full = [path for path in modules() if path.name == "__init__.py" and path.read_bytes()]
    assert full == []


def test_modules_are_short() -> None:
    """No module has more than 400 lines."""
    long = [path for path in modules() if len(path.read_text("utf-8").splitlines()) > MAX_LINES]
    assert long == []


def test_modules_have_telling_names() -> None:
    """No module or package is called utils, helpers, manager or common."""
    vague = [
        path
        for path in modules()
        if VAGUE_NAMES.intersection(path.relative_to(ROOT).parts[:-1]) or path.stem in VAGUE_NAMES
    ]
    assert vague == []


def test_no_file_names_a_package_registry() -> None:
    """Where packages come from is the machine's business."""
    assert list(occurrences(REGISTRY_HOST)) == []


def test_no_file_names_a_folder_of_one_machine() -> None:
    """No file holds an absolute path that exists on a developer's machine only."""
    assert list(occurrences(MACHINE_PATH)) == []


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("see {}home/ann/x", True),
        ("a{}work/flow", False),
        ("{}root", True),
        ("{}workers", False),
    ],
)
def test_machine_paths_are_recognised(text: str, *, found: bool) -> None:
    """The pattern finds absolute paths and leaves words alone."""
    assert bool(MACHINE_PATH.search(text.format("/"))) is found
