"""A plain client of an ASGI application, without a server; answers arrive whole."""

import asyncio
from collections.abc import Mapping
from typing import Any

import httpx
from starlette.types import ASGIApp

WITHIN_S = 20.0


class AsgiClient:
    """One request at a time, each on an event loop of its own."""

    def __init__(self, app: ASGIApp, headers: Mapping[str, str]) -> None:
        self._app = app
        self._headers = dict(headers)

    def request(self, method: str, path: str, **options: Any) -> httpx.Response:
        return asyncio.run(asyncio.wait_for(self._request(method, path, **options), WITHIN_S))

    def get(self, path: str, **options: Any) -> httpx.Response:
        return self.request("GET", path, **options)

    def post(self, path: str, **options: Any) -> httpx.Response:
        return self.request("POST", path, **options)

    def put(self, path: str, **options: Any) -> httpx.Response:
        return self.request("PUT", path, **options)

    def delete(self, path: str, **options: Any) -> httpx.Response:
        return self.request("DELETE", path, **options)

    async def _request(self, method: str, path: str, **options: Any) -> httpx.Response:
        transport = httpx.ASGITransport(self._app, raise_app_exceptions=False)
        async with httpx.AsyncClient(
            transport=transport, base_url="http://ballast.test", headers=self._headers
        ) as client:
            return await client.request(method, path, **options)
