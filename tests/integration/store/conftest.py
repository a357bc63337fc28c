"""Every test of the store runs on SQLite and on PostgreSQL."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import Engine

from orchestrator.store.engine import open_engine, sqlite_url
from orchestrator.store.migrate import upgrade


@pytest.fixture(params=["sqlite", pytest.param("postgres", marks=pytest.mark.postgres)])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """Give the URL of an empty database."""
    if request.param == "postgres":
        return str(request.getfixturevalue("postgres_database_url"))
    return sqlite_url(str(tmp_path / "ballast.db"))


@pytest.fixture
def bare(url: str) -> Iterator[Engine]:
    """Give an engine on an empty database."""
    engine = open_engine(url)
    yield engine
    engine.dispose()


@pytest.fixture
def engine(bare: Engine) -> Engine:
    """Give an engine on a migrated database."""
    upgrade(bare)
    return bare
