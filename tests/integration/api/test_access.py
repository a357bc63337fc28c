"""Who may do what: roles, sessions, feeds, and patience with wrong passwords."""

from datetime import timedelta

import pytest

from orchestrator.domain.errors import DatabaseUnavailable
from orchestrator.store.accounts import Accounts, Token
from tests.api_bench import ApiBench, envelope
from tests.asgi_client import AsgiClient
from tests.recording_control import NOON

READS = (
    "/api/v1/facility",
    "/api/v1/facility/history",
    "/api/v1/nodes",
    "/api/v1/limits",
    "/api/v1/timeline",
    "/api/v1/signals",
    "/api/v1/events",
    "/api/v1/budgets",
    "/api/v1/policy",
    "/api/v1/decisions",
    "/api/v1/models",
    "/metrics",
)
OPERATIONS = (
    ("POST", "/api/v1/signals"),
    ("DELETE", "/api/v1/signals/a/b"),
    ("POST", "/api/v1/events"),
    ("DELETE", "/api/v1/events/a/b"),
    ("PUT", "/api/v1/budgets/night"),
    ("DELETE", "/api/v1/budgets/night"),
    ("PUT", "/api/v1/policy"),
    ("PUT", "/api/v1/limits/site/arming"),
    ("PUT", "/api/v1/nodes/node-1/lockout"),
    ("DELETE", "/api/v1/nodes/node-1/lockout"),
    ("POST", "/api/v1/nodes/node-1/release"),
)
ADMINISTRATION = (
    ("GET", "/api/v1/tokens"),
    ("POST", "/api/v1/tokens"),
    ("DELETE", "/api/v1/tokens/x"),
    ("POST", "/api/v1/models"),
)


def with_token(bench: ApiBench, token: str) -> AsgiClient:
    return AsgiClient(bench.app, {"Authorization": f"Bearer {token}"})


@pytest.mark.parametrize("path", READS)
def test_reading_needs_a_viewer(bench: ApiBench, path: str) -> None:
    assert bench.client("viewer").get(path).status_code == 200
    assert bench.client("feed:utility").get(path).status_code == 403
    refused = bench.client(None).get(path)
    assert refused.status_code == 401
    assert refused.headers["WWW-Authenticate"] == "Bearer"


@pytest.mark.parametrize(("method", "path"), OPERATIONS)
def test_operating_needs_an_operator(bench: ApiBench, method: str, path: str) -> None:
    assert bench.client("viewer").request(method, path).status_code == 403
    assert bench.client(None).request(method, path).status_code == 401
    assert bench.client("operator").request(method, path).status_code in (404, 422, 204)


@pytest.mark.parametrize(("method", "path"), ADMINISTRATION)
def test_administering_needs_an_admin(bench: ApiBench, method: str, path: str) -> None:
    assert bench.client("operator").request(method, path).status_code == 403
    assert bench.client("admin").request(method, path).status_code in (200, 404, 422)


@pytest.mark.parametrize(
    "header", ["", "Basic YTpi", "Bearer", "Bearer ", "Bearer nonsense", "Bearer \u00e9"]
)
def test_other_credentials_are_refused(bench: ApiBench, header: str) -> None:
    client = AsgiClient(bench.app, {})
    answer = client.get("/api/v1/facility", headers={"Authorization": header.encode("latin-1")})
    assert answer.status_code == 401


def test_a_feed_sends_signals_of_its_own_source_only(bench: ApiBench) -> None:
    feed = bench.client("feed:utility")
    assert feed.post("/api/v1/signals", json=envelope()).status_code == 201
    foreign = feed.post("/api/v1/signals", json=envelope(source="other", id="x"))
    assert foreign.status_code == 403
    assert "other" not in {key.source for key in bench.control.signals}


def test_a_session_is_opened_used_and_closed(bench: ApiBench) -> None:
    bench.accounts.put_user("ada", "correct horse", "operator", NOON)
    answer = bench.client(None).post(
        "/api/v1/session", json={"user": "ada", "password": "correct horse"}
    )
    assert answer.status_code == 201
    session = answer.json()
    assert session["role"] == "operator"
    assert session["expires_at"] == "2030-01-02T00:00:00Z"
    client = with_token(bench, session["token"])
    assert client.get("/api/v1/facility").status_code == 200
    assert client.delete("/api/v1/session").status_code == 204
    assert client.get("/api/v1/facility").status_code == 401


def test_a_session_ends_by_itself(bench: ApiBench) -> None:
    bench.accounts.put_user("ada", "correct horse", "viewer", NOON)
    session = bench.context.doorman.sign_in("ada", "correct horse")
    bench.clock.now = NOON + timedelta(hours=13)
    assert with_token(bench, session.token).get("/api/v1/facility").status_code == 401


def test_wrong_passwords_have_to_wait_and_longer_each_time(bench: ApiBench) -> None:
    bench.accounts.put_user("ada", "correct horse", "viewer", NOON)
    client = bench.client(None)

    def attempt(password: str, user: str = "ada") -> int:
        body = {"user": user, "password": password}
        return client.post("/api/v1/session", json=body).status_code

    assert [attempt("wrong") for _ in range(4)] == [401, 401, 401, 429]
    assert attempt("correct horse") == 429
    assert attempt("wrong", user="eve") == 401
    bench.clock.now += timedelta(seconds=1.1)
    assert attempt("wrong") == 401
    bench.clock.now += timedelta(seconds=1.1)
    assert attempt("correct horse") == 429
    bench.clock.now += timedelta(seconds=1)
    assert attempt("correct horse") == 201


def test_tokens_are_made_listed_without_the_secret_and_revoked_at_once(bench: ApiBench) -> None:
    admin = bench.client("admin")
    made = admin.post("/api/v1/tokens", json={"name": "scada", "role": "feed:utility"})
    assert made.status_code == 201
    secret = made.json()["token"]
    feed = with_token(bench, secret)
    assert feed.post("/api/v1/signals", json=envelope()).status_code == 201
    listed = admin.get("/api/v1/tokens")
    assert "scada" in {token["name"] for token in listed.json()}
    assert secret not in listed.text
    assert admin.post("/api/v1/tokens", json={"name": "scada", "role": "viewer"}).status_code == 409
    assert admin.post("/api/v1/tokens", json={"name": "x", "role": "root"}).status_code == 422
    assert admin.delete("/api/v1/tokens/scada").status_code == 204
    assert feed.post("/api/v1/signals", json=envelope()).status_code == 401
    assert [line.action for line in bench.audit.list()] == ["token.revoked", "token.created"]


class AwayAccounts(Accounts):
    away = False

    def token(self, secret: str) -> Token | None:
        if self.away:
            raise DatabaseUnavailable("away, on purpose")
        return super().token(secret)


def test_a_known_feed_can_tighten_while_the_database_is_away(bench: ApiBench) -> None:
    accounts = AwayAccounts(bench.engine)
    bench.context.doorman._accounts = accounts
    feed = bench.client("feed:utility")
    assert feed.post("/api/v1/signals", json=envelope(id="a")).status_code == 201
    accounts.away = bench.signals.away = True
    bench.clock.now += timedelta(minutes=1)
    assert feed.post("/api/v1/signals", json=envelope(id="b")).status_code == 202
    assert bench.client("operator").get("/api/v1/facility").status_code == 503
