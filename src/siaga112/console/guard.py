"""Checks for every request and response, whatever the route: host, size, headers."""

from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any, Final

from starlette.datastructures import Headers, MutableHeaders

from siaga112.core.text import whole

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
App = Callable[[Scope, Receive, Send], Awaitable[None]]

LARGEST_BODY: Final = 64_000
"""Bytes: more than any of our forms or API bodies needs."""

POLICY: Final = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; "
    "form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)
_HEADERS: Final = {
    "Content-Security-Policy": POLICY,
    "X-Frame-Options": "DENY",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=()",
}


class TooLargeError(Exception):
    """The request body exceeds `LARGEST_BODY`."""


class Guard:
    """Wraps the whole application. `hosts`: the accepted Host names; empty accepts any."""

    def __init__(self, app: App, hosts: frozenset[str], *, secure: bool) -> None:
        self._app = app
        self._hosts: Final = hosts
        self._secure: Final = secure

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on, or reject it."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        headers = Headers(scope=scope)
        if self._hosts and name_of(headers.get("host", "")) not in self._hosts:
            await _refuse(send, 421, "this console is not asked by that name ([console] address)")
            return
        length = whole(headers.get("content-length", "0"))
        if length is None or length > LARGEST_BODY:
            await _refuse(send, 413, "too large")
            return
        read = 0

        async def bounded() -> Message:
            nonlocal read
            message = await receive()
            read += len(message.get("body", b""))
            if read > LARGEST_BODY:
                raise TooLargeError
            return message

        async def with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                own = MutableHeaders(scope=message)
                for name, value in _HEADERS.items():
                    own.setdefault(name, value)
                own.setdefault("Cache-Control", "no-store")
                if self._secure:
                    own.setdefault("Strict-Transport-Security", "max-age=31536000")
            await send(message)

        await self._app(scope, bounded, with_headers)


def name_of(host: str) -> str:
    """Return a host, as in a URL, without its port and in small letters, as browsers send it."""
    return (host.rpartition(":")[0] if not host.endswith("]") and ":" in host else host).lower()


async def _refuse(send: Send, status: int, why: str) -> None:
    body = why.encode()
    headers = [(b"content-type", b"text/plain; charset=utf-8"), (b"content-length", b"%d" % len(body))]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})
