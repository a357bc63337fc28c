"""The facility now, fetched once a second for each signed-in user however many tabs look."""

import asyncio
import time
from collections.abc import Callable
from dataclasses import dataclass, field

from dashboards.web.client import Api, ApiError
from dashboards.web.records import Snapshot

FRESH_S = 0.8
FORGET_AFTER_S = 60.0


@dataclass
class _Shared:
    asked_at: float
    fetched_at: float = float("-inf")
    snapshot: Snapshot | None = None
    error: ApiError | None = None
    lock: asyncio.Lock = field(default_factory=asyncio.Lock)


class Live:
    """One upstream request at a time for a token; everybody else takes its answer.

    A refusal is shared too, so that a service in trouble is not asked once for every tab.
    """

    def __init__(self, api: Api, clock: Callable[[], float] = time.monotonic) -> None:
        self._api = api
        self._clock = clock
        self._by_token: dict[str, _Shared] = {}

    async def snapshot(self, token: str) -> Snapshot:
        """The facility, at most FRESH_S seconds old. Raises ApiError."""
        shared = self._shared(token)
        async with shared.lock:
            if self._clock() - shared.fetched_at >= FRESH_S:
                await self._fetch(token, shared)
        if shared.error is not None:
            raise shared.error
        if shared.snapshot is None:
            raise ApiError("The service has not reported the facility yet.")
        return shared.snapshot

    def forget(self, token: str) -> None:
        """Drop what a token that was signed out has seen."""
        self._by_token.pop(token, None)

    async def _fetch(self, token: str, shared: _Shared) -> None:
        try:
            shared.snapshot = await self._api.with_token(token).facility()
            shared.error = None
        except ApiError as error:
            shared.error = error
        shared.fetched_at = self._clock()

    def _shared(self, token: str) -> _Shared:
        now = self._clock()
        for old in [t for t, s in self._by_token.items() if now - s.asked_at > FORGET_AFTER_S]:
            del self._by_token[old]
        shared = self._by_token.setdefault(token, _Shared(asked_at=now))
        shared.asked_at = now
        return shared
