"""The environment's settings of the network: proxies and certificates, checked before use.

The variables are those of other programs (curl, requests), in either case.
"""

from __future__ import annotations

import os
import re
import socket
import ssl
import sys
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path
from urllib.parse import urlsplit
from urllib.request import getproxies, proxy_bypass

from milonga.errors import DownloadError
from milonga.weights.settings import HUB

_SCHEMES = ("http", "https", "socks5", "socks5h")
_SYSTEM = "the system's network settings"


def endpoint() -> str:
    """Return the hub's address: ``HF_ENDPOINT``, for a mirror, or the public hub.

    Raises:
        DownloadError: the variable holds no web address.
    """
    address = os.environ.get("HF_ENDPOINT", "").strip() or HUB
    if reason := _address_fault(address, ("http", "https")):
        raise DownloadError(
            f"HF_ENDPOINT is {_shown(address)!r}, which is no web address: {reason}.",
            step=f"Give the whole address, such as {HUB}, or unset the variable.",
        )
    return address.rstrip("/")


def faults() -> Iterator[DownloadError]:
    """Find the variables that would stop every connection, each with how to fix it."""
    try:
        endpoint()
    except DownloadError as error:
        yield error
    for variable, address in _proxies().values():
        if (reason := _address_fault(address, _SCHEMES)) is not None:
            step = f"Write it as http://HOST:PORT or socks5://HOST:PORT, or unset {variable}."
            if address.startswith(("socks://", "socks4")):
                step = f"Write socks5:// in its place, or unset {variable}."
            yield DownloadError(
                f"{variable} is {_shown(address)!r}, which is no proxy: {reason}.", step=step
            )
        elif address.startswith("socks") and not _installed("socksio"):
            yield DownloadError(
                f"{variable} is {_shown(address)!r}, and what speaks SOCKS is not installed.",
                step=f"Run: {sys.executable} -m pip install socksio",
            )
    yield from _certificate_faults()


def proxy_of(url: str) -> str | None:
    """Name the proxy that stands between this machine and an address: variable and address."""
    parts, proxies = urlsplit(url), _proxies()
    found = proxies.get(parts.scheme) or proxies.get("all")
    if found is None or proxy_bypass(parts.netloc):
        return None
    return f"{found[0]} ({_shown(found[1])})"


def dead_proxies() -> Iterator[str]:
    """Try to connect to each proxy; name those where nothing answers."""
    for variable, address in _proxies().values():
        if _address_fault(address, _SCHEMES) is None:
            parts = urlsplit(address)
            port = parts.port or {"http": 80, "https": 443}.get(parts.scheme, 1080)
            try:
                socket.create_connection((parts.hostname, port), timeout=3).close()
            except OSError:
                yield f"{variable} ({_shown(address)})"


def certificate_step() -> str:
    """How to make this machine know the certificate of a company's proxy."""
    for name in ("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE"):
        if (value := os.environ.get(name)) and not os.environ.get("SSL_CERT_FILE"):
            return f"Only SSL_CERT_FILE is read here, not {name}. Run: export SSL_CERT_FILE={value}"
    return (
        "Behind a company's proxy, set SSL_CERT_FILE to its certificate; otherwise check this "
        "machine's date and time."
    )


def _address_fault(address: str, schemes: tuple[str, ...]) -> str | None:
    """What is wrong with a web address; None if it can be used."""
    import httpx2

    try:
        url = httpx2.URL(address)
        port = url.port
    except (httpx2.InvalidURL, ValueError) as error:
        # The reason could show a part of a password.
        return (
            "it can't be read (in a password, write @ / : # as %40 %2F %3A %23)"
            if "@" in address
            else str(error).rstrip(".")
        )
    if url.scheme not in schemes:
        return f"it must begin with {' or '.join(f'{scheme}://' for scheme in schemes)}"
    if not url.host or re.search(r"[\s%]", url.host):
        return "it names no host"
    if port is not None and not 0 < port < 65536:
        return f"there is no port {port}"
    return None


def _certificate_faults() -> Iterator[DownloadError]:
    named = {name: os.environ.get(name) for name in ("SSL_CERT_FILE", "SSL_CERT_DIR")}
    # The second is read only without the first.
    variable, value = next(((name, path) for name, path in named.items() if path), ("", ""))
    if not value:
        return
    reason, path = None, Path(value)
    try:
        if variable == "SSL_CERT_FILE":
            ssl.create_default_context(cafile=value)
        elif not any(re.fullmatch(r"[0-9a-f]{8}\.\d+", file.name) for file in path.iterdir()):
            reason = "it holds no certificate under the name that c_rehash gives it"
    except ssl.SSLError:
        reason = "it holds no certificate"
    except (OSError, ValueError) as error:
        reason = (getattr(error, "strerror", None) or str(error)).lower()
    if reason is not None:
        what = "file" if variable == "SSL_CERT_FILE" else "folder"
        yield DownloadError(
            f"{variable} is {value!r}, which can't be used: {reason}.",
            step=f"Name the {what} with the certificates (PEM), or unset {variable}.",
        )


def _installed(library: str) -> bool:
    try:
        import_module(library)
    except ImportError:
        return False
    return True


def _proxies() -> dict[str, tuple[str, str]]:
    """The proxies in use: by scheme, what named it and its address."""
    found = getproxies()
    if "*" in [host.strip() for host in found.get("no", "").split(",")]:
        return {}
    proxies = {}
    for scheme in ("http", "https", "all"):
        if value := found.get(scheme):
            named = [f"{scheme}_proxy", f"{scheme}_proxy".upper(), *os.environ]
            variable = next(
                (
                    name
                    for name in named
                    if name.lower() == named[0] and os.environ.get(name) == value
                ),
                _SYSTEM,
            )
            proxies[scheme] = variable, value if "://" in value else f"http://{value}"
    return proxies


def _shown(address: str) -> str:
    """An address without the password that it may hold."""
    return re.sub(r"//.*@", "//***@", address)
