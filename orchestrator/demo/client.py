"""The demo's view of the service: the HTTP API, as any operator's program would use it."""

import time
from collections.abc import Callable
from typing import Any

import httpx

from orchestrator.domain.errors import Unavailable

CALL_S = 5.0
PROBE_S = 1.0


def nothing() -> None:
    """Check nothing while something is waited for."""


class ServiceClient:
    """Signs in once; every call is bounded. Raises Unavailable when the service is away."""

    def __init__(self, url: str) -> None:
        self.url = url
        self._http = httpx.Client(base_url=url, timeout=CALL_S)

    def close(self) -> None:
        """Close the connections."""
        self._http.close()

    def wait_ready(self, timeout_s: float, check: Callable[[], None] = nothing) -> None:
        """Return when the service answers. Raises Unavailable, and what check raises."""
        deadline = time.monotonic() + timeout_s
        while time.monotonic() < deadline:
            check()
            try:
                if self._http.get("/health/live", timeout=PROBE_S).is_success:
                    return
            except httpx.HTTPError:
                pass
            time.sleep(0.1)
        raise Unavailable(f"the service did not answer at {self.url} within {timeout_s:.0f} s")

    def sign_in(self, user: str, password: str) -> None:
        """Keep the session's token for all later calls."""
        answer = self._call("POST", "/api/v1/session", {"user": user, "password": password})
        self._http.headers["Authorization"] = f"Bearer {answer['token']}"

    def arm(self, limit_id: str) -> None:
        """Arm every node under a limit."""
        self._call("PUT", f"/api/v1/limits/{limit_id}/arming", {"armed": True})

    def limit(self, budget: str, limit_id: str, limit_w: float) -> None:
        """Put an operator's budget on a limit, all day."""
        body = {"limit_id": limit_id, "limit_w": limit_w}
        self._call("PUT", f"/api/v1/budgets/{budget}", body)

    def facility(self) -> dict[str, Any]:
        """The snapshot of now."""
        return self._call("GET", "/api/v1/facility")

    def _call(self, method: str, path: str, body: dict[str, Any] | None = None) -> dict[str, Any]:
        try:
            answer = self._http.request(method, path, json=body)
        except httpx.HTTPError as error:
            raise Unavailable(f"the service does not answer: {error}") from error
        if not answer.is_success:
            raise Unavailable(f"{method} {path} answered {answer.status_code}: {answer.text[:300]}")
        return dict(answer.json()) if answer.content else {}
