"""Many seeds, on all cores: what was injected, what was broken, how fast."""

import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from dataclasses import dataclass, field
from itertools import islice
from multiprocessing import get_context
from typing import Any, Final

from orchestrator.simtest.faults import FAULTS
from orchestrator.simtest.promises import PROMISES, Violation
from orchestrator.simtest.scenario import Scenario, draw
from orchestrator.simtest.shrink import shrink
from orchestrator.simtest.world import World

CHUNK: Final = 4


@dataclass(frozen=True, slots=True)
class SeedResult:
    """What one seed did; simulated_s: how far it came."""

    seed: int
    violations: tuple[Violation, ...]
    injected: Counter[str]
    simulated_s: float


@dataclass
class Campaign:
    """The sum of many seeds."""

    seeds: int = 0
    node_hours: float = 0.0
    injected: Counter[str] = field(default_factory=Counter)
    failing: list[SeedResult] = field(default_factory=list)
    seconds: float = 0.0

    def add(self, result: SeedResult) -> None:
        """Take one seed in."""
        self.seeds += 1
        self.node_hours += 4 * result.simulated_s / 3600.0
        self.injected += result.injected
        if result.violations:
            self.failing.append(result)

    def document(self) -> dict[str, Any]:
        """For --json."""
        broken = Counter(v.promise for result in self.failing for v in result.violations)
        return {
            "simulated": True,
            "seeds": self.seeds,
            "violations": sum(broken.values()),
            "by_promise": {f"{n} {words}": broken[n] for n, words in PROMISES.items()},
            "failing_seeds": sorted(result.seed for result in self.failing),
            "seeds_per_s": round(self.seeds / max(self.seconds, 1e-9), 3),
            "simulated_node_hours": round(self.node_hours, 2),
            "node_hours_per_s": round(self.node_hours / max(self.seconds, 1e-9), 3),
            "faults_injected": {kind: self.injected[kind] for kind in FAULTS},
            "seconds": round(self.seconds, 1),
        }


def run_seed(seed: int) -> SeedResult:
    """One seed, to its end or its first violation."""
    world = World(draw(seed))
    found = tuple(world.run())
    return SeedResult(seed, found, world.breakage.injected, world.now_s)


def run_seeds(
    first: int, count: int, jobs: int, tell: Callable[[int], None] = lambda _: None
) -> Campaign:
    """Seeds from `first` on; with several jobs in processes of their own."""
    campaign, began_s = Campaign(), time.monotonic()
    seeds = range(first, first + count)
    results = map(run_seed, seeds) if jobs == 1 else _spread(seeds, jobs)
    for result in results:
        campaign.add(result)
        tell(campaign.seeds)
    campaign.seconds = time.monotonic() - began_s
    return campaign


def replay(seed: int) -> World:
    """The world of a seed, run with its trace kept."""
    world = World(draw(seed), tracing=True)
    world.run()
    return world


def shortest(seed: int) -> tuple[Scenario, World]:
    """A short scenario that breaks the same promise as a seed, and its run."""
    broken = {violation.promise for violation in run_seed(seed).violations}

    def fails(scenario: Scenario) -> bool:
        return any(v.promise in broken for v in World(scenario).run())

    scenario = shrink(draw(seed), fails)
    world = World(scenario, tracing=True)
    world.run()
    return scenario, world


def _spread(seeds: Iterable[int], jobs: int) -> Iterator[SeedResult]:
    waiting = iter(seeds)
    with ProcessPoolExecutor(jobs, mp_context=get_context("spawn")) as pool:
        running: set[Future[list[SeedResult]]] = set()
        while True:
            while len(running) < 2 * jobs and (chunk := list(islice(waiting, CHUNK))):
                running.add(pool.submit(_run_chunk, chunk))
            if not running:
                return
            done, running = wait(running, return_when=FIRST_COMPLETED)
            for future in done:
                yield from future.result()


def _run_chunk(seeds: list[int]) -> list[SeedResult]:
    return [run_seed(seed) for seed in seeds]
