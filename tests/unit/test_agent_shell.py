"""The parts of an agent that touch the outside: journal, workers, watchdog, settings, NVML."""

import json
import os
import threading
from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest

from agents.core.effects import Record
from agents.core.shed import Slot
from agents.journal import Journal, claimed
from agents.settings import load_config
from agents.watchdog import Watch, hear, lose, tighten
from agents.workers import Workers
from integrations.gpu.nvml import NvmlGpus
from orchestrator.domain.errors import ConfigurationError, GpuError
from orchestrator.domain.setpoint import Fence
from orchestrator.domain.telemetry import CardReading


def test_a_journal_gives_back_what_was_written(tmp_path: Path) -> None:
    journal, record = Journal(tmp_path / "j.json"), Record(True, 7, {"GPU-1": 700.0})
    record = replace(record, shed=Slot(Fence(7, 3), 4, 2900.0))
    assert journal.read() == (Record(), None)
    journal.write(record)
    assert journal.read() == (record, None)
    assert [path.name for path in tmp_path.iterdir()] == ["j.json"]


def test_a_journal_of_an_earlier_version_holds_no_shed(tmp_path: Path) -> None:
    (tmp_path / "j.json").write_text('{"armed": true, "highest_epoch": 7, "prior_w": {}}')
    assert Journal(tmp_path / "j.json").read() == (Record(True, 7), None)


@pytest.mark.parametrize(
    "shed",
    [
        None,
        {"fence": [7], "level": 4, "cap_w": 1.0},
        {"fence": [7, 3], "level": "4", "cap_w": 1.0},
        {"fence": [7, 3], "level": 4, "cap_w": -1.0},
        {"fence": [7, 3], "level": 4, "cap_w": float("nan")},
    ],
)
def test_a_journal_with_a_strange_shed_is_unreadable(tmp_path: Path, shed: object) -> None:
    body = {"armed": True, "highest_epoch": 7, "prior_w": {}, "shed": shed}
    (tmp_path / "j.json").write_text(json.dumps(body))
    record, trouble = Journal(tmp_path / "j.json").read()
    assert record == Record(armed=True)
    assert trouble is not None


@pytest.mark.parametrize("raw", [b"", b"{", b"[]", b'{"armed": 1}', b"\xff", b"null"])
def test_an_unreadable_journal_counts_as_armed_and_says_so(tmp_path: Path, raw: bytes) -> None:
    (tmp_path / "j.json").write_bytes(raw)
    record, trouble = Journal(tmp_path / "j.json").read()
    assert record.armed
    assert trouble is not None
    assert "taken as armed" in trouble


def test_a_journal_has_one_living_owner(tmp_path: Path) -> None:
    path = tmp_path / "state" / "j.json"
    owner = Journal(path)
    owner.claim()
    assert claimed(path)
    with pytest.raises(ConfigurationError, match="another agent"):
        Journal(path).claim()
    owner.release()
    assert not claimed(path)


def test_a_call_that_hangs_blocks_only_its_own_name() -> None:
    workers, gate = Workers(), threading.Event()
    stuck = workers.submit("a", gate.wait)
    assert stuck is not None
    assert not stuck.wait(0.02)
    assert workers.submit("a", lambda: None) is None
    other = workers.submit("b", lambda: 7)
    assert other is not None
    assert other.wait(1.0)
    assert other.result == 7
    gate.set()
    assert stuck.wait(1.0)
    assert workers.submit("a", lambda: None) is not None


