"""The dashboard's client: problem documents, expired tokens, and one request for many tabs."""

import asyncio
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import httpx
import pytest

from dashboards.web.client import Api, ApiError, SignedOutError
from dashboards.web.live import Live
from dashboards.web.session import CODE_LIFETIME_S, Handover, Session

Answer = Callable[[httpx.Request], httpx.Response]


class Upstream:
    """An API that counts what it is asked."""

    def __init__(self, answer: Answer | None = None) -> None:
        self.seen: list[httpx.Request] = []
        self.answer = answer or (lambda _: httpx.Response(200, json={"site": "demo"}))
        self.api = Api("http://api", transport=httpx.MockTransport(self._handle))

    async def _handle(self, request: httpx.Request) -> httpx.Response:
        self.seen.append(request)
        await asyncio.sleep(0)
        return self.answer(request)


class Clock:
    """Moves only when it is told to."""

    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


def refused(status: int, body: object) -> Answer:
    return lambda _: httpx.Response(status, json=body)


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (refused(422, {"title": "Invalid", "detail": "no limit rack-9"}), "no limit rack-9"),
        (refused(409, {"title": "Conflict"}), "Conflict"),
        (lambda _: httpx.Response(502, text="<html>"), "The service answered 502 Bad Gateway."),
        (lambda _: httpx.Response(200, text="oops"), "not JSON"),
    ],
)
def test_a_refusal_carries_the_problems_own_words(answer: Answer, words: str) -> None:
    upstream = Upstream(answer)
    with pytest.raises(ApiError, match=words.replace("(", r"\(")):
        asyncio.run(upstream.api.with_token("t").facility())


def test_a_service_that_is_away_is_an_error_in_words() -> None:
    def away(_: httpx.Request) -> httpx.Response:
        raise httpx.ConnectError("refused")

    with pytest.raises(ApiError, match="cannot be reached"):
        asyncio.run(Upstream(away).api.with_token("t").facility())


def test_an_ended_token_is_told_from_a_missing_right() -> None:
    with pytest.raises(SignedOutError):
        asyncio.run(Upstream(refused(401, {})).api.with_token("t").facility())
    with pytest.raises(ApiError) as caught:
        asyncio.run(Upstream(refused(403, {"detail": "no"})).api.with_token("t").facility())
    assert not isinstance(caught.value, SignedOutError)


def test_the_token_travels_in_the_header_and_ids_cannot_leave_their_place() -> None:
    upstream = Upstream(lambda _: httpx.Response(204))
    asyncio.run(upstream.api.with_token("secret").cancel_event("utility", "a/../../b?c"))
    request = upstream.seen[0]
    assert request.headers["authorization"] == "Bearer secret"
    assert request.url.raw_path == b"/api/v1/events/utility/a%2F..%2F..%2Fb%3Fc"


def test_many_tabs_share_one_request() -> None:
    upstream, clock = Upstream(), Clock()
    live = Live(upstream.api, clock)

    async def look() -> None:
        await asyncio.gather(*(live.snapshot("t") for _ in range(20)))
        clock.now += 1.0
        await asyncio.gather(*(live.snapshot("t") for _ in range(20)))

    asyncio.run(look())
    assert len(upstream.seen) == 2


def test_every_token_is_checked_on_its_own() -> None:
    def answer(request: httpx.Request) -> httpx.Response:
        good = request.headers["authorization"] == "Bearer good"
        return httpx.Response(200 if good else 401, json={"site": "demo"})

    live = Live(Upstream(answer).api, Clock())

    async def look() -> None:
        await live.snapshot("good")
        with pytest.raises(SignedOutError):
            await live.snapshot("revoked")

    asyncio.run(look())


def test_a_refusal_is_shared_and_ends_when_the_service_is_back() -> None:
    upstream, clock = Upstream(refused(503, {"detail": "starting"})), Clock()
    live = Live(upstream.api, clock)

    async def look() -> None:
        for _ in range(3):
            with pytest.raises(ApiError, match="starting"):
                await live.snapshot("t")
        assert len(upstream.seen) == 1
        clock.now += 1.0
        upstream.answer = refused(200, {"site": "demo"})
        assert (await live.snapshot("t"))["site"] == "demo"

    asyncio.run(look())


def test_a_handover_code_works_once_and_not_for_long() -> None:
    clock = Clock()
    handover = Handover(clock)
    session = Session("t", "ada", "operator", datetime(2026, 7, 1, tzinfo=UTC) + timedelta(hours=8))
    code = handover.give(session)
    assert handover.take(code) == session
    assert handover.take(code) is None
    late = handover.give(session)
    clock.now += CODE_LIFETIME_S
    assert handover.take(late) is None
