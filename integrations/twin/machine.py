"""Cards and replicas of one node in virtual time: what sites and single nodes are built from."""

import numpy as np

from integrations.twin.coefficients import Coefficients
from integrations.twin.core import advance, retune
from integrations.twin.deployment import Deployment
from integrations.twin.state import FINISHED, HEAD, TAIL, Ints, Records, State, new_state
from orchestrator.domain.errors import InvalidInput


class Machine:
    """A node's hardware and engine, true to the joule and the token.

    requests: (N,) records in order of arrival, read as time comes to them. longest: the most output
    tokens of one; first_tokens: how many times to a first token are remembered.
    """

    def __init__(
        self,
        deployment: Deployment,
        requests: Records,
        *,
        longest: int,
        first_tokens: int,
        seed: int,
        coefficients: Coefficients | None = None,
        name: str = "node",
    ) -> None:
        self.deployment = deployment
        # One type of number, so that the simulator is compiled once.
        self.coefficients = Coefficients(*map(float, coefficients or deployment.coefficients))
        self.name = name
        self.batch_limit = deployment.max_batch
        self.time_s = 0.0
        self.state: State = new_state(
            requests,
            replicas=deployment.replicas,
            cards=deployment.gpus,
            room=deployment.entry.max_batch,
            longest=longest,
            first_tokens=max(first_tokens, 1),
            cap_w=deployment.card.default_w,
            idle_w=self.coefficients.idle_w,
            seed=seed,
        )

    def set_cap_w(self, cap_w: float, card: int | None = None) -> None:
        """Limit all cards, or one; InvalidInput outside the card's range, and nothing changes."""
        self.deployment.card.check_cap_w(cap_w, self.name)
        if card is not None and not 0 <= card < self.deployment.gpus:
            raise InvalidInput(f"{self.name} has cards 0-{self.deployment.gpus - 1}, not {card}")
        self.state.cards["cap_w"][slice(None) if card is None else card] = cap_w
        self._retune()

    def set_clock_mhz(self, clock_mhz: float | None, card: int | None = None) -> None:
        """Lock the highest SM clock, or free it; InvalidInput outside the card's range."""
        if clock_mhz is not None:
            self.deployment.card.check_clock_mhz(clock_mhz, self.name)
        most = 1.0 if clock_mhz is None else clock_mhz / self.deployment.card.max_mhz
        self.state.cards["most"][slice(None) if card is None else card] = most
        self._retune()

    def _retune(self) -> None:
        retune(self.state.replicas, self.state.cards, self.coefficients, self.time_s)

    def set_batch_limit(self, limit: int) -> None:
        """How many requests run at once on the node; a lower limit drains, it never preempts."""
        self.deployment.check_batch(limit, self.name)
        self.batch_limit = limit
        each, over = divmod(limit, self.deployment.replicas)
        self.state.replicas["limit"] = each + (np.arange(self.deployment.replicas) < over)

    def advance(self, until_s: float) -> None:
        """Let the node run until a moment; one that has passed changes nothing."""
        if until_s > self.time_s:
            self.time_s = float(until_s)
            advance(self.state, self.coefficients, self.deployment.card.sampled, self.time_s)

    def halt(self) -> Ints:
        """Lose every request that waits or runs; how many tokens each was still owed, (n,)."""
        state = self.state
        owed = np.concatenate([self._owed(index) for index in range(self.deployment.replicas)])
        waiting = state.requests["output"][state.counts[HEAD] : state.counts[TAIL]]
        state.counts[HEAD] = state.counts[TAIL]
        state.finish[:] = 0
        for name in ("decoding", "queue_count", "queue_tokens", "busy"):
            state.replicas[name] = 0
        state.cards["target_w"] = self.coefficients.idle_w
        return np.concatenate([owed, waiting])

    def _owed(self, replica: int) -> Ints:
        """Tokens that the requests running on one replica still lack, (n,)."""
        row, ring = self.state.replicas[replica], self.state.queue[replica]
        left = (np.arange(self.state.finish.shape[1]) - row["number"]) % self.state.finish.shape[1]
        decoding = np.repeat(left + 1, self.state.finish[replica])
        places = (row["queue_head"] + np.arange(row["queue_count"])) % ring.size
        return np.concatenate([decoding, ring["output"][places]])

    @property
    def running(self) -> int:
        """Requests that prefill or decode now."""
        replicas = self.state.replicas
        return int(replicas["decoding"].sum() + replicas["queue_count"].sum())

    @property
    def finished(self) -> int:
        """Requests served to their last token."""
        return int(self.state.counts[FINISHED])

    @property
    def tokens(self) -> float:
        """Output tokens since the start."""
        return float(self.state.replicas["tokens"].sum())

    @property
    def gpu_power_w(self) -> float:
        """True power of all cards at this instant."""
        return float(self.state.cards["power_w"].sum())

    @property
    def gpu_energy_j(self) -> float:
        """True energy of all cards since the start."""
        return float(self.state.cards["energy_j"].sum())

    @property
    def wall_power_w(self) -> float:
        """True power of the whole server at this instant."""
        return self.coefficients.host_factor * self.gpu_power_w + self.coefficients.host_w

    @property
    def wall_energy_j(self) -> float:
        """True energy of the whole server since the start."""
        host_j = self.coefficients.host_w * self.time_s
        return self.coefficients.host_factor * self.gpu_energy_j + host_j
