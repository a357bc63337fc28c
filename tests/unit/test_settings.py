"""The service's settings: one file, overridden by the environment, nothing unknown, no guesses."""

from pathlib import Path
from typing import Any

import pytest

from orchestrator.domain.alarms import AlarmRule
from orchestrator.domain.errors import ConfigurationError, InvalidTopology
from orchestrator.models.forms import FORMS
from orchestrator.settings import from_mapping, load_settings

FILE = """
site = "lab"

[topology]
firm_limit_w = 3000.0
limits = [{ id = "site", kind = "facility", limit_w = 9000.0 }]

[[topology.nodes]]
id = "a"
limit = "site"
deployment = "dense"
cards = 2
nameplate_w = 1400.0
min_w = 400.0
fail_safe_w = 600.0
"""


@pytest.fixture
def file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    path = tmp_path / "ballast.toml"
    path.write_text(FILE)
    return path


def content(**change: Any) -> dict[str, Any]:
    topology = {
        "firm_limit_w": 3000.0,
        "limits": [{"id": "site", "kind": "facility", "limit_w": 9000.0}],
        "nodes": [],
    }
    return {"site": "lab", "topology": topology, **change}


def test_a_file_gives_a_site_with_its_tree(file: Path) -> None:
    settings = load_settings(file, {})
    tree = settings.build_topology()
    assert (settings.site, tree.firm_limit_w, tree.node_by_id["a"].fail_safe_w) == (
        "lab",
        3000,
        600,
    )
    assert settings.database == "sqlite:///var/ballast.db"


def test_the_environment_wins_over_the_file(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BALLAST_SITE", "other")
    monkeypatch.setenv("BALLAST_HTTP__PORT", "9090")
    settings = load_settings(file)
    assert (settings.site, settings.http.port, settings.http.host) == ("other", 9090, "127.0.0.1")


@pytest.mark.parametrize("line", ["colour = 1\n", "[http]\nprot = 1\n", "[control]\nttl = 3\n"])
def test_an_unknown_key_in_the_file_is_refused_by_name(file: Path, line: str) -> None:
    file.write_text(f"{line}{FILE}" if line.startswith("colour") else f"{FILE}\n{line}")
    with pytest.raises(ConfigurationError, match=r"colour|http\.prot|control\.ttl"):
        load_settings(file, {})


@pytest.mark.parametrize("name", ["BALLAST_COLOUR", "BALLAST_HTTP__PROT"])
def test_an_unknown_name_in_the_environment_is_refused(
    file: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    monkeypatch.setenv(name, "1")
    with pytest.raises(ConfigurationError, match=r"BALLAST_COLOUR|http\.PROT|http\.prot"):
        load_settings(file)


def test_the_agents_own_environment_is_left_alone(
    file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("BALLAST_AGENT_NODE", "a")
    assert load_settings(file).site == "lab"


@pytest.mark.parametrize("missing", ["firm_limit_w = 3000.0\n", "fail_safe_w = 600.0\n"])
def test_the_firm_limit_and_fail_safe_caps_have_no_default(file: Path, missing: str) -> None:
    file.write_text(FILE.replace(missing, ""))
    with pytest.raises(ConfigurationError, match=missing.split(maxsplit=1)[0]):
        load_settings(file, {})


def test_every_bad_key_is_named_at_once() -> None:
    bad = content(site="Not An Id", http={"port": 99_999}, retention_days=0)
    with pytest.raises(ConfigurationError, match=r"here: (?=.*site)(?=.*http\.port).*retention"):
        from_mapping(bad, "here")


@pytest.mark.parametrize("watts", [float("nan"), float("inf"), 0.0, -1.0])
def test_a_firm_limit_that_is_no_number_of_watts_is_refused(watts: float) -> None:
    bad = content(topology=content()["topology"] | {"firm_limit_w": watts})
    with pytest.raises(InvalidTopology, match="firm_limit_w"):
        from_mapping(bad, "here").build_topology()


def test_a_file_that_is_missing_or_broken_is_said_in_words(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="no configuration file"):
        load_settings(tmp_path / "none.toml", {})
    broken = tmp_path / "broken.toml"
    broken.write_text("site = ")
    with pytest.raises(ConfigurationError, match="cannot be read"):
        load_settings(broken, {})


def test_control_gets_its_own_part() -> None:
    settings = from_mapping(content(control={"ttl_s": 8.0}, simulated=True), "here")
    control = settings.control_settings()
    assert (control.site, control.ttl_s, control.simulated) == ("lab", 8.0, True)


def test_breaches_ramps_and_alarms_reach_those_who_use_them() -> None:
    alarms = {"cooling": {"limit_w": 4000.0, "limit_id": "site"}}
    parts = {"breaches": {"escalate_after_s": 60.0}, "ramps": {"up_w_per_s": 500.0}}
    settings = from_mapping(content(alarms=alarms, **parts), "here")
    control = settings.control_settings()
    assert (control.breach.escalate_after_s, control.ramp.up_w_per_s) == (60.0, 500.0)
    assert settings.alarm_rules() == {"cooling": AlarmRule(4000.0, "site")}
    assert settings.build_topology().root.id == "site"


def test_an_alarm_is_a_known_one_at_a_known_limit() -> None:
    with pytest.raises(ConfigurationError, match="flood"):
        from_mapping(content(alarms={"flood": {}}), "here")
    settings = from_mapping(content(alarms={"cooling": {"limit_id": "rack-9"}}), "here")
    with pytest.raises(ConfigurationError, match=r"alarms\.cooling\.limit_id"):
        settings.build_topology()


@pytest.mark.parametrize("name", ["settle_s", "ttl_s", "stale_s", "decide_every_s"])
def test_no_time_of_the_loop_may_be_zero(name: str) -> None:
    """Without a settle window a read-back would free watts that are still drawn."""
    with pytest.raises(ConfigurationError, match=name):
        from_mapping(content(control={name: 0.0}), "here")


def test_every_form_can_be_named_as_a_contender_and_no_other() -> None:
    assert from_mapping(content(models={"forms": list(FORMS)}), "x").models.forms == tuple(FORMS)
    with pytest.raises(ConfigurationError, match=r"models\.forms\.0"):
        from_mapping(content(models={"forms": ["oracle"]}), "x")
