"""With k silent nodes declared, any k may fall silent and nobody else has to be cut for it."""

from itertools import combinations

from hypothesis import given
from hypothesis import strategies as st

from orchestrator.domain.budget import available_w
from orchestrator.domain.decision import DecisionInputs, FixedNode, decide
from orchestrator.domain.exposure import draws_under_w
from orchestrator.domain.frontier import Candidate, Frontier
from orchestrator.domain.rollout import Standing, raises
from orchestrator.domain.silence import Silence, allowed_silent, reserves_w
from orchestrator.domain.timeline import Bound
from orchestrator.domain.topology import Limit, Node, Topology

POINTS = ((200.0, 300.0), (350.0, 700.0), (500.0, 900.0), (700.0, 1000.0))
FRONTIERS = {
    "dense": Frontier(
        "dense", "1", 2, tuple(Candidate(w, 8, 2 * w, 2 * tok_s) for w, tok_s in POINTS)
    )
}
EPSILON_W = 0.05


@st.composite
def topologies(draw: st.DrawFn) -> Topology:
    """Two racks of two or three nodes that can afford what they declare."""
    nodes = tuple(
        Node(
            id=f"n{index}", limit=f"rack-{index % 2}", deployment="dense", cards=2,
            nameplate_w=1400.0, min_w=400.0, fail_safe_w=draw(st.sampled_from((400.0, 700.0))),
            overhead_w=50.0, boot_gated=draw(st.booleans()),
        )
        for index in range(draw(st.integers(4, 6)))
    )  # fmt: skip
    watts = draw(st.floats(3600.0, 9000.0))
    count = draw(st.integers(1, 3))
    limits = (
        Limit("site", "facility", watts, uncontrolled_w=100.0, silent_nodes=count),
        Limit("rack-0", "rack", draw(st.floats(2500.0, 4000.0)), "site", silent_nodes=1),
        Limit("rack-1", "rack", 4000.0, "site"),
    )
    return Topology(limits, nodes, 100.0)


@st.composite
def situations(draw: st.DrawFn) -> DecisionInputs:
    """A decision to take while some nodes are silent already."""
    tree = draw(topologies())
    silent = draw(st.sets(st.sampled_from([node.id for node in tree.nodes]), max_size=2))
    floors_w = {n.id: floor_w(n) for n in tree.nodes if n.id not in silent}
    return DecisionInputs(
        topology=tree,
        bounds={n.id: Bound(n.id, n.limit_w, "contract limit") for n in tree.limits},
        fixed={name: FixedNode(1400.0, "silent") for name in silent},
        frontiers=FRONTIERS,
        shadow=False,
        silence=Silence(allowed_silent(tree, silent), floors_w),
    )


def floor_w(node: Node) -> float:
    return node.fail_safe_w if node.boot_gated else node.nameplate_w


def rooms_w(inputs: DecisionInputs) -> dict[str, float]:
    return available_w(inputs.topology, {n.id: n.limit_w for n in inputs.topology.limits})


def exceeded(inputs: DecisionInputs, limits_w: dict[str, float]) -> set[str]:
    """The limits that some allowed set of further silent nodes would pass."""
    found, rooms = set(), rooms_w(inputs)
    for limit_id, count in inputs.silence.allowed.items():
        below = [n.id for n in inputs.topology.nodes_under[limit_id] if n.id not in inputs.fixed]
        for fallen in combinations(below, min(count, len(below))):
            worst_w = {
                n.id: max(limits_w[n.id], floor_w(n)) if n.id in fallen else limits_w[n.id]
                for n in inputs.topology.nodes
            }
            if draws_under_w(inputs.topology, worst_w)[limit_id] > rooms[limit_id] + EPSILON_W:
                found.add(limit_id)
    return found


def least_w(inputs: DecisionInputs) -> dict[str, float]:
    return {
        n.id: inputs.fixed[n.id].limit_w if n.id in inputs.fixed else n.min_w
        for n in inputs.topology.nodes
    }


@given(situations())
def test_a_decision_leaves_room_for_every_allowed_silence(inputs: DecisionInputs) -> None:
    """Unless even the lowest caps leave none."""
    if exceeded(inputs, least_w(inputs)):
        return
    targets_w = {target.node: target.limit_w for target in decide(inputs).targets}
    assert exceeded(inputs, targets_w) == set()


@given(situations())
def test_raises_keep_the_reserve_in_every_state_and_arrive(inputs: DecisionInputs) -> None:
    if exceeded(inputs, least_w(inputs)):
        return
    targets_w = {target.node: target.limit_w for target in decide(inputs).targets}
    charged_w = least_w(inputs)
    for _ in range(40):
        wanted = {
            name: Standing(charged_w[name], targets_w[name])
            for name in charged_w
            if name not in inputs.fixed
        }
        moves = raises(inputs.topology, rooms_w(inputs), charged_w, wanted, silence=inputs.silence)
        for move in moves:
            charged_w[move.node] = move.limit_w
            assert exceeded(inputs, charged_w) == set()
    assert all(abs(charged_w[name] - targets_w[name]) < 1.0 for name in charged_w)


@given(situations())
def test_the_reserve_is_the_worst_allowed_silence_and_no_more(inputs: DecisionInputs) -> None:
    limits_w = dict.fromkeys(least_w(inputs), 900.0)
    limits_w |= {name: fixed.limit_w for name, fixed in inputs.fixed.items()}
    kept_w = reserves_w(inputs.topology, inputs.silence, limits_w)
    base_w = draws_under_w(inputs.topology, limits_w)
    for limit_id, count in inputs.silence.allowed.items():
        below = [n for n in inputs.topology.nodes_under[limit_id] if n.id not in inputs.fixed]
        worst_w = max(
            draws_under_w(
                inputs.topology,
                {**limits_w, **{n.id: max(limits_w[n.id], floor_w(n)) for n in fallen}},
            )[limit_id]
            for fallen in combinations(below, min(count, len(below)))
        )
        assert abs(kept_w[limit_id] - (worst_w - base_w[limit_id])) < EPSILON_W
