"""Whatever is seen of a limit: a breach skips no rung, never eases, and silence resolves none."""

from hypothesis import given
from hypothesis import strategies as st

from orchestrator.domain.breach import LADDER, Breach, BreachBook, Evidence
from tests.site_samples import at

WATTS = st.sampled_from((None, 800.0, 1000.4, 1005.0, 1019.0, 1100.0))
STRETCH = st.tuples(st.sampled_from((0.25, 1.0, 3.0)), st.integers(1, 30), WATTS, WATTS)


@given(st.lists(STRETCH, max_size=12))
def test_severity_climbs_rung_by_rung_and_only_evidence_resolves(
    stretches: list[tuple[float, int, float | None, float | None]],
) -> None:
    book, now_s, before = BreachBook(), 0.0, None
    for step_s, steps, metered_w, exposed_w in stretches:
        evidence = Evidence("site", 1000.0, exposed_w, metered_w, "a cause")
        for _ in range(steps):
            now_s += step_s
            record = book.update(evidence, at(now_s))
            after = next(iter(book.standing()), None)
            _check(before, after, record, evidence)
            before = after


def _check(
    before: Breach | None, after: Breach | None, record: Breach | None, evidence: Evidence
) -> None:
    if after is not None and before is not None and after.started_at == before.started_at:
        rungs = LADDER.index(after.status) - LADDER.index(before.status)
        assert rungs in (0, 1)
        if after.measured == before.measured:
            assert after.worst_w >= before.worst_w
    if before is None and after is not None:
        assert after.status == "warning"
    if before is not None and after is None:
        assert record is not None
        assert record.status == "resolved"
        assert evidence.metered_w is not None or not before.measured
        seen = [w for w in (evidence.metered_w, evidence.exposed_w) if w is not None]
        assert all(watts <= 1000.5 for watts in seen)
