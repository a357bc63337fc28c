"""A profile is taken whole or refused with the line and the column that are wrong."""

import random
from pathlib import Path

import pytest

from orchestrator.domain.errors import InvalidProfile
from orchestrator.models.samples import COLUMNS, OPTIONAL, read_profile

HEADER = ",".join(COLUMNS)


def rows(deployment: str = "chat") -> list[str]:
    return [
        f"{deployment},H100,8,{cap_w},{n},{6 * cap_w + n},{10 * cap_w + n},{n / 4},,"
        for cap_w in (300, 500, 700)
        for n in (8, 16, 32, 64)
    ]


def text(*lines: str, header: str = HEADER) -> str:
    return "\n".join([header, *lines, ""])


def changed(line: int, column: str, value: str) -> str:
    """A good profile with one cell replaced; line 2 is the first row."""
    lines = rows()
    cells = lines[line - 2].split(",")
    cells[COLUMNS.index(column)] = value
    lines[line - 2] = ",".join(cells)
    return text(*lines)


def test_a_profile_keeps_every_number() -> None:
    samples = read_profile(text(*rows("chat"), *rows("code")))
    assert samples.deployments() == ("chat", "code")
    first = samples.of("code").frame.iloc[0]
    assert tuple(first)[:8] == ("code", "H100", 8, 300.0, 8, 1808.0, 3008.0, 2.0)
    assert first[["itl_p99_ms", "clock_mhz"]].isna().all()


def test_the_order_of_rows_and_columns_and_unknown_columns_do_not_matter(tmp_path: Path) -> None:
    lines = rows()
    random.Random(1).shuffle(lines)
    mixed = text(*(f"note,{line}" for line in lines), header=f"remark,{HEADER}")
    path = tmp_path / "profile.csv"
    path.write_text(mixed, encoding="utf-8")
    assert read_profile(path) == read_profile(text(*rows()))


def test_the_canonical_text_reads_back_as_the_same_samples() -> None:
    samples = read_profile(changed(5, "gpu_model", "H100").replace("H100", '"H100, 80 GB"'))
    again = read_profile(samples.csv())
    assert again == samples
    assert again.frame.equals(samples.frame)


def test_another_number_is_another_hash() -> None:
    assert read_profile(changed(3, "tok_s", "3017")) != read_profile(text(*rows()))


def test_latency_may_be_empty_or_its_column_missing() -> None:
    assert read_profile(changed(4, "itl_p95_ms", "")).frame["itl_p95_ms"].isna().sum() == 1
    short = [line.rsplit(",", 3)[0] for line in rows()]
    bare = read_profile(text(*short, header=HEADER.rsplit(",", 3)[0]))
    assert bare.frame[list(OPTIONAL)].isna().all(axis=None)


def test_a_clock_lock_and_a_99th_percentile_are_kept() -> None:
    first = read_profile(changed(2, "clock_mhz", "1200").replace(",,1200", ",9.5,1200")).frame
    locked = first[first["clock_mhz"].notna()]
    assert locked[["itl_p99_ms", "clock_mhz"]].to_numpy().tolist() == [[9.5, 1200.0]]


def test_a_profile_of_one_cap_needs_five_batches() -> None:
    alone = [f"chat,H100,8,700,{batch},{2000 + batch},{batch},,," for batch in (1, 2, 4, 8, 16)]
    assert read_profile(text(*alone)).frame["cap_w"].unique().tolist() == [700.0]
    with pytest.raises(InvalidProfile, match="4 rows at 1 caps are too few"):
        read_profile(text(*alone[:4]))


def test_a_part_of_a_profile_is_taken_where_that_is_asked_for() -> None:
    assert len(read_profile(text(*rows()[:2]), partial=True).frame) == 2


def test_throughput_that_falls_far_while_the_cap_rises_is_refused() -> None:
    with pytest.raises(InvalidProfile, match="at batch 8 column tok_s falls to 40%"):
        read_profile(changed(10, "tok_s", "2003"))
    assert len(read_profile(changed(10, "tok_s", "4900")).frame) == len(rows())


@pytest.mark.parametrize(
    ("line", "column", "value", "words"),
    [
        (2, "power_w", "", "line 2, column power_w: '' must be a number above 0"),
        (3, "tok_s", "nan", "line 3, column tok_s: 'nan' must be a number above 0"),
        (4, "cap_w", "-300", "line 4, column cap_w: '-300' must be"),
        (5, "power_w", "much", "line 5, column power_w: 'much' must be"),
        (6, "itl_p95_ms", "inf", "line 6, column itl_p95_ms: 'inf' must be"),
        (7, "batch", "8.5", "line 7, column batch: 8.5 must be a whole number"),
        (8, "gpus", "0", "line 8, column gpus: '0' must be"),
        (9, "deployment", "My Model", "line 9, column deployment: 'My Model' must be"),
        (10, "gpu_model", " ", "line 10, column gpu_model: must not be empty"),
        (11, "power_w", "3500000", "line 11, column power_w: .* far above 8 cards"),
        (12, "gpu_model", "B200", "chat: column gpu_model must be the same"),
        (13, "gpus", "9", "chat: column gpus must be the same"),
    ],
)
def test_a_bad_cell_is_named(line: int, column: str, value: str, words: str) -> None:
    with pytest.raises(InvalidProfile, match=words):
        read_profile(changed(line, column, value))


@pytest.mark.parametrize(
    ("profile", "words"),
    [
        ("", "missing column deployment, gpu_model"),
        (text(*rows(), header=HEADER.replace("power_w", "watts")), "missing column power_w"),
        (text(*rows(), header=HEADER.replace("batch", "cap_w")), "missing column batch"),
        (text(*rows(), header=f"{HEADER},cap_w"), "column cap_w appears twice"),
        (text(), "no rows"),
        (text(*rows(), rows()[3]), "line 14 repeats line 5 in every column"),
        (text(*rows(), "chat,H100"), "line 14, column gpus: '' must be"),
        (text(*rows(), rows()[0] + ",1"), "line 14: more cells than columns"),
        (text(*rows()[:11]), "chat: 11 rows at 3 caps are too few"),
        (text(*rows()[:8], *(line + "1" for line in rows()[:8])), "chat: 16 rows at 2 caps"),
    ],
)
def test_a_bad_profile_is_refused(profile: str, words: str) -> None:
    with pytest.raises(InvalidProfile, match=words):
        read_profile(profile)


def test_a_file_that_cannot_be_read_is_an_invalid_profile(tmp_path: Path) -> None:
    with pytest.raises(InvalidProfile, match="cannot be read"):
        read_profile(tmp_path / "missing.csv")
    (tmp_path / "binary.csv").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(InvalidProfile, match="cannot be read"):
        read_profile(tmp_path / "binary.csv")


def test_a_deployment_that_was_not_profiled_is_named() -> None:
    with pytest.raises(InvalidProfile, match="no samples of code; the profile has chat"):
        read_profile(text(*rows())).of("code")
