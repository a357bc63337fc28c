"""A bench for each test, on its own copy of one migrated database."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.api_bench import ApiBench, bench_on, migrated_file


@pytest.fixture(scope="session")
def template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return migrated_file(tmp_path_factory.mktemp("template"))


@pytest.fixture
def bench(template: Path, tmp_path: Path) -> Iterator[ApiBench]:
    found = bench_on(template, tmp_path)
    yield found
    found.engine.dispose()
