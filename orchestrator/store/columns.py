"""What all tables share: the metadata, and columns that say what they hold."""

from datetime import UTC, datetime
from typing import Any

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    DateTime,
    Dialect,
    Double,
    Integer,
    MetaData,
    Text,
    TypeDecorator,
)

metadata = MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "ck": "ck_%(table_name)s_%(constraint_name)s",
        "fk": "fk_%(table_name)s_%(column_0_N_name)s_%(referred_table_name)s",
        "pk": "pk_%(table_name)s",
    }
)

Serial = BigInteger().with_variant(Integer(), "sqlite")


class UtcDateTime(TypeDecorator[datetime]):
    """Time zone aware datetimes, kept in UTC; SQLite stores them as text without a zone."""

    impl = DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        if value is None:
            return None
        if value.tzinfo is None:
            raise ValueError(f"{value.isoformat()} needs a time zone")
        utc = value.astimezone(UTC)
        return utc.replace(tzinfo=None) if dialect.name == "sqlite" else utc

    def process_result_value(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        if value is None:
            return None
        if dialect.name == "sqlite":
            return value.replace(tzinfo=UTC)
        return value.astimezone(UTC)


def text(name: str, doc: str, *constraints: Any, **options: Any) -> Column[str]:
    """Words, ids, and documents in JSON."""
    return _column(name, Text(), doc, *constraints, **options)


def number(name: str, doc: str, **options: Any) -> Column[float]:
    """A measured or decided quantity; its unit ends its name."""
    return _column(name, Double(), doc, **options)


def count(name: str, doc: str, **options: Any) -> Column[int]:
    """A whole number that people can count to."""
    return _column(name, Integer(), doc, **options)


def serial(name: str, doc: str, **options: Any) -> Column[int]:
    """A whole number that only grows."""
    return _column(name, Serial, doc, **options)


def flag(name: str, doc: str, **options: Any) -> Column[bool]:
    """True or false; SQLite keeps 1 and 0."""
    return _column(name, Boolean(), doc, **options)


def moment(name: str, doc: str, **options: Any) -> Column[datetime]:
    """An instant in UTC."""
    return _column(name, UtcDateTime(), doc, **options)


def _column(name: str, kind: Any, doc: str, *constraints: Any, **options: Any) -> Column[Any]:
    options.setdefault("nullable", False)
    return Column(name, kind, *constraints, doc=doc, **options)