def test_a_call_that_raises_reports_it_and_its_thread_lives_on() -> None:
    workers = Workers()
    failed = workers.submit("a", lambda: 1 // 0)
    assert failed is not None
    assert failed.wait(1.0)
    assert "ZeroDivisionError" in str(failed.error)
    again = workers.submit("a", lambda: 1)
    assert again is not None
    assert again.wait(1.0)


def test_a_watchdog_waits_for_a_stall_while_fed_and_for_the_lease_when_orphaned() -> None:
    watch = hear(Watch(0.0), "feed 1 42.5", 10.0)
    assert watch.due_s(5.0) == 15.0
    assert lose(watch).due_s(5.0) == 42.5
    assert hear(watch, "feed 0 0.0", 11.0).due_s(5.0) is None
    assert lose(hear(watch, "feed 0 0.0", 11.0)).dismissed
    assert hear(watch, "bye", 12.0).dismissed


@dataclass
class Cards:
    """Cards in memory; those named in broken refuse every write."""

    limits_w: dict[str, float]
    broken: set[str] = field(default_factory=set)

    def read(self) -> tuple[CardReading, ...]:
        return tuple(
            CardReading(uuid, limit_w, 0.0, 0.0, 100.0, 700.0, 700.0)
            for uuid, limit_w in self.limits_w.items()
        )

    def set_clock_mhz(self, clock_mhz: float | None) -> None:
        self.clock_mhz = clock_mhz

    def set_limit_w(self, uuid: str, limit_w: float) -> None:
        if uuid in self.broken:
            raise GpuError(f"{uuid} does not answer")
        self.limits_w[uuid] = limit_w


def test_a_watchdog_only_lowers() -> None:
    cards = Cards({"a": 700.0, "b": 150.0})
    tighten(cards, 600.0)
    assert cards.limits_w == {"a": 450.0, "b": 150.0}
    tighten(cards, 5000.0)
    assert cards.limits_w == {"a": 450.0, "b": 150.0}


def test_a_broken_card_does_not_save_the_others_from_the_watchdog() -> None:
    cards = Cards({"a": 700.0, "b": 700.0}, broken={"a"})
    with pytest.raises(GpuError):
        tighten(cards, 600.0)
    assert cards.limits_w == {"a": 700.0, "b": 300.0}


COMPLETE = {
    "site": "s",
    "node": "n1",
    "deployment": "llama",
    "fail_safe_w": 2000.0,
    "gpu": "twin:127.0.0.1:9000",
    "journal": "/var/lib/ballast/agent.json",
}


@pytest.fixture
def no_variables(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in list(os.environ):
        if name.startswith("BALLAST_AGENT_"):
            monkeypatch.delenv(name)


def write(folder: Path, values: dict[str, object]) -> Path:
    path = folder / "agent.toml"
    lines = (f"{key} = {json.dumps(value)}" for key, value in values.items())
    path.write_text("\n".join(lines))
    return path


def test_settings_come_from_the_file_and_the_environment_wins(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, no_variables: None
) -> None:
    monkeypatch.setenv("BALLAST_AGENT_NODE", "n2")
    monkeypatch.setenv("BALLAST_AGENT_GPU_UUIDS", '["GPU-1"]')
    config = load_config(write(tmp_path, COMPLETE | {"broker_port": 1884}))
    assert (config.site, config.node, config.broker_port) == ("s", "n2", 1884)
    assert config.gpu_uuids == ("GPU-1",)
    assert config.period_s == 0.5


@pytest.mark.parametrize(
    ("change", "named"),
    [
        ({"fail_safe_w": None}, "fail_safe_w is missing"),
        ({"fail_safe_w": -1}, "fail_safe_w"),
        ({"fail_safe_w": "much"}, "fail_safe_w"),
        ({"colour": "red"}, "colour is not a setting"),
        ({"node": "N 1"}, "node"),
        ({"gpu": "nvml"}, "gpu_uuids"),
        ({"period_s": 30}, "period_s"),
    ],
)
def test_a_missing_unknown_or_wrong_setting_is_named(
    tmp_path: Path, no_variables: None, change: dict[str, object], named: str
) -> None:
    values = {key: value for key, value in (COMPLETE | change).items() if value is not None}
    with pytest.raises(ConfigurationError, match=named):
        load_config(write(tmp_path, values))


def test_an_unknown_variable_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, no_variables: None
) -> None:
    monkeypatch.setenv("BALLAST_AGENT_FAILSAFE_W", "1")
    with pytest.raises(ConfigurationError, match="BALLAST_AGENT_FAILSAFE_W"):
        load_config(write(tmp_path, COMPLETE))


def test_a_file_that_is_missing_or_not_toml_is_a_configuration_error(
    tmp_path: Path, no_variables: None
) -> None:
    with pytest.raises(ConfigurationError, match="no configuration file"):
        load_config(tmp_path / "none.toml")
    (tmp_path / "bad.toml").write_text("site = ")
    with pytest.raises(ConfigurationError, match=r"bad\.toml"):
        load_config(tmp_path / "bad.toml")


class NVMLError_NoPermission(Exception):  # noqa: N801  NVML's own name
    """What the bindings raise without root."""


@dataclass
class Nvml:
    """The part of NVML that the adapter calls, over two cards, in milliwatts and millijoules."""

    limits_mw: dict[str, int]
    starts: int = 0
    root: bool = True
    locked_mhz: dict[str, int] = field(default_factory=dict)

    def nvmlInit(self) -> None:  # noqa: N802
        self.starts += 1

    def nvmlDeviceGetHandleByUUID(self, uuid: str) -> str:  # noqa: N802
        return uuid

    def nvmlDeviceGetPowerManagementLimitConstraints(self, _: str) -> list[int]:  # noqa: N802
        return [200_000, 700_000]

    def nvmlDeviceGetEnforcedPowerLimit(self, handle: str) -> int:  # noqa: N802
        return self.limits_mw[handle]

    def nvmlDeviceGetPowerUsage(self, _: str) -> int:  # noqa: N802
        return 123_456

    def nvmlDeviceGetTotalEnergyConsumption(self, _: str) -> int:  # noqa: N802
        return 5_000_500

    def nvmlDeviceGetPowerManagementDefaultLimit(self, _: str) -> int:  # noqa: N802
        return 700_000

    def nvmlDeviceSetGpuLockedClocks(self, handle: str, _: int, most: int) -> None:  # noqa: N802
        self.locked_mhz[handle] = most

    def nvmlDeviceResetGpuLockedClocks(self, handle: str) -> None:  # noqa: N802
        del self.locked_mhz[handle]

    def nvmlDeviceSetPowerManagementLimit(self, handle: str, limit_mw: int) -> None:  # noqa: N802
        if not self.root:
            raise NVMLError_NoPermission
        self.limits_mw[handle] = limit_mw


def test_nvml_is_read_in_watts_and_joules_and_written_in_whole_watts() -> None:
    nvml = Nvml({"GPU-1": 700_000, "GPU-2": 650_000})
    gpus = NvmlGpus(("GPU-1",), lambda: nvml)
    assert nvml.starts == 0
    (card,) = gpus.read()
    assert card == CardReading("GPU-1", 700.0, 123.456, 5000.5, 200.0, 700.0, 700.0)
    gpus.set_limit_w("GPU-1", 437.9)
    assert nvml.limits_mw == {"GPU-1": 437_000, "GPU-2": 650_000}


def test_nvml_locks_and_frees_the_clocks_of_named_cards_alone() -> None:
    nvml = Nvml({"GPU-1": 700_000, "GPU-2": 650_000})
    gpus = NvmlGpus(("GPU-1",), lambda: nvml)
    gpus.set_clock_mhz(1234.5)
    assert nvml.locked_mhz == {"GPU-1": 1234}
    gpus.set_clock_mhz(None)
    assert nvml.locked_mhz == {}


def test_nvml_touches_no_card_that_was_not_named() -> None:
    nvml = Nvml({"GPU-1": 700_000, "GPU-2": 650_000})
    with pytest.raises(GpuError, match="not among"):
        NvmlGpus(("GPU-1",), lambda: nvml).set_limit_w("GPU-2", 300.0)
    assert nvml.limits_mw["GPU-2"] == 650_000


def test_an_nvml_error_becomes_advice_and_nvml_is_opened_again() -> None:
    nvml = Nvml({"GPU-1": 700_000}, root=False)
    gpus = NvmlGpus(("GPU-1",), lambda: nvml)
    with pytest.raises(GpuError, match="as root"):
        gpus.set_limit_w("GPU-1", 300.0)
    gpus.read()
    assert nvml.starts == 2
