"""Who may talk to the page: this machine's browser, and nobody through it.

A page of the web can make a browser send requests to 127.0.0.1 (cross-site requests), also under
a name of its own that points there (DNS rebinding). So a request must name the address that
``milonga web`` printed (``Host``), and one that changes something must come from a page of ours
(``Origin``). What we send may load nothing from elsewhere (Content-Security-Policy). Where others
reach the page they need a password, and wait after wrong ones.
"""

from __future__ import annotations

import base64
import binascii
import ipaddress
import math
import secrets
import socket
from dataclasses import dataclass

from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from milonga.web.patience import Patience

POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data: blob:; "
    "media-src 'self' blob:; connect-src 'self'; form-action 'self'; base-uri 'none'; "
    "frame-ancestors 'none'"
)
SAFE_METHODS = ("GET", "HEAD")
OURS = "x-milonga"
"""A header that programs without an origin send; a page of another site can't."""
_LOCAL_NAMES = ("localhost", "127.0.0.1", "[::1]")


@dataclass(frozen=True, slots=True)
class Door:
    """Whom the page answers.

    Attributes:
        host: the address it is bound to.
        password: asked for; empty for none, which only an address of this machine may have.
    """

    host: str = "127.0.0.1"
    password: str = ""

    @property
    def local(self) -> bool:
        """Only programs of this machine reach it."""
        return is_local(self.host)

    def knows(self, name: str) -> bool:
        """Tell if a request may call the page by this name (the ``Host`` header)."""
        bare = name.rsplit(":", 1)[0] if not name.endswith("]") else name
        bare = bare.lower()
        if bare in _LOCAL_NAMES or bare == self.host.lower():
            return True
        if self.local:
            return False
        # A name that an attacker owns is never an address, nor this machine's own.
        own = socket.gethostname().lower()
        return _is_address(bare) or bare in (own, f"{own}.local")


def is_local(host: str) -> bool:
    """Tell if only programs of this machine reach an address."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host.lower() == "localhost"


def _is_address(name: str) -> bool:
    try:
        ipaddress.ip_address(name.strip("[]"))
    except ValueError:
        return False
    return True


class Guard:
    """ASGI middleware that refuses what doesn't come from our own page."""

    def __init__(self, app: ASGIApp, door: Door) -> None:
        self.app, self.door, self.patience = app, door, Patience()
        self._mark = f"milonga-in={secrets.token_hex(16)}".encode()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            if scope["type"] == "lifespan":
                await self.app(scope, receive, send)
            return
        headers = Headers(scope=scope)
        refusal = self._refusal(scope, headers)
        welcome = ""
        if self.door.password and refusal is None and not self._is_in(headers):
            welcome = f"{self._mark.decode()}; Path=/; HttpOnly; SameSite=Strict"
        send = _with_headers(send, welcome)
        if refusal is not None:
            await refusal(scope, receive, send)
        else:
            await self.app(scope, receive, send)

    def _refusal(self, scope: Scope, headers: Headers) -> PlainTextResponse | None:
        host = headers.get("host", "")
        if not self.door.knows(host):
            return PlainTextResponse(
                "This page answers only at the address that milonga web printed.", 421
            )
        origin = headers.get("origin")
        own = f"{scope.get('scheme', 'http')}://{host}"
        if origin is not None and origin != own:
            return PlainTextResponse("Another site can't use this page.", 403)
        site = headers.get("sec-fetch-site", "same-origin")
        link = headers.get("sec-fetch-mode") == "navigate" and (
            headers.get("sec-fetch-dest") == "document"
        )
        reads = scope["method"] in SAFE_METHODS
        if site in ("cross-site", "same-site") and not (reads and link):
            return PlainTextResponse("Another site can't use this page.", 403)
        if not reads and origin is None and OURS not in headers:
            return PlainTextResponse(
                f"A program that changes something sends the header {OURS}: 1.", 403
            )
        return self._asks_password(scope, headers) if self.door.password else None

    def _asks_password(self, scope: Scope, headers: Headers) -> PlainTextResponse | None:
        given = headers.get("authorization", "")
        address = str((scope.get("client") or ("",))[0])
        if given:
            # Whoever is in already doesn't wait for those who guess from his address.
            inside = self._is_in(headers)
            wait = 0.0 if inside else self.patience.wait_s(address)
            if wait > 0:
                return PlainTextResponse(
                    f"Too many wrong passwords. Try again in {math.ceil(wait)} s.",
                    429,
                    headers={"Retry-After": str(math.ceil(wait))},
                )
            if self._knows_password(given):
                if not inside:
                    self.patience.right(address)
                return None
            self.patience.wrong(address)
        return PlainTextResponse(
            "A password is needed.",
            401,
            headers={"WWW-Authenticate": 'Basic realm="milonga", charset="UTF-8"'},
        )

    def _is_in(self, headers: Headers) -> bool:
        cookies = headers.get("cookie", "").split(";")
        return any(secrets.compare_digest(one.strip().encode(), self._mark) for one in cookies)

    def _knows_password(self, header: str) -> bool:
        kind, _, value = header.partition(" ")
        if kind.lower() != "basic":
            return False
        try:
            _, _, given = base64.b64decode(value, validate=True).decode().partition(":")
        except (binascii.Error, ValueError):
            return False
        return secrets.compare_digest(given.encode(), self.door.password.encode())


def _with_headers(send: Send, cookie: str) -> Send:
    async def sending(message: Message) -> None:
        if message["type"] == "http.response.start":
            headers = MutableHeaders(scope=message)
            if cookie:
                headers.append("set-cookie", cookie)
            headers.setdefault("content-security-policy", POLICY)
            headers.setdefault("cache-control", "no-store")
            headers["x-content-type-options"] = "nosniff"
            headers["referrer-policy"] = "same-origin"
            headers["cross-origin-resource-policy"] = "same-origin"
            headers["cross-origin-opener-policy"] = "same-origin"
            headers["permissions-policy"] = "camera=(), microphone=(), geolocation=()"
        await send(message)

    return sending
