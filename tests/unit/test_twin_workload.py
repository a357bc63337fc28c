"""What a simulated node is offered: arrivals, lengths, traces."""

import math
from pathlib import Path

import numpy as np
import pytest

from integrations.twin.node import Deployment, Requests, SimNode, poisson, saturated, trace
from integrations.twin.workload import DAY_S, Workload, diurnal
from orchestrator.domain.errors import InvalidInput

CHAT = Deployment("H100", "llama-3.1-8b", 1)
TRACE = """TIMESTAMP,ContextTokens,GeneratedTokens
2023-11-16 18:15:46.6805900,374,44
2023-11-16 18:15:50.6805900,396,109
2023-11-16 18:15:47.1805900,879,55
"""


def write(folder: Path, text: str) -> Path:
    path = folder / "trace.csv"
    path.write_text(text)
    return path


def test_poisson_arrivals_ask_for_the_rate_on_average() -> None:
    requests = poisson(CHAT, 5000.0, 600.0, 1)
    assert requests.output_total / 600.0 == pytest.approx(5000.0, rel=0.05)
    assert requests.arrival_s.max() < 600.0
    gaps = np.diff(requests.arrival_s)
    assert gaps.std() == pytest.approx(gaps.mean(), rel=0.1)


def test_a_rate_may_follow_the_day() -> None:
    rate = diurnal(1000.0, 0.5, peak_s=DAY_S / 2)
    assert rate(DAY_S / 2) == pytest.approx(1500.0)
    assert rate(0.0) == pytest.approx(500.0)
    requests = poisson(CHAT, lambda t: 5000.0 if t < 300.0 else 1000.0, 600.0, 1)
    early = np.count_nonzero(requests.arrival_s < 300.0)
    assert early == pytest.approx(5 * (requests.arrival_s.size - early), rel=0.1)


def test_the_same_seed_gives_the_same_requests() -> None:
    for made in (poisson(CHAT, 900.0, 60.0, 3), poisson(CHAT, 900.0, 60.0, 3)):
        assert made.output_tokens.tolist() == poisson(CHAT, 900.0, 60.0, 3).output_tokens.tolist()
    assert saturated(CHAT, 5.0, 1).prompt_tokens[0] != saturated(CHAT, 5.0, 2).prompt_tokens[0]


def test_lengths_have_the_mean_that_was_measured() -> None:
    prompt, output = Workload(200.0, 1.25, 400.0, 0.7).draw(200_000, np.random.default_rng(1))
    assert prompt.mean() == pytest.approx(200.0, rel=0.03)
    assert output.mean() == pytest.approx(400.0, rel=0.02)
    assert min(prompt.min(), output.min()) >= 1


def test_a_saturated_queue_does_not_empty() -> None:
    node = SimNode(CHAT, saturated(CHAT, 120.0, 1), seed=1)
    node.advance(120.0)
    assert node.running == CHAT.max_batch
    assert node.waiting > 0


def test_a_trace_is_read_in_order_of_time_and_repeated_to_fill_it(tmp_path: Path) -> None:
    requests = trace(write(tmp_path, TRACE), CHAT, 1.0, 20.0)
    assert requests.arrival_s[:3] == pytest.approx([0.0, 0.5, 4.0])
    assert requests.prompt_tokens[:4].tolist() == [374, 879, 396, 374]
    assert requests.output_tokens[:3].tolist() == [44, 55, 109]
    assert requests.arrival_s[3] == pytest.approx(6.0)
    assert requests.arrival_s.max() < 20.0


def test_a_scaled_trace_has_as_many_more_requests_a_second(tmp_path: Path) -> None:
    path = write(tmp_path, TRACE)
    once, twice = (trace(path, CHAT, scale, 600.0) for scale in (1.0, 2.0))
    assert twice.arrival_s.size == 2 * once.arrival_s.size


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("TIMESTAMP,ContextTokens\n2023-11-16 18:15:46,3\n", "line 2"),
        (TRACE + "yesterday,1,1\n", "line 5"),
        (TRACE + "2023-11-16 18:15:51.5,10,0\n", "out of range"),
        (TRACE + "2023-11-16 18:15:51.5,10,many\n", "line 5"),
        (TRACE.splitlines()[0], "no requests"),
    ],
)
def test_a_trace_with_a_mistake_is_refused_with_its_line(
    tmp_path: Path, text: str, words: str
) -> None:
    with pytest.raises(InvalidInput, match=words):
        trace(write(tmp_path, text), CHAT, 1.0, 10.0)


def test_a_trace_that_cannot_be_read_or_scaled_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InvalidInput, match="cannot read"):
        trace(tmp_path / "none.csv", CHAT, 1.0, 10.0)
    for scale in (0.0, math.nan, -1.0):
        with pytest.raises(InvalidInput, match="scale"):
            trace(write(tmp_path, TRACE), CHAT, scale, 10.0)


def whole(*values: int) -> "np.ndarray[tuple[int], np.dtype[np.int64]]":
    return np.array(values, np.int64)


@pytest.mark.parametrize(
    ("arrival_s", "prompt", "output", "words"),
    [
        ([1.0, 0.0], (1, 1), (1, 1), "in order"),
        ([0.0, math.nan], (1, 1), (1, 1), "finite"),
        ([0.0], (1, 1), (1, 1), "one length"),
        ([0.0, 1.0], (0, 1), (1, 1), "at least one token"),
    ],
)
def test_requests_that_make_no_sense_are_refused(
    arrival_s: list[float], prompt: tuple[int, ...], output: tuple[int, ...], words: str
) -> None:
    with pytest.raises(InvalidInput, match=words):
        Requests(np.array(arrival_s), whole(*prompt), whole(*output))


def test_too_many_requests_are_refused_before_they_are_made() -> None:
    with pytest.raises(InvalidInput, match="too many"):
        poisson(CHAT, 1e12, 100.0, 1)
    with pytest.raises(InvalidInput, match="finite"):
        poisson(CHAT, math.nan, 100.0, 1)
