"""Numbers with units and times for people. Unknown values show as a dash."""

from datetime import UTC, datetime, tzinfo
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

UNKNOWN = "–"
MINUS = "\N{MINUS SIGN}"
DAY_NAMES = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")


def significant(value: float, digits: int, scale: float | None = None) -> str:
    """Decimals so that a number of the size of `scale` has `digits` figures; by default its own."""
    whole = len(str(int(abs(value if scale is None else scale))))
    return f"{value:,.{max(0, digits - whole)}f}".replace("-", MINUS)


def power_unit(scale_w: float) -> tuple[float, str]:
    """The divisor and the unit in which watts of this size read best."""
    if abs(scale_w) >= 10e6:
        return 1e6, "MW"
    return 1e3, "kW"


def power(value_w: float | None, digits: int = 4, scale_w: float | None = None) -> str:
    """Watts as kW, or MW; unit and decimals follow `scale_w`, by default the value itself."""
    if value_w is None:
        return UNKNOWN
    scale_w = value_w if scale_w is None else scale_w
    divisor, unit = power_unit(scale_w)
    return f"{significant(value_w / divisor, digits, scale_w / divisor)} {unit}"


def kilowatts(value_w: float | None) -> float | None:
    """Watts as a number of kilowatts, for tables and forms; None stays None."""
    return None if value_w is None else value_w / 1e3


def watts(value_kw: float | None) -> float | None:
    """Kilowatts from a form as watts; None stays None."""
    return None if value_kw is None else value_kw * 1e3


def energy(value_ws: float | None) -> str:
    """Watt-seconds as kWs below one kWh, else kWh."""
    if value_ws is None:
        return UNKNOWN
    if abs(value_ws) < 3.6e6:
        return f"{significant(value_ws / 1e3, 3)} kWs"
    return f"{significant(value_ws / 3.6e6, 3)} kWh"


def rate(value_tok_s: float | None) -> str:
    """Tokens per second with the unit."""
    if value_tok_s is None:
        return UNKNOWN
    return f"{significant(value_tok_s, 4)} tok/s"


def latency(value_ms: float | None) -> str:
    """Milliseconds with the unit."""
    return UNKNOWN if value_ms is None else f"{significant(value_ms, 3)} ms"


def duration(seconds: float) -> str:
    """Seconds as 0:42, 12:05 or 1:02:05."""
    whole = max(0, round(seconds))
    hours, rest = divmod(whole, 3600)
    minutes, secs = divmod(rest, 60)
    return f"{hours}:{minutes:02}:{secs:02}" if hours else f"{minutes}:{secs:02}"


def days(numbers: list[int]) -> str:
    """Days of the week in words: every day, Mon-Fri, or a list."""
    chosen = sorted(set(numbers))
    if chosen == list(range(7)):
        return "every day"
    if len(chosen) > 2 and chosen == list(range(chosen[0], chosen[-1] + 1)):
        return f"{DAY_NAMES[chosen[0]]}–{DAY_NAMES[chosen[-1]]}"
    return ", ".join(DAY_NAMES[day] for day in chosen)


def moment(text: str) -> datetime:
    """An aware datetime from ISO 8601; without an offset it is UTC."""
    parsed = datetime.fromisoformat(text)
    return parsed if parsed.tzinfo else parsed.replace(tzinfo=UTC)


def epoch_ms(text: str) -> int:
    """ISO 8601 as milliseconds since 1970, which charts count in."""
    return round(moment(text).timestamp() * 1000)


def zone(name: str | None) -> tzinfo:
    """The browser's time zone, UTC when it is unknown."""
    try:
        return ZoneInfo(name) if name else UTC
    except (ZoneInfoNotFoundError, ValueError, OSError):
        return UTC


def local_time(text: str | None, at: tzinfo, *, now: datetime | None = None) -> str:
    """Clock time in the browser's zone, with the date when it is not the day of `now`."""
    if text is None:
        return UNKNOWN
    when = moment(text).astimezone(at)
    if now is not None and when.date() == now.astimezone(at).date():
        return when.strftime("%H:%M:%S")
    return when.strftime("%d %b %H:%M:%S")


def utc_time(text: str | None) -> str:
    """Date and time in UTC, empty when unknown."""
    if text is None:
        return ""
    return moment(text).astimezone(UTC).strftime("%Y-%m-%d %H:%M:%S UTC")
