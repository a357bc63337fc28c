"""A small stateful stand-in for the HTTP API, with the dashboard mounted: for page tests.

python -m tests.browser.fake_api --port 8099
"""

import argparse
from datetime import UTC, datetime, timedelta
from typing import Annotated, Any

import uvicorn
from fastapi import Body, Depends, FastAPI, Header, Request, Response
from fastapi.responses import JSONResponse

from dashboards.web.app import mount_dashboard
from tests.browser.fake_site import FakeSite

USERS = {"ada": ("correct horse", "operator"), "vera": ("looks only", "viewer")}
Json = dict[str, Any]


class Problem(Exception):
    def __init__(self, status: int, title: str, detail: str) -> None:
        super().__init__(detail)
        self.status, self.title, self.detail = status, title, detail


def now() -> datetime:
    return datetime.now(UTC)


class FakeApi:
    """The contract's routes over one fake site."""

    def __init__(self) -> None:
        self.site = FakeSite(now())
        self.roles_by_token: dict[str, str] = {}

    def add_to(self, app: FastAPI) -> None:
        signed_in = [Depends(self._viewer)]
        acting = [Depends(self._operator)]
        reads = {
            "/facility": self.site.snapshot,
            "/events": self.site.event_list,
            "/budgets": lambda _: list(self.site.budgets.values()),
            "/policy": lambda _: self.site.policy,
            "/decisions": lambda _: self.site.decision_list(),
            "/facility/history": self.site.history,
            "/timeline": self.site.timeline,
        }
        for path, read in reads.items():
            app.get(f"/api/v1{path}", dependencies=signed_in)(_reader(read))
        app.get("/api/v1/decisions/{decision_id}", dependencies=signed_in)(self.decision)
        app.post("/api/v1/decisions/{decision_id}/replay", dependencies=signed_in)(self.replay)
        app.post("/api/v1/session")(self.sign_in)
        app.delete("/api/v1/session", status_code=204)(self.sign_out)
        app.put("/api/v1/nodes/{node_id}/lockout", dependencies=acting)(self.lock_out)
        app.delete("/api/v1/nodes/{node_id}/lockout", dependencies=acting)(self.release)
        app.put("/api/v1/limits/{limit_id}/arming", dependencies=acting)(self.arm)
        app.post("/api/v1/events", dependencies=acting, status_code=201)(self.create_event)
        app.delete("/api/v1/events/{source}/{event_id}", dependencies=acting)(self.cancel_event)
        app.put("/api/v1/budgets/{budget_id}", dependencies=acting)(self.set_budget)
        app.delete("/api/v1/budgets/{budget_id}", dependencies=acting)(self.delete_budget)
        app.put("/api/v1/policy", dependencies=acting)(self.set_policy)
        app.get("/fake/requests")(lambda: {"facility": self.site.snapshots})
        app.exception_handler(Problem)(_problem)

    def _viewer(self, authorization: Annotated[str, Header()] = "") -> str:
        role = self.roles_by_token.get(authorization.removeprefix("Bearer "))
        if role is None:
            raise Problem(401, "Not signed in", "The token is missing or has ended.")
        return role

    def _operator(self, authorization: Annotated[str, Header()] = "") -> None:
        if self._viewer(authorization) != "operator":
            raise Problem(403, "Not allowed", "This needs the role operator.")

    def sign_in(self, user: Annotated[str, Body()], password: Annotated[str, Body()]) -> Json:
        known = USERS.get(user)
        if known is None or known[0] != password:
            raise Problem(401, "Not signed in", "The user or the password is wrong.")
        token = f"token-{user}-{len(self.roles_by_token)}"
        self.roles_by_token[token] = known[1]
        ends = now() + timedelta(hours=8)
        return {"token": token, "role": known[1], "expires_at": ends.isoformat()}

    def sign_out(self, authorization: Annotated[str, Header()] = "") -> None:
        self.roles_by_token.pop(authorization.removeprefix("Bearer "), None)

    def lock_out(self, node_id: str, reason: Annotated[str, Body(embed=True)]) -> Json:
        if not reason.strip():
            raise Problem(422, "Invalid input", "Give a reason for the lockout.")
        self.site.locked[node_id] = reason
        return {"node": node_id, "reason": reason}

    def release(self, node_id: str) -> Json:
        self.site.locked.pop(node_id, None)
        return {"node": node_id}

    def arm(self, limit_id: str, armed: Annotated[bool, Body(embed=True)]) -> Json:
        (self.site.armed.add if armed else self.site.armed.discard)(limit_id)
        return {"limit_id": limit_id, "armed": armed}

    def create_event(self, event: Annotated[Json, Body()]) -> Json:
        if event["kind"] == "reduction" and not 0 < event["value"] <= 1:
            raise Problem(422, "Invalid input", "a reduction is a fraction above 0 and at most 1")
        return self.site.add_event(event, now())

    def cancel_event(self, source: str, event_id: str) -> Json:
        return self.site.cancel_event(source, event_id, now())

    def set_budget(self, budget_id: str, budget: Annotated[Json, Body()]) -> Json:
        if budget["limit_w"] <= 0:
            detail = f"budget {budget_id}: limit_w must be above 0, got {budget['limit_w']}"
            raise Problem(422, "Invalid input", detail)
        self.site.budgets[budget_id] = {"id": budget_id, **budget}
        return self.site.budgets[budget_id]

    def delete_budget(self, budget_id: str) -> Json:
        self.site.budgets.pop(budget_id, None)
        return {"id": budget_id}

    def set_policy(self, policy: Annotated[Json, Body()]) -> Json:
        self.site.policy = policy
        return policy

    def decision(self, decision_id: str) -> Json:
        found = self.site.decisions.get(decision_id)
        if found is None:
            raise Problem(404, "Not found", f"no decision {decision_id}")
        return found

    def replay(self, decision_id: str) -> Json:
        self.decision(decision_id)
        return {"identical": True}


def _reader(read: Any) -> Any:
    def answer() -> Any:
        return read(now())

    return answer


def _problem(request: Request, error: Exception) -> Response:
    if not isinstance(error, Problem):
        raise error
    body = {
        "type": "about:blank",
        "title": error.title,
        "status": error.status,
        "detail": error.detail,
        "instance": request.url.path,
    }
    return JSONResponse(body, error.status, media_type="application/problem+json")


def create_app(port: int) -> FastAPI:
    app = FastAPI()
    FakeApi().add_to(app)
    mount_dashboard(app, api_url=f"http://127.0.0.1:{port}", storage_secret="for tests only")
    return app


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--port", type=int, required=True)
    port = parser.parse_args().port
    uvicorn.run(create_app(port), host="127.0.0.1", port=port, log_level="warning")


if __name__ == "__main__":
    main()
