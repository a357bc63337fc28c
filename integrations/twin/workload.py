"""Requests for a simulated node: when they arrive, how long their prompts and answers are."""

import csv
import math
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Final

import numpy as np
import numpy.typing as npt

from orchestrator.domain.errors import InvalidInput

LONGEST: Final = 32_768
MOST_REQUESTS: Final = 20_000_000
DAY_S: Final = 86_400.0

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]


@dataclass(frozen=True)
class Workload:
    """Token counts of one kind of request: means, and sigmas of their lognormal spread."""

    prompt_mean: float
    prompt_sigma: float
    output_mean: float
    output_sigma: float

    def draw(self, count: int, random: np.random.Generator) -> tuple[Ints, Ints]:
        """Prompt and output lengths of `count` requests, (count,) each, at least 1."""
        prompt = _lengths(self.prompt_mean, self.prompt_sigma, count, random)
        return prompt, _lengths(self.output_mean, self.output_sigma, count, random)


def _lengths(mean: float, sigma: float, count: int, random: np.random.Generator) -> Ints:
    drawn = mean * np.exp(sigma * random.standard_normal(count) - 0.5 * sigma * sigma)
    return np.clip(np.rint(drawn), 1, LONGEST).astype(np.int64)


@dataclass(frozen=True)
class Requests:
    """Requests in order of arrival: arrival_s, prompt_tokens, output_tokens, (n,) each.

    InvalidInput unless they have one length, rise in time and have at least one token each way.
    """

    arrival_s: Floats
    prompt_tokens: Ints
    output_tokens: Ints

    def __post_init__(self) -> None:
        sizes = {self.arrival_s.shape, self.prompt_tokens.shape, self.output_tokens.shape}
        if len(sizes) != 1 or self.arrival_s.ndim != 1:
            raise InvalidInput("requests: the three arrays must have one length")
        if self.arrival_s.size == 0:
            return
        if not (np.isfinite(self.arrival_s).all() and np.all(np.diff(self.arrival_s) >= 0.0)):
            raise InvalidInput("requests: arrivals must be finite and in order of time")
        if min(self.prompt_tokens.min(), self.output_tokens.min()) < 1:
            raise InvalidInput("requests: prompts and outputs have at least one token")

    @property
    def output_total(self) -> int:
        """Output tokens of all requests."""
        return int(self.output_tokens.sum())


def queued(workload: Workload, count: int, seed: int) -> Requests:
    """`count` requests that all wait from the start."""
    random = np.random.default_rng(seed)
    return Requests(np.zeros(count), *workload.draw(_bounded(count), random))


def arriving(
    workload: Workload, rate_tok_s: float | Callable[[float], float], seconds: float, seed: int
) -> Requests:
    """Poisson arrivals that ask for `rate_tok_s` output tokens a second on average.

    A rate that varies is read at the middle of every second.
    """
    random = np.random.default_rng(seed)
    whole = math.ceil(seconds)
    rates = [rate_tok_s(i + 0.5) if callable(rate_tok_s) else rate_tok_s for i in range(whole)]
    expected = np.asarray(rates, np.float64) / workload.output_mean
    if not (np.isfinite(expected).all() and np.all(expected >= 0.0)):
        raise InvalidInput("the offered rate must be finite and not negative")
    _bounded(float(expected.sum()))
    counts = random.poisson(expected)
    arrival_s = np.sort(np.repeat(np.arange(whole), counts) + random.random(counts.sum()))
    arrival_s = arrival_s[arrival_s < seconds]
    return Requests(arrival_s, *workload.draw(arrival_s.size, random))


def diurnal(mean_tok_s: float, swing: float, peak_s: float) -> Callable[[float], float]:
    """A rate over a day: `mean_tok_s` times 1 +- swing (0-1), highest at `peak_s`."""
    if not 0.0 <= swing <= 1.0:
        raise InvalidInput(f"swing {swing} must lie in 0-1")
    return lambda t: mean_tok_s * (1.0 + swing * math.cos(2.0 * math.pi * (t - peak_s) / DAY_S))


def read_trace(path: Path, scale: float, seconds: float) -> Requests:
    """Requests of a trace, `scale` times as many a second, repeated to fill `seconds`.

    A CSV file with TIMESTAMP, ContextTokens and GeneratedTokens, as the Azure LLM inference traces
    have them. InvalidInput names the line that cannot be used.
    """
    if not (math.isfinite(scale) and scale > 0.0):
        raise InvalidInput(f"scale {scale} must be above 0")
    at_s, prompt, output = _trace_columns(path)
    order = np.argsort(at_s, kind="stable")
    at_s, prompt, output = at_s[order] - at_s.min(), prompt[order], output[order]
    lap_s = (at_s[-1] + at_s[-1] / max(at_s.size - 1, 1)) / scale
    laps = max(1, math.ceil(seconds / lap_s)) if lap_s > 0.0 else 1
    _bounded(laps * at_s.size)
    arrival_s = (np.arange(laps)[:, None] * lap_s + at_s[None, :] / scale).ravel()
    kept = arrival_s < seconds
    return Requests(arrival_s[kept], np.tile(prompt, laps)[kept], np.tile(output, laps)[kept])


def _trace_columns(path: Path) -> tuple[Floats, Ints, Ints]:
    try:
        with path.open(newline="", encoding="utf-8-sig") as file:
            reader = csv.DictReader(file)
            rows = [_trace_row(row, reader.line_num, path) for row in reader]
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise InvalidInput(f"cannot read the trace {path}: {error}") from error
    if not rows:
        raise InvalidInput(f"the trace {path} has no requests")
    at_s, prompt, output = zip(*rows, strict=True)
    return np.array(at_s), np.array(prompt, np.int64), np.array(output, np.int64)


def _trace_row(row: dict[str, str], line: int, path: Path) -> tuple[float, int, int]:
    try:
        whole, _, fraction = row["TIMESTAMP"].partition(".")
        at_s = datetime.fromisoformat(f"{whole}+00:00").timestamp() + float(f"0.{fraction or 0}")
        prompt, output = int(row["ContextTokens"]), int(row["GeneratedTokens"])
    except (KeyError, TypeError, ValueError) as error:
        raise InvalidInput(
            f"{path}, line {line}: expected TIMESTAMP, ContextTokens and GeneratedTokens: {error}"
        ) from error
    if not (1 <= output <= LONGEST and prompt >= 0):
        raise InvalidInput(f"{path}, line {line}: {prompt} and {output} tokens are out of range")
    return at_s, max(prompt, 1), output


def _bounded(count: float) -> int:
    if count > MOST_REQUESTS:
        raise InvalidInput(f"{count:,.0f} requests are too many; at most {MOST_REQUESTS:,}")
    return int(count)
