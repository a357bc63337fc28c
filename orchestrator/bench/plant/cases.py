"""What the paper's experiments run on: deployments, the knobs' grids, and one node's plant."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

from integrations.twin.node import Coefficients, Deployment, Requests, SimNode, clocks_mhz
from orchestrator.bench.plant.knobs import Knobs, Wall
from orchestrator.bench.plant.measured_model import Setting, profiled
from orchestrator.domain.frontier import Frontier

CAPS = 6
BATCHES = 6
CLOCKS = 6
NO_BUDGET_W = 1e6
PAPER_CAPS_W = (150.0, 200.0, 250.0, 300.0, 350.0, 400.0)
PAPER_BATCHES = (1, 4, 8, 16, 32, 64)
PAPER_MODELS = (
    "gpt2",
    "llama-2-7b",
    "mistral-7b",
    "olmoe-1b-7b",
    "qwen1.5-moe-a2.7b",
    "deepseek-moe-16b",
    "phi-3.5-moe",
    "mixtral-8x7b",
)
OTHERS = (
    Deployment("H100", "llama-3.1-70b", 4),
    Deployment("H100", "qwen3-30b-a3b", 2),
    Deployment("B200", "qwen3-32b", 1),
    Deployment("B200", "qwen3-30b-a3b", 1),
)


def deployments() -> tuple[Deployment, ...]:
    """The paper's eight models on four A100, and four deployments on newer cards."""
    return (*(Deployment("A100", model, 4) for model in PAPER_MODELS), *OTHERS)


@dataclass(frozen=True)
class Case:
    """One deployment on one plant: the coefficients may be moved off the fitted ones."""

    deployment: Deployment
    coefficients: Coefficients
    seed: int

    @cached_property
    def caps_w(self) -> tuple[float, ...]:
        """The paper's six on A100; six evenly over the card's range elsewhere."""
        if self.deployment.gpu == "A100":
            return PAPER_CAPS_W
        card = self.deployment.card
        step_w = (card.max_w - card.min_w) / (CAPS - 1)
        return tuple(round(card.min_w + index * step_w, 1) for index in range(CAPS))

    @cached_property
    def batches(self) -> tuple[int, ...]:
        """The paper's six on A100; halvings of the largest batch elsewhere."""
        if self.deployment.gpu == "A100":
            return PAPER_BATCHES
        most = self.deployment.max_batch
        return tuple(max(1, most >> index) for index in reversed(range(BATCHES)))

    @cached_property
    def clocks_mhz(self) -> tuple[float, ...]:
        """Locks from a third of the highest clock up."""
        _, most = clocks_mhz(self.deployment.gpu)
        return tuple(round(most * (0.35 + 0.1 * index), 0) for index in range(CLOCKS))

    @cached_property
    def wall(self) -> Wall:
        """The host's own draw, as the operator knows it."""
        return Wall(self.coefficients.host_factor, self.coefficients.host_w)

    def plant(self, requests: Requests) -> SimNode:
        """A cold node that is offered these requests."""
        return SimNode(
            self.deployment, requests, seed=self.seed, coefficients=self.coefficients, defects=True
        )

    def grid(self, *, clocks: bool = False) -> tuple[Knobs, ...]:
        """Every point of the paper's knobs; with clocks also locks at the highest cap."""
        points = [Knobs(cap_w, batch) for cap_w in self.caps_w for batch in self.batches]
        if clocks:
            points += [
                Knobs(self.caps_w[-1], batch, mhz)
                for mhz in self.clocks_mhz
                for batch in self.batches
            ]
        return tuple(points)

    def model(self, *, clocks: bool = False) -> Frontier:
        """The product's model of a noisy profile at the grid's points."""
        settings = [Setting(k.cap_w, k.batch, k.clock_mhz) for k in self.grid(clocks=clocks)]
        return profiled(self.deployment, settings, self.coefficients, self.seed)


def only(frontier: Frontier, grid: Sequence[Knobs]) -> Frontier:
    """The model's points that lie on a grid."""
    wanted = {(knobs.cap_w, knobs.batch, knobs.clock_mhz) for knobs in grid}
    points = tuple(
        point for point in frontier.points if (point.cap_w, point.batch, point.clock_mhz) in wanted
    )
    return Frontier(frontier.deployment, frontier.model_version, frontier.cards, points)
