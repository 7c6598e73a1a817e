"""HTTP to the gateway: who asks, time-outs, what is tried again, and failures as exceptions."""

from __future__ import annotations

import json
import random
import time
from collections.abc import Callable, Mapping
from typing import IO, Any
from urllib.parse import urlencode, urlsplit

import urllib3
from urllib3.exceptions import ConnectTimeoutError, HTTPError, NewConnectionError, ReadTimeoutError, SSLError

from .errors import GatewayError, RateLimited, error_of

CONNECT_SECONDS = 10.0
LONGEST_PAUSE_SECONDS = 30.0
# Of a chunk that breaks off nothing is had.
CHUNK_BYTES = 1 << 16
# Answers of a gateway, or of something in front of it, that may be another one a moment later.
PASSING = frozenset({429, 502, 503, 504})

Body = bytes | Callable[[], IO[bytes]] | None


class Transport:
    """Requests to one gateway. Its connections are kept, and may be used by several threads."""

    def __init__(
        self, url: str, *, token: str | None, timeout: float, retries: int, ca_certs: str | None, agent: str
    ):
        parts = urlsplit(url)
        if parts.scheme not in ("http", "https") or not parts.netloc:
            raise error_of(
                "BAD_USER_INPUT", f"the gateway's url is {url!r}; expected one like http://127.0.0.1:4000"
            )
        self.url = url.rstrip("/")
        self.timeout = timeout
        self._retries = retries
        self._headers = {"user-agent": agent, **({"authorization": f"Bearer {token}"} if token else {})}
        self._pool = urllib3.PoolManager(maxsize=8, ca_certs=ca_certs)

    def close(self) -> None:
        self._pool.clear()

    def graphql(
        self, document: str, variables: Mapping[str, Any] | None = None, *, again: bool, wait: float = 0
    ) -> dict[str, Any]:
        """The data of an operation. `again`: it may be sent twice; `wait`: so long the gateway may wait itself."""
        body = json.dumps({"query": document, "variables": variables or {}}).encode()
        answer = self.call("POST", "/graphql", body, again=again, wait=wait)
        if errors := answer.get("errors"):
            raise _graphql_error(errors[0], status=None)
        data: dict[str, Any] = answer["data"]
        return data

    def call(
        self,
        method: str,
        path: str,
        body: Body = None,
        *,
        again: bool,
        content_type: str = "application/json",
        headers: Mapping[str, str] | None = None,
        query: Mapping[str, str] | None = None,
        wait: float = 0,
    ) -> dict[str, Any]:
        """The JSON that a route answers."""
        response = self._send(
            method,
            path + (f"?{urlencode(query)}" if query else ""),
            body,
            headers={"content-type": content_type, "accept": "application/json", **(headers or {})},
            again=again,
            timeout=self.timeout + wait,
        )
        answer = _parse(response)
        if not isinstance(answer, dict):
            raise error_of("INTERNAL", f"{method} {path} was answered with something else than a JSON object")
        return answer

    def download(self, path: str, file: IO[bytes]) -> None:
        """A file, whole; where the connection breaks it goes on from there."""
        etag, attempt = None, 0
        while True:
            at = file.tell()
            ranged: dict[str, str] = {"range": f"bytes={at}-", "if-range": etag} if at and etag else {}
            response = self._send("GET", path, headers=ranged, again=True, streamed=True)
            if at and response.status != 206:
                file.seek(0)
                file.truncate()
            etag = response.headers.get("etag")
            try:
                for chunk in response.stream(CHUNK_BYTES):
                    file.write(chunk)
                return
            except HTTPError as error:
                attempt += 1
                if attempt > self._retries:
                    raise self._broken(error) from error
                self._pause(attempt)
            finally:
                response.release_conn()

    def _send(
        self,
        method: str,
        path: str,
        body: Body = None,
        *,
        headers: Mapping[str, str],
        again: bool,
        timeout: float | None = None,
        streamed: bool = False,
    ) -> urllib3.BaseHTTPResponse:
        """The answer, if it is good. What certainly was not carried out is sent again, and with `again` the rest."""
        attempt = 0
        while True:
            pause: float | None = None
            try:
                response = self._pool.request(
                    method,
                    self.url + path,
                    body=body() if callable(body) else body,
                    headers={**self._headers, **headers},
                    timeout=urllib3.Timeout(connect=CONNECT_SECONDS, read=timeout or self.timeout),
                    retries=False,
                    redirect=False,
                    preload_content=not streamed,
                )
                if response.status < 300:
                    return response
                failure = _failure(response)
                may_again = _may_pass(failure) and (again or isinstance(failure, RateLimited))
                pause = _retry_after(response)
            except HTTPError as error:
                failure = self._broken(error)
                failure.__cause__ = error
                unsent = isinstance(error, (NewConnectionError, ConnectTimeoutError))
                may_again = unsent or (again and not isinstance(error, SSLError))
            attempt += 1
            if not may_again or attempt > self._retries:
                raise failure
            self._pause(attempt, pause)

    def _broken(self, error: HTTPError) -> GatewayError:
        if isinstance(error, ReadTimeoutError):
            hint = "give Gateway a longer timeout, or ask for less"
            return error_of("TIMEOUT", f"{self.url} did not answer in time", hint=hint)
        return error_of("UNREACHABLE", f"{self.url} cannot be reached: {error}")

    @staticmethod
    def _pause(attempt: int, seconds: float | None = None) -> None:
        """As long as the gateway says, else twice as long each time, and never all clients at once."""
        usual = 0.1 * 2**attempt * random.uniform(0.5, 1.5)
        time.sleep(min(usual if seconds is None else seconds, LONGEST_PAUSE_SECONDS))


def _parse(response: urllib3.BaseHTTPResponse) -> Any:
    try:
        return json.loads(response.data)
    except ValueError:
        return None


def _failure(response: urllib3.BaseHTTPResponse) -> GatewayError:
    """REST says {msg, reason, code}, GraphQL {errors}; a proxy in between whatever it likes."""
    answer, status = _parse(response), response.status
    if isinstance(answer, dict) and answer.get("errors"):
        return _graphql_error(answer["errors"][0], status)
    if isinstance(answer, dict) and isinstance(answer.get("code"), str):
        return error_of(answer["code"], answer.get("reason") or answer.get("msg") or "", status=status)
    if 300 <= status < 400:
        message = f"the url leads to {response.headers.get('location')}, which is not followed"
        return GatewayError("REDIRECTED", message, hint="give Gateway that url", status=status)
    text = bytes(response.data[:200]).decode("utf-8", "replace")
    return GatewayError(f"HTTP_{status}", f"answered without the gateway's own words: {text}", status=status)


def _graphql_error(error: dict[str, Any], status: int | None) -> GatewayError:
    extensions = error.get("extensions") or {}
    code = extensions.get("code", "INTERNAL")
    return error_of(code, error.get("message", ""), details=extensions.get("details"), status=status)


def _may_pass(failure: GatewayError) -> bool:
    # A TIMEOUT is the work itself, which would take as long again.
    return failure.status in PASSING and failure.code != "TIMEOUT"


def _retry_after(response: urllib3.BaseHTTPResponse) -> float | None:
    try:
        return float(response.headers.get("retry-after", ""))
    except ValueError:
        return None
