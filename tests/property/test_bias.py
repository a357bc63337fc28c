"""Whatever nodes are believed to be off their models by, no limit is exceeded."""

from hypothesis import given, settings
from hypothesis import strategies as st

from orchestrator.domain.calibration import FURTHEST, Bias
from orchestrator.domain.decision import DecisionInputs, decide
from orchestrator.domain.exposure import draws_under_w
from orchestrator.domain.frontier import Candidate, pareto
from orchestrator.domain.timeline import Bound
from orchestrator.store.canonical import decode, encode
from tests.site_samples import two_racks

SITE = two_racks()
MODEL = pareto(
    "dense",
    "v1",
    2,
    [Candidate(cap_w, 32, 2 * cap_w, 5 * cap_w**0.7) for cap_w in range(200, 701, 50)],
)
factors = st.floats(1 / FURTHEST, FURTHEST)
biases = st.dictionaries(st.sampled_from("abcd"), st.builds(Bias, factors, factors))


@settings(deadline=None)
@given(biases, st.floats(2600, 6000), st.floats(1300, 3000))
def test_no_bias_moves_a_decision_above_a_limit_and_it_replays(
    believed: dict[str, Bias], site_w: float, rack_w: float
) -> None:
    bounds = {
        name: Bound(name, limit_w, "test")
        for name, limit_w in (("site", site_w), ("rack-1", rack_w), ("rack-2", rack_w))
    }
    inputs = DecisionInputs(SITE, bounds, {}, {"dense": MODEL}, False, {}, believed)
    outcome = decide(inputs)
    drawn_w = draws_under_w(SITE, {target.node: target.limit_w for target in outcome.targets})
    for name, bound in bounds.items():
        assert drawn_w[name] + SITE.uncontrolled_under_w[name] <= bound.limit_w + 0.01
    assert encode(decide(decode(DecisionInputs, encode(inputs)))) == encode(outcome)
