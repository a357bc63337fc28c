"""A model on a node, checked against the catalogue."""

from dataclasses import dataclass, field

from integrations.twin.catalogue import Entry, entry_for
from integrations.twin.coefficients import Coefficients
from integrations.twin.gpus import Gpu, gpu_named
from integrations.twin.workload import Workload
from orchestrator.domain.errors import InvalidInput


def deployment_id(model: str, gpu: str, gpus: int) -> str:
    """The id of a model on a node, such as `llama-3-1-8b-h100-x8`."""
    return f"{model}-{gpu}-x{gpus}".lower().replace(".", "-")


@dataclass(frozen=True)
class Deployment:
    """A model on a node of `gpus` cards; ConfigurationError for names that the twin lacks."""

    gpu: str
    model: str
    gpus: int
    entry: Entry = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "entry", entry_for(self.gpu, self.model, self.gpus))

    @classmethod
    def of(cls, entry: Entry, gpus: int | None = None) -> "Deployment":
        """Replicas of an entry that need not be in the catalogue, one if `gpus` is not given."""
        made = object.__new__(cls)
        values = {"gpu": entry.gpu, "model": entry.model, "gpus": gpus or entry.gpus}
        for name, value in {**values, "entry": entry}.items():
            object.__setattr__(made, name, value)
        return made

    @property
    def id(self) -> str:
        """Such as `llama-3-1-8b-h100-x8`."""
        return deployment_id(self.model, self.gpu, self.gpus)

    @property
    def replicas(self) -> int:
        """How many copies of the model the node holds."""
        return self.gpus // self.entry.gpus

    @property
    def max_batch(self) -> int:
        """The most requests that run at once on the node."""
        return self.entry.max_batch * self.replicas

    @property
    def extrapolated(self) -> bool:
        """Whether no measurement covers this card and model."""
        return self.entry.extrapolated

    @property
    def coefficients(self) -> Coefficients:
        """What the physics uses; no controller may see it."""
        return self.entry.coefficients

    @property
    def workload(self) -> Workload:
        """The requests that it was measured with."""
        return self.entry.workload

    @property
    def card(self) -> Gpu:
        """The card type."""
        return gpu_named(self.gpu)

    def check_batch(self, limit: int, where: str) -> None:
        """InvalidInput unless the node can be told to run up to `limit` requests."""
        if not 1 <= limit <= self.max_batch:
            raise InvalidInput(f"{where}: batch limit {limit} is outside 1-{self.max_batch}")
