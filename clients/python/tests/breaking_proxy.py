"""A proxy before the gateway that breaks what passes through it, as networks and overloaded gateways do."""

from __future__ import annotations

import http.client
import json
import os
import socket
import threading
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import urlsplit


class BreakingProxy:
    """Each of its orders holds for so many of the next requests; `lost` counts those that it was carried out on."""

    def __init__(self) -> None:
        target = urlsplit(os.environ["GATEWAY_URL"])
        self.target = (target.hostname, target.port)
        self.lost = 0
        self.asked_for_ranges = 0
        self._orders: list[Callable[[_Passing], None]] = []
        self._closing = threading.Event()
        proxy = self

        class Handler(_Passing):
            owner = proxy

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}"
        self._thread = threading.Thread(target=self._server.serve_forever, daemon=True)

    def __enter__(self) -> BreakingProxy:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._closing.set()
        self._server.shutdown()
        self._server.server_close()

    def lose_answers(self, count: int) -> None:
        """The gateway gets the request, and nobody its answer."""

        def lose(passing: _Passing) -> None:
            passing.ask()
            passing.hang_up()

        self._orders += [lose] * count

    def cut_answers(self, count: int, *, after_bytes: int) -> None:
        def cut(passing: _Passing) -> None:
            status, headers, body = passing.ask()
            passing.answer(status, headers, body[:after_bytes], length=len(body))
            passing.hang_up()

        self._orders += [cut] * count

    def turn_away(self, count: int, *, retry_after: str) -> None:
        failure = {"msg": "Too many requests", "reason": "The gateway is overloaded", "code": "RATE_LIMITED"}
        body = json.dumps(failure).encode()
        self._orders += [lambda passing: passing.answer(503, {"retry-after": retry_after}, body)] * count

    def withhold_answers(self, count: int) -> None:
        self._orders += [lambda passing: passing.owner._closing.wait()] * count  # type: ignore[list-item,return-value]

    def redirect(self, location: str) -> None:
        self._orders.append(lambda passing: passing.answer(302, {"location": location}, b""))

    def order(self) -> Callable[[_Passing], None] | None:
        if not self._orders:
            return None
        self.lost += 1
        return self._orders.pop(0)


class _Passing(BaseHTTPRequestHandler):
    """One connection."""

    owner: BreakingProxy
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        self._pass()

    def do_POST(self) -> None:
        self._pass()

    def _pass(self) -> None:
        length = int(self.headers.get("content-length", 0))
        self.body = self.rfile.read(length)
        if "range" in self.headers:
            self.owner.asked_for_ranges += 1
        order = self.owner.order()
        if order is not None:
            order(self)
            return
        self.answer(*self.ask())

    def ask(self) -> tuple[int, dict[str, str], bytes]:
        connection = http.client.HTTPConnection(*self.owner.target)
        headers = {name: value for name, value in self.headers.items() if name.lower() != "host"}
        connection.request(self.command, self.path, self.body or None, headers)
        response = connection.getresponse()
        body = response.read()
        connection.close()
        kept = {name: value for name, value in response.getheaders() if name.lower() in PASSED}
        return response.status, kept, body

    def answer(self, status: int, headers: dict[str, str], body: bytes, length: int | None = None) -> None:
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.send_header("content-length", str(len(body) if length is None else length))
        self.end_headers()
        self.wfile.write(body)
        self.wfile.flush()

    def hang_up(self) -> None:
        self.close_connection = True
        self.connection.shutdown(socket.SHUT_RDWR)

    def log_message(self, *_: object) -> None:
        pass


PASSED = frozenset({"content-type", "etag", "content-range", "retry-after", "location"})
