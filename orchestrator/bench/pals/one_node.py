"""One node under every policy: the paper's first experiment, on the simulated plant."""

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace

from agents.core.options import Service
from integrations.twin.node import steady
from orchestrator.bench.pals.judge import Verdict, judge
from orchestrator.bench.pals.oracle import clairvoyant
from orchestrator.bench.pals.policies import Fixed, Paper
from orchestrator.bench.plant.cases import NO_BUDGET_W, Case, only
from orchestrator.bench.plant.knobs import Knobs
from orchestrator.bench.plant.node_run import Policy, run
from orchestrator.bench.plant.objectives import ITL_SLACK, TTFT_MS, Objectives
from orchestrator.bench.plant.own_agent import OwnAgent
from orchestrator.bench.plant.schedule import Schedule, in_turn, offered
from orchestrator.domain.frontier import Frontier

SHARES = (0.9, 0.6, 0.75)
LOADS = ("saturated", "poisson")


@dataclass(frozen=True, slots=True)
class Outcome:
    """What one policy made of one case. gain: tok/J over the fixed setting's."""

    deployment: str
    load: str
    policy: str
    seed: int
    moved: str
    gain: float
    verdict: Verdict

    def row(self) -> dict[str, object]:
        """One flat JSON object."""
        return {k: v for k, v in asdict(self).items() if k != "verdict"} | asdict(self.verdict)


@dataclass(frozen=True, slots=True)
class Setup:
    """A case ready to run: what is asked, what is promised, and what is known of the node."""

    case: Case
    load: str
    schedule: Schedule
    objectives: Objectives
    model: Frontier

    @property
    def service(self) -> Service:
        """The objectives as the agent is told them."""
        wall = self.case.wall
        return Service(self.objectives.itl_ms, self.objectives.ttft_ms, wall.watts, wall.factor)


def prepare(case: Case, load: str, seconds: float, model: Frontier | None = None) -> Setup:
    """Take the targets as shares of what the node serves unconstrained.

    model: of a profile of the node; made here if it is not given.
    """
    full = steady(
        case.deployment, case.caps_w[-1], case.batches[-1], coefficients=case.coefficients
    )
    objectives = Objectives(ITL_SLACK * full.itl_p99_ms, TTFT_MS if load == "poisson" else None)
    schedule = in_turn(SHARES, full.tok_s, NO_BUDGET_W, seconds)
    known = case.model(clocks=True) if model is None else model
    return Setup(case, load, schedule, objectives, known)


def outcomes(setup: Setup, moved: str = "") -> list[Outcome]:
    """Every policy on the same plant, requests and model; the oracles on the plant itself."""
    case = setup.case
    requests = offered(case.deployment, setup.load, setup.schedule, case.seed)
    verdicts: dict[str, Verdict] = {}
    for name, policy in policies(setup).items():
        verdicts[name] = judge(run(case.plant(requests), policy, setup.schedule), setup.objectives)
    for name, grid in oracles(case, clocks=not moved).items():
        best, _ = clairvoyant(
            case.plant(requests), setup.schedule, grid, setup.objectives, case.wall
        )
        verdicts[name] = judge(best, setup.objectives)
    fixed = verdicts["fixed"].tok_j
    return [
        Outcome(case.deployment.id, setup.load, name, case.seed, moved, v.tok_j / fixed, v)
        for name, v in verdicts.items()
    ]


def oracles(case: Case, *, clocks: bool) -> dict[str, Sequence[Knobs]]:
    """The clairvoyant ones: with the paper's knobs, and with the clock lock too."""
    found: dict[str, Sequence[Knobs]] = {"oracle": case.grid()}
    return found | {"oracle, clock": case.grid(clocks=True)} if clocks else found


def policies(setup: Setup) -> dict[str, Policy]:
    """All that are compared, anew for every run."""
    case, grid = setup.case, setup.case.grid()
    most_w, most = case.caps_w[-1], case.batches[-1]
    cards = case.deployment.gpus

    def paper(keep: Callable[[Knobs], bool]) -> Paper:
        kept = [knobs for knobs in grid if keep(knobs)]
        return Paper(only(setup.model, kept).points, case.wall, cards)

    def own(points: Sequence[Knobs], knobs: tuple[str, ...]) -> OwnAgent:
        return OwnAgent(only(setup.model, points), case.wall, setup.service, knobs)

    return {
        "fixed": Fixed(most_w, most, case.wall, cards),
        "batch only": paper(lambda knobs: knobs.cap_w == most_w),
        "cap only": paper(lambda knobs: knobs.batch == most),
        "paper": paper(lambda _: True),
        "ballast": own(grid, ("cap", "batch")),
        "ballast, clock": own(case.grid(clocks=True), ("cap", "clock", "batch")),
    }


def with_moved(case: Case, name: str, factor: float) -> Case:
    """The same case on a plant one of whose coefficients is moved."""
    return replace(case, coefficients=case.coefficients.perturbed(name, factor))
