"""The service's settings: one TOML (or JSON) file, overridden by BALLAST_* in the environment."""

import json
import os
import tomllib
from collections.abc import Mapping
from dataclasses import fields
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError
from pydantic_settings import (
    BaseSettings,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
)

from orchestrator.control.state import ControlSettings
from orchestrator.domain.alarms import AlarmRule
from orchestrator.domain.breach import BreachRules
from orchestrator.domain.errors import ConfigurationError
from orchestrator.domain.ramping import RampRules
from orchestrator.domain.rating import Rating, rated
from orchestrator.domain.signals import Alarm
from orchestrator.domain.topology import Limit, Node, Topology

PREFIX = "BALLAST_"
NOT_OURS = ("BALLAST_AGENT_", "BALLAST_REQUIRE_SERVICES")


class Strict(BaseModel):
    """Refuses keys that nobody knows."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class HttpSettings(Strict):
    """Where the API and the dashboard listen."""

    host: str = "127.0.0.1"
    port: int = Field(default=8080, ge=0, le=65535)


class BrokerSettings(Strict):
    """The embedded broker, or an external one with a name and a file that holds the password."""

    mode: Literal["embedded", "external"] = "embedded"
    host: str = "127.0.0.1"
    port: int = Field(default=1883, ge=0, le=65535)
    username: str | None = None
    password_file: Path | None = None
    tls_ca: Path | None = None


class LoopSettings(Strict):
    """Times of the control loop, in seconds; see ControlSettings."""

    tick_s: float = Field(default=0.25, gt=0, le=1)
    ttl_s: float = Field(default=15.0, ge=2, le=600)
    stale_s: float = Field(default=3.0, ge=1, le=60)
    settle_s: float = Field(default=1.0, ge=0.5, le=60)
    decide_every_s: float = Field(default=2.5, ge=2.5, le=300)
    baseline_window_s: float = Field(default=60.0, ge=5, le=900)
    recovery_s: float = Field(default=300.0, ge=0, le=86_400)


class BreachSettings(Strict):
    """When a breach opens, worsens and ends; see BreachRules."""

    open_after_s: float = Field(default=2.0, ge=0, le=60)
    critical_fraction: float = Field(default=0.02, ge=0, le=1)
    critical_after_s: float = Field(default=10.0, ge=1, le=600)
    escalate_after_s: float = Field(default=30.0, ge=2, le=3600)
    resolve_after_s: float = Field(default=10.0, ge=1, le=3600)


class RampSettings(Strict):
    """How fast the facility's ceiling may move; see RampRules."""

    up_w_per_s: float | None = Field(default=None, gt=0)
    down_w_per_s: float | None = Field(default=None, gt=0)
    hysteresis: float = Field(default=0.01, ge=0, le=0.5)
    calm_s: float = Field(default=30.0, ge=0, le=3600)


class AlarmSettings(Strict):
    """What one kind of alarm sheds to; see AlarmRule."""

    limit_w: float | None = Field(default=None, ge=0)
    limit_id: str | None = None


class HeartbeatSettings(Strict):
    """A sign of life for an external dead-man switch: a file touched, a URL asked for, or both."""

    file: Path | None = None
    url: str | None = Field(default=None, pattern=r"^https?://[^\s]+$")
    every_s: float = Field(default=1.0, ge=0.1, le=60)


class LimitSettings(Strict):
    """One limit of the tree, in watts or as electricians state it.

    See orchestrator.domain.topology.Limit and orchestrator.domain.rating.Rating.
    """

    id: str = Field(pattern=r"^[a-z0-9-]{1,63}$")
    kind: Literal["facility", "feed", "pdu", "rack", "phase", "tenant"]
    limit_w: float | None = None
    breaker_a: float | None = None
    volts: float | None = None
    phases: int | None = None
    kva: float | None = None
    power_factor: float | None = None
    continuous: bool | None = None
    parent: str | None = None
    uncontrolled_w: float = 0.0
    reserve_w: float = 0.0
    silent_nodes: int = 0

    def build(self) -> Limit:
        """The limit in watts. Raises InvalidTopology."""
        stated = {field.name: getattr(self, field.name) for field in fields(Rating)}
        found = rated(self.id, Rating(**stated))
        rest = self.model_dump(exclude=set(stated))
        return Limit(**rest, limit_w=found.limit_w, derivation=found.derivation)


class NodeSettings(Strict):
    """One node; watts of all its cards. See orchestrator.domain.topology.Node."""

    id: str = Field(pattern=r"^[a-z0-9-]{1,63}$")
    limit: str
    deployment: str
    cards: int
    nameplate_w: float
    min_w: float
    fail_safe_w: float
    tier: int = 1
    weight: float = 1.0
    overhead_fraction: float = 0.05
    overhead_w: float = 350.0
    tolerance: float = 0.0
    boot_gated: bool = False
    target_tok_s: float | None = None


class TopologySettings(Strict):
    """The electrical tree. firm_limit_w has no default: it is a promise, declare it."""

    firm_limit_w: float
    limits: tuple[LimitSettings, ...]
    nodes: tuple[NodeSettings, ...]


class MeterSettings(Strict):
    """A power meter: which limit it stands at, and where it is read: "twin:HOST:PORT"."""

    limit_id: str
    source: str = Field(pattern=r"^twin:[^:]+:\d+$")


class ModelSettings(Strict):
    """How profiles are fitted. forms: the contenders, all of them where none is named."""

    forms: tuple[
        Literal[
            "forest",
            "boosting",
            "gaussian",
            "interpolation",
            "physics",
            "physics+forest",
            "physics+gaussian",
        ],
        ...,
    ] = ()


