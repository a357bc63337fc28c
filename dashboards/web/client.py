"""The dashboard's client of the HTTP API: typed calls, problem documents as exceptions."""

from collections.abc import Mapping
from typing import Any, cast
from urllib.parse import quote

import httpx

from dashboards.web.records import (
    Budget,
    Decision,
    DecisionSummary,
    EventView,
    HistoryPoint,
    Policy,
    SignIn,
    Snapshot,
    TimelineInterval,
)
from orchestrator.domain.errors import BallastError

TIMEOUT_S = 5.0


class ApiError(BallastError):
    """The API refused or did not answer; the text is its own explanation, for people."""


class SignedOutError(ApiError):
    """The token is missing, expired or withdrawn."""


class Api:
    """One pool of connections to the API, shared by every page of the process."""

    def __init__(self, url: str, transport: httpx.AsyncBaseTransport | None = None) -> None:
        self._http = httpx.AsyncClient(
            base_url=url, timeout=TIMEOUT_S, trust_env=False, transport=transport
        )

    async def close(self) -> None:
        await self._http.aclose()

    async def sign_in(self, user: str, password: str) -> SignIn:
        """Exchange a password for a token. Raises SignedOutError when it is wrong."""
        body = {"user": user, "password": password}
        return cast("SignIn", await self.call("POST", "session", json=body))

    def with_token(self, token: str) -> "Client":
        return Client(self, token)

    async def call(
        self,
        method: str,
        path: str,
        *,
        token: str | None = None,
        json: Mapping[str, Any] | None = None,
        params: Mapping[str, int] | None = None,
    ) -> Any:
        """Send one request and return the decoded body, None if it is empty."""
        headers = {"Authorization": f"Bearer {token}"} if token else {}
        try:
            response = await self._http.request(
                method, f"/api/v1/{path}", json=json, params=params, headers=headers
            )
        except httpx.TimeoutException as error:
            raise ApiError(f"The service did not answer within {TIMEOUT_S:g} s.") from error
        except httpx.HTTPError as error:
            raise ApiError("The service cannot be reached.") from error
        return _body(response)


class Client:
    """The API with one user's token. Every call raises ApiError."""

    def __init__(self, api: Api, token: str) -> None:
        self._api = api
        self._token = token

    async def facility(self) -> Snapshot:
        return cast("Snapshot", await self._get("facility"))

    async def history(self, minutes: int) -> list[HistoryPoint]:
        return cast("list[HistoryPoint]", await self._get("facility/history", minutes=minutes))

    async def timeline(self, hours: int) -> list[TimelineInterval]:
        return cast("list[TimelineInterval]", await self._get("timeline", hours=hours))

    async def events(self) -> list[EventView]:
        return cast("list[EventView]", await self._get("events"))

    async def create_event(self, event: Mapping[str, Any]) -> EventView:
        return cast("EventView", await self._send("POST", "events", event))

    async def cancel_event(self, source: str, event_id: str) -> None:
        await self._send("DELETE", f"events/{_id(source)}/{_id(event_id)}")

    async def budgets(self) -> list[Budget]:
        return cast("list[Budget]", await self._get("budgets"))

    async def set_budget(self, budget_id: str, budget: Mapping[str, Any]) -> None:
        await self._send("PUT", f"budgets/{_id(budget_id)}", budget)

    async def delete_budget(self, budget_id: str) -> None:
        await self._send("DELETE", f"budgets/{_id(budget_id)}")

    async def policy(self) -> Policy:
        return cast("Policy", await self._get("policy"))

    async def set_policy(self, policy: Policy) -> None:
        await self._send("PUT", "policy", policy)

    async def decisions(self, limit: int = 50) -> list[DecisionSummary]:
        return cast("list[DecisionSummary]", await self._get("decisions", limit=limit))

    async def decision(self, decision_id: str) -> Decision:
        return cast("Decision", await self._get(f"decisions/{_id(decision_id)}"))

    async def replay(self, decision_id: str) -> bool:
        """Decide again from the stored inputs: whether the outcome is identical."""
        answer = await self._send("POST", f"decisions/{_id(decision_id)}/replay")
        return bool(answer["identical"])

    async def arm(self, limit_id: str, armed: bool) -> None:
        await self._send("PUT", f"limits/{_id(limit_id)}/arming", {"armed": armed})

    async def lock_out(self, node_id: str, reason: str) -> None:
        await self._send("PUT", f"nodes/{_id(node_id)}/lockout", {"reason": reason})

    async def release(self, node_id: str) -> None:
        await self._send("DELETE", f"nodes/{_id(node_id)}/lockout")

    async def sign_out(self) -> None:
        await self._send("DELETE", "session")

    async def _get(self, path: str, **params: int) -> Any:
        return await self._api.call("GET", path, token=self._token, params=params)

    async def _send(self, method: str, path: str, body: Mapping[str, Any] | None = None) -> Any:
        return await self._api.call(method, path, token=self._token, json=body)


def _id(text: str) -> str:
    return quote(text, safe="")


def _body(response: httpx.Response) -> Any:
    if response.status_code == httpx.codes.UNAUTHORIZED:
        raise SignedOutError(_explanation(response))
    if response.is_error:
        raise ApiError(_explanation(response))
    if not response.content:
        return None
    try:
        return response.json()
    except ValueError as error:
        raise ApiError("The service answered with something that is not JSON.") from error


def _explanation(response: httpx.Response) -> str:
    """The problem document's detail, else its title, else the status."""
    try:
        problem = response.json()
    except ValueError:
        problem = None
    if isinstance(problem, dict):
        found = problem.get("detail") or problem.get("title")
        if found:
            return str(found)
    return f"The service answered {response.status_code} {response.reason_phrase}."
