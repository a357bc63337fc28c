"""Profile samples: measured runs of a deployment at known caps and batches, read from CSV."""

import csv
import re
from collections.abc import Iterator, Sequence
from dataclasses import astuple, dataclass, field, fields
from hashlib import sha256
from io import StringIO
from math import isfinite
from pathlib import Path
from typing import Final

import numpy as np
import pandas as pd

from orchestrator.domain.errors import InvalidProfile

MIN_ROWS: Final = 12
MIN_CAPS: Final = 3
MIN_BATCHES: Final = 5
"""Batches that a profile of a single cap must have."""
MOST_FALL: Final = 0.3
"""A larger fall of throughput or power while the cap rises is a mistake, not noise."""
MAX_ROWS: Final = 200_000
MOST_OVER_CAP: Final = 1.5
"""Power above this multiple of the caps is a wrong unit or another meter point, not overshoot."""

_ID: Final = re.compile(r"[a-z0-9-]{1,63}")


@dataclass(frozen=True, slots=True, order=True)
class _Row:
    deployment: str
    gpu_model: str
    gpus: int
    cap_w: float
    batch: int
    power_w: float
    tok_s: float
    itl_p95_ms: float | None
    itl_p99_ms: float | None
    clock_mhz: float | None


COLUMNS: Final = tuple(column.name for column in fields(_Row))
OPTIONAL: Final = ("itl_p95_ms", "itl_p99_ms", "clock_mhz")


@dataclass(frozen=True)
class Samples:
    """Checked samples, sorted, so that the order of a file does not matter.

    frame: one row a run with the columns of docs/profiles.md; NaN for an unknown latency and a
    free clock.
    sha256: of the canonical CSV. Two samples are equal if their hashes are.
    """

    frame: pd.DataFrame = field(compare=False, repr=False)
    sha256: str

    def deployments(self) -> tuple[str, ...]:
        """Ids of the deployments that were profiled, sorted."""
        return tuple(sorted(self.frame["deployment"].unique().tolist()))

    def of(self, deployment: str) -> "Samples":
        """The samples of one deployment. Raises InvalidProfile if there are none."""
        frame = self.frame[self.frame["deployment"] == deployment].reset_index(drop=True)
        if frame.empty:
            known = ", ".join(self.deployments())
            raise InvalidProfile(f"no samples of {deployment}; the profile has {known}")
        return Samples(frame, _hash(frame))

    def csv(self) -> str:
        """Canonical text that read_profile takes back without loss."""
        return _canonical(self.frame)


def read_profile(source: Path | str, *, partial: bool = False) -> Samples:
    """Samples from a CSV file (a Path) or from the text of one (a str).

    partial: fewer rows than a fit needs will do. Raises InvalidProfile that names the line and the
    column, and says what to do.
    """
    if isinstance(source, str):
        return _checked(source, partial)
    try:
        return _checked(_text(source), partial)
    except InvalidProfile as error:
        raise InvalidProfile(f"{source}: {error}") from error


def _checked(text: str, partial: bool) -> Samples:
    numbered = list(_rows(text))
    if not numbered:
        raise InvalidProfile("the profile has no rows below its header")
    _check_repeated(numbered)
    rows = sorted(
        (row for _, row in numbered),
        key=lambda row: tuple(-1.0 if value is None else value for value in astuple(row)),
    )
    frame = pd.DataFrame([astuple(row) for row in rows], columns=list(COLUMNS))
    frame[list(OPTIONAL)] = frame[list(OPTIONAL)].astype("float64")
    for deployment, own in frame.groupby("deployment"):
        _check_one_node(str(deployment), own)
        _check_rising(str(deployment), own)
        if not partial:
            _check_enough(str(deployment), own)
    return Samples(frame, _hash(frame))


def _text(source: Path) -> str:
    try:
        return source.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise InvalidProfile(f"cannot be read: {error}") from error


def _rows(text: str) -> Iterator[tuple[int, _Row]]:
    reader = csv.DictReader(StringIO(text), restkey="", restval="")
    try:
        header = [name.strip() for name in reader.fieldnames or ()]
        _check_header(header)
        reader.fieldnames = header
        for count, cells in enumerate(reader):
            if count >= MAX_ROWS:
                raise InvalidProfile(f"more than {MAX_ROWS:,} rows: split the profile")
            if "" in cells:
                raise InvalidProfile(f"line {reader.line_num}: more cells than columns")
            yield reader.line_num, _row(cells, reader.line_num)
    except csv.Error as error:
        raise InvalidProfile(f"line {reader.line_num}: not CSV: {error}") from error


def _check_header(header: Sequence[str]) -> None:
    needed = [name for name in COLUMNS if name not in OPTIONAL]
    missing = [name for name in needed if name not in header]
    if missing:
        raise InvalidProfile(
            f"missing column {', '.join(missing)}; the columns are {', '.join(COLUMNS)}"
        )
    twice = sorted({name for name in header if header.count(name) > 1})
    if twice:
        raise InvalidProfile(f"column {', '.join(twice)} appears twice")


