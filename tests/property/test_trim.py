"""Whatever meters show, the trim only adds to what a limit keeps free, and ends by itself."""

from hypothesis import given
from hypothesis import strategies as st

from orchestrator.domain.budget import available_w
from orchestrator.domain.trim import Trim, TrimRules, integrate
from tests.site_samples import two_racks

EXCESS_W = st.one_of(st.none(), st.floats(-5000, 5000))
STEPS = st.lists(st.tuples(st.sampled_from((0.25, 1.0, 5.0, 90.0)), EXCESS_W), max_size=60)
RULES = TrimRules()


@given(STEPS)
def test_it_never_frees_more_than_declared_nor_keeps_more_than_was_shown(
    steps: list[tuple[float, float | None]],
) -> None:
    tree, trim, most_w = two_racks(), Trim(0.0), 0.0
    declared_w = available_w(tree, {})
    for passed_s, excess_w in steps:
        trim = integrate(trim, excess_w, 6000.0, trim.at_s + passed_s, RULES)
        most_w = max(most_w, excess_w or 0.0)
        assert 0 <= trim.kept_w <= most_w
        assert 0 <= trim.quoted_w <= most_w + 30.0
        rooms_w = available_w(tree, {}, {"site": trim.quoted_w})
        assert rooms_w["site"] <= declared_w["site"]
        assert rooms_w["rack-1"] == declared_w["rack-1"]


@given(STEPS)
def test_without_a_meter_it_is_gone_in_the_end(steps: list[tuple[float, float | None]]) -> None:
    trim = Trim(0.0)
    for passed_s, excess_w in steps:
        trim = integrate(trim, excess_w, 6000.0, trim.at_s + passed_s, RULES)
    for _ in range(100):
        trim = integrate(trim, None, 6000.0, trim.at_s + 15.0, RULES)
    assert trim.quoted_w == 0.0