class DsxKeySettings(Strict):
    """A utility's public key (PEM file), known by kid, and the ISV it may sign for."""

    kid: str
    isv: str
    public_key: Path


class DsxSettings(Strict):
    """Ballast as a DSX Flex agent.

    feeds: feed tag -> id of the limit it stands for. signing_key: PEM file of our own key.
    """

    agent_id: str = "ballast"
    feeds: dict[str, str] = Field(default_factory=dict)
    trusted: tuple[DsxKeySettings, ...] = ()
    signing_key: Path | None = None
    allow_unsigned: bool = False


class Settings(BaseSettings):
    """Everything that `ballast serve` needs to know."""

    model_config = SettingsConfigDict(
        env_prefix=PREFIX, env_nested_delimiter="__", extra="forbid", frozen=True
    )

    site: str = Field(pattern=r"^[a-z0-9-]{1,63}$")
    data_dir: Path = Path("var")
    database_url: str | None = None
    simulated: bool = False
    http: HttpSettings = HttpSettings()
    broker: BrokerSettings = BrokerSettings()
    control: LoopSettings = LoopSettings()
    breaches: BreachSettings = BreachSettings()
    ramps: RampSettings = RampSettings()
    alarms: dict[Alarm, AlarmSettings] = Field(default_factory=dict)
    heartbeat: HeartbeatSettings = HeartbeatSettings()
    topology: TopologySettings
    meters: tuple[MeterSettings, ...] = ()
    profiles: tuple[Path, ...] = ()
    models: ModelSettings = ModelSettings()
    sources: tuple[str, ...] = ()
    dsx: DsxSettings = DsxSettings()
    retention_days: int = Field(default=90, ge=1)

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],  # noqa: ARG003 - pydantic's signature
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,  # noqa: ARG003 - pydantic's signature
        file_secret_settings: PydanticBaseSettingsSource,  # noqa: ARG003 - pydantic's signature
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """The environment wins over the file."""
        return env_settings, init_settings

    @property
    def database(self) -> str:
        """The database's URL; SQLite in the data folder unless told otherwise."""
        return self.database_url or f"sqlite:///{self.data_dir / 'ballast.db'}"

    @property
    def secrets_dir(self) -> Path:
        """Where generated passwords are kept, one private file each."""
        return self.data_dir / "secrets"

    def control_settings(self) -> ControlSettings:
        """The part that the control step reads."""
        loop = self.control.model_dump(exclude={"tick_s"})
        breach = BreachRules(**self.breaches.model_dump())
        ramp = RampRules(**self.ramps.model_dump())
        return ControlSettings(
            site=self.site, simulated=self.simulated, breach=breach, ramp=ramp, **loop
        )

    def alarm_rules(self) -> dict[Alarm, AlarmRule]:
        """What each kind of alarm asks for, where it was said."""
        return {name: AlarmRule(**rule.model_dump()) for name, rule in self.alarms.items()}

    def build_topology(self) -> Topology:
        """The checked tree. Raises InvalidTopology.

        Raises ConfigurationError when a meter, feed or alarm stands at a limit that is not in it.
        """
        tree = self.topology
        topology = Topology(
            limits=tuple(limit.build() for limit in tree.limits),
            nodes=tuple(Node(**node.model_dump()) for node in tree.nodes),
            firm_limit_w=tree.firm_limit_w,
        )
        self._check_names(topology)
        return topology

    def _check_names(self, topology: Topology) -> None:
        named = {f"dsx.feeds.{tag}": limit_id for tag, limit_id in self.dsx.feeds.items()}
        named |= {f"meters.{i}.limit_id": meter.limit_id for i, meter in enumerate(self.meters)}
        for name, alarm in self.alarms.items():
            if alarm.limit_id is not None:
                named[f"alarms.{name}.limit_id"] = alarm.limit_id
        for where, limit_id in named.items():
            if limit_id not in topology.limit_by_id:
                raise ConfigurationError(f"{where}: the topology has no limit {limit_id!r}")


def load_settings(path: Path, environment: Mapping[str, str] | None = None) -> Settings:
    """Read the file and the environment. Raises ConfigurationError that names every bad key."""
    _refuse_unknown(os.environ if environment is None else environment)
    try:
        text = path.read_text(encoding="utf-8")
        content = json.loads(text) if path.suffix == ".json" else tomllib.loads(text)
    except FileNotFoundError as error:
        raise ConfigurationError(f"there is no configuration file {path}") from error
    except (OSError, ValueError) as error:
        raise ConfigurationError(f"{path} cannot be read: {error}") from error
    return from_mapping(content, str(path))


def from_mapping(content: Mapping[str, Any], origin: str) -> Settings:
    """Check settings that are already decoded; origin is named in errors."""
    try:
        return Settings(**content)
    except ValidationError as error:
        raise ConfigurationError(f"{origin}: {_in_words(error)}") from error


def _refuse_unknown(environment: Mapping[str, str]) -> None:
    known = {name.upper() for name in Settings.model_fields}
    for name in environment:
        if not name.startswith(PREFIX) or name.startswith(NOT_OURS):
            continue
        if name.removeprefix(PREFIX).split("__")[0] not in known:
            raise ConfigurationError(f"the environment sets {name}, which is no setting")


def _in_words(error: ValidationError) -> str:
    return "; ".join(
        f"{'.'.join(str(part) for part in item['loc'])}: {item['msg']}" for item in error.errors()
    )