def _row(cells: dict[str, str], line: int) -> _Row:
    row = _Row(
        deployment=_identifier(cells, line),
        gpu_model=cells["gpu_model"].strip(),
        gpus=_whole(cells, line, "gpus"),
        cap_w=_number(cells, line, "cap_w"),
        batch=_whole(cells, line, "batch"),
        power_w=_number(cells, line, "power_w"),
        tok_s=_number(cells, line, "tok_s"),
        itl_p95_ms=_optional(cells, line, "itl_p95_ms"),
        itl_p99_ms=_optional(cells, line, "itl_p99_ms"),
        clock_mhz=_optional(cells, line, "clock_mhz"),
    )
    if not row.gpu_model:
        raise InvalidProfile(f"line {line}, column gpu_model: must not be empty")
    if row.power_w > MOST_OVER_CAP * row.cap_w * row.gpus:
        raise InvalidProfile(
            f"line {line}, column power_w: {row.power_w:g} W is far above {row.gpus} cards at "
            f"{row.cap_w:g} W; give the power of all cards, in watts, without the host"
        )
    return row


def _identifier(cells: dict[str, str], line: int) -> str:
    name = cells["deployment"].strip()
    if not _ID.fullmatch(name):
        raise InvalidProfile(
            f"line {line}, column deployment: {name!r} must be 1-63 of a-z, 0-9 and the hyphen"
        )
    return name


def _number(cells: dict[str, str], line: int, column: str) -> float:
    try:
        value = float(cells[column])
    except ValueError:
        value = float("nan")
    if not (isfinite(value) and value > 0):
        raise InvalidProfile(
            f"line {line}, column {column}: {cells[column]!r} must be a number above 0"
        )
    return value


def _optional(cells: dict[str, str], line: int, column: str) -> float | None:
    return _number(cells, line, column) if cells.get(column, "").strip() else None


def _whole(cells: dict[str, str], line: int, column: str) -> int:
    value = _number(cells, line, column)
    if value != int(value):
        raise InvalidProfile(f"line {line}, column {column}: {value:g} must be a whole number")
    return int(value)


def _check_repeated(numbered: Sequence[tuple[int, _Row]]) -> None:
    seen: dict[_Row, int] = {}
    for line, row in numbered:
        if row in seen:
            raise InvalidProfile(
                f"line {line} repeats line {seen[row]} in every column; a repeated run has "
                "measurements of its own"
            )
        seen[row] = line


def _check_one_node(deployment: str, rows: pd.DataFrame) -> None:
    for column in ("gpu_model", "gpus"):
        if rows[column].nunique() > 1:
            raise InvalidProfile(
                f"{deployment}: column {column} must be the same in all of its rows, "
                f"found {', '.join(str(value) for value in rows[column].unique())}"
            )


def _check_rising(deployment: str, rows: pd.DataFrame) -> None:
    """Refuse what no noise explains: much less throughput or power at a higher cap."""
    settings = ["clock_mhz", "batch", "cap_w"]
    cells = rows.groupby(settings, dropna=False, as_index=False)[["tok_s", "power_w"]].mean()
    for _, curve in cells.groupby(settings[:2], dropna=False):
        for column in ("tok_s", "power_w"):
            values = curve[column].to_numpy(float)
            share = values / np.maximum.accumulate(values)
            worst = int(share.argmin())
            if share[worst] < 1.0 - MOST_FALL:
                raise InvalidProfile(
                    f"{deployment}: at batch {curve['batch'].iloc[0]:g} column {column} falls to "
                    f"{share[worst]:.0%} where cap_w rises to {curve['cap_w'].iloc[worst]:g} W; "
                    "measure that run again"
                )


def _check_enough(deployment: str, rows: pd.DataFrame) -> None:
    caps, batches = rows["cap_w"].nunique(), rows["batch"].nunique()
    at_one_cap = caps == 1 and batches >= MIN_BATCHES
    if not at_one_cap and (len(rows) < MIN_ROWS or caps < MIN_CAPS):
        raise InvalidProfile(
            f"{deployment}: {len(rows)} rows at {caps} caps are too few; profile at least "
            f"{MIN_ROWS} runs at {MIN_CAPS} or more values of cap_w, or {MIN_BATCHES} batches "
            "at a single cap for a model that is valid there alone"
        )


def _canonical(frame: pd.DataFrame) -> str:
    text = StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(COLUMNS)
    writer.writerows(frame.astype(object).where(frame.notna(), "").itertuples(index=False))
    return text.getvalue()


def _hash(frame: pd.DataFrame) -> str:
    return sha256(_canonical(frame).encode()).hexdigest()
