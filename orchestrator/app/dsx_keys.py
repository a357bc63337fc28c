"""The keys of DSX Flex: whose signatures are trusted, and our own."""

from pathlib import Path

from integrations.grid.dsx_flex import DsxFlexConfig
from integrations.grid.dsx_jws import SigningKey, load_signing_key, load_trusted_key
from orchestrator.domain.errors import ConfigurationError
from orchestrator.settings import DsxSettings


def flex_config(dsx: DsxSettings) -> DsxFlexConfig:
    """What is accepted as a load target, and from whom. Raises ConfigurationError."""
    return DsxFlexConfig(
        feeds=dsx.feeds,
        trusted={
            key.kid: load_trusted_key(key.kid, _read(key.public_key), key.isv)
            for key in dsx.trusted
        },
        allow_unsigned=dsx.allow_unsigned,
    )


def own_key(dsx: DsxSettings) -> SigningKey | None:
    """The key that signs our statuses, None when they go unsigned. Raises ConfigurationError."""
    return load_signing_key(dsx.agent_id, _read(dsx.signing_key)) if dsx.signing_key else None


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise ConfigurationError(f"cannot read the key {path}: {error.strerror}") from error
