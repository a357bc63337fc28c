"""Numbers and times as operators read them."""

from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import pytest

from dashboards.web import formats

BERLIN = ZoneInfo("Europe/Berlin")


@pytest.mark.parametrize(
    ("value_w", "words"),
    [
        (61_803.4, "61.80 kW"),
        (5_832.0, "5.832 kW"),
        (0.0, "0.000 kW"),
        (98_421_000.0, "98.42 MW"),
        (1_234_500.0, "1,234 kW"),
        (-512.0, "−0.512 kW"),
        (None, "–"),
    ],
)
def test_power_has_four_figures_and_a_unit(value_w: float | None, words: str) -> None:
    assert formats.power(value_w) == words


def test_a_small_power_beside_a_large_one_has_its_unit_and_decimals() -> None:
    assert formats.power(480_000.0, scale_w=98e6) == "0.48 MW"


def test_an_unknown_value_is_never_zero() -> None:
    shown = {formats.rate(None), formats.latency(None), formats.energy(None), formats.power(None)}
    assert shown == {formats.UNKNOWN}


@pytest.mark.parametrize(
    ("value_ws", "words"),
    [(0.0, "0.00 kWs"), (12_340.0, "12.3 kWs"), (7.2e6, "2.00 kWh")],
)
def test_energy_grows_from_watt_seconds_to_hours(value_ws: float, words: str) -> None:
    assert formats.energy(value_ws) == words


@pytest.mark.parametrize(
    ("seconds", "words"), [(42, "0:42"), (725, "12:05"), (3725, "1:02:05"), (-3, "0:00")]
)
def test_a_duration_never_runs_below_zero(seconds: float, words: str) -> None:
    assert formats.duration(seconds) == words


@pytest.mark.parametrize(
    ("numbers", "words"),
    [([0, 1, 2, 3, 4, 5, 6], "every day"), ([4, 0, 1, 2, 3], "Mon–Fri"), ([0, 6], "Mon, Sun")],
)
def test_days_read_as_a_person_says_them(numbers: list[int], words: str) -> None:
    assert formats.days(numbers) == words


def test_a_time_shows_the_browsers_zone_and_utc_beside_it() -> None:
    text = "2026-07-01T22:30:00Z"
    now = datetime(2026, 7, 1, 22, 31, tzinfo=UTC)
    assert formats.local_time(text, BERLIN, now=now) == "00:30:00"
    assert formats.utc_time(text) == "2026-07-01 22:30:00 UTC"


def test_a_time_of_another_day_carries_its_date() -> None:
    now = datetime(2026, 7, 3, 12, 0, tzinfo=UTC)
    assert formats.local_time("2026-07-01T22:30:00Z", BERLIN, now=now) == "02 Jul 00:30:00"


@pytest.mark.parametrize("name", ["", None, "Mars/Olympus", "../etc/passwd", "Europe"])
def test_an_unknown_zone_falls_back_to_utc(name: str | None) -> None:
    assert formats.zone(name) is UTC
