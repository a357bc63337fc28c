"""Reads and checks an agent's configuration: a TOML file, over it BALLAST_AGENT_* variables.

The fields are those of AgentConfig. This module is only imported until the configuration is
known: the checker takes more memory than the agent.
"""

import os
from dataclasses import MISSING, fields
from pathlib import Path
from typing import Any, Final, get_type_hints

from pydantic import ValidationError, create_model
from pydantic_settings import (
    BaseSettings,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
    SettingsError,
    TomlConfigSettingsSource,
)

from agents.config import AgentConfig
from integrations.wire.topics import check_id
from orchestrator.domain.errors import ConfigurationError, InvalidInput

PREFIX: Final = "BALLAST_AGENT_"


class _Sources(BaseSettings):
    model_config = SettingsConfigDict(env_prefix=PREFIX, extra="forbid")

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """The environment wins over the file, which comes in as the initial values."""
        del settings_cls, dotenv_settings, file_secret_settings
        return env_settings, init_settings


def load_config(path: Path | None) -> AgentConfig:
    """The configuration in the file and the environment.

    Raises ConfigurationError that names every missing, unknown or wrong setting.
    """
    _refuse_unknown_variables()
    values = _read_file(path) if path else {}
    try:
        found = _model()(**values)
    except ValidationError as error:
        raise ConfigurationError(_in_words(error)) from error
    except SettingsError as error:
        raise ConfigurationError(f"environment: {error}") from error
    config = AgentConfig(**found.model_dump())
    _check(config)
    return config


def _model() -> type[_Sources]:
    """Checks exactly the fields of AgentConfig."""
    hints = get_type_hints(AgentConfig, include_extras=True)
    found: dict[str, Any] = {
        field.name: (hints[field.name], ... if field.default is MISSING else field.default)
        for field in fields(AgentConfig)
    }
    return create_model("AgentSettings", __base__=_Sources, **found)


def _read_file(path: Path) -> dict[str, Any]:
    if not path.is_file():
        raise ConfigurationError(f"there is no configuration file {path}")
    try:
        return TomlConfigSettingsSource(_Sources, path)()
    except (OSError, ValueError) as error:
        raise ConfigurationError(f"{path}: {error}") from error


def _refuse_unknown_variables() -> None:
    known = {f"{PREFIX}{field.name.upper()}" for field in fields(AgentConfig)}
    unknown = sorted(
        name for name in os.environ if name.upper().startswith(PREFIX) and name.upper() not in known
    )
    if unknown:
        raise ConfigurationError(f"unknown environment variable: {', '.join(unknown)}")


def _check(config: AgentConfig) -> None:
    try:
        check_id(config.site, "site")
        check_id(config.node, "node")
    except InvalidInput as error:
        raise ConfigurationError(str(error)) from error
    if config.gpu == "nvml" and not config.gpu_uuids:
        raise ConfigurationError("gpu_uuids: name the cards that the agent may turn")


def _in_words(error: ValidationError) -> str:
    problems = []
    for item in error.errors(include_url=False, include_context=False, include_input=False):
        name = ".".join(str(part) for part in item["loc"])
        match item["type"]:
            case "missing":
                problems.append(
                    f"{name} is missing: set it in the file or as {PREFIX}{name.upper()}"
                )
            case "extra_forbidden":
                problems.append(f"{name} is not a setting")
            case _:
                problems.append(f"{name}: {item['msg']}")
    return "; ".join(problems)
