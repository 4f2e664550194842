"""Serving the page on this machine."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path

from milonga.errors import MilongaError
from milonga.web.guard import Door

PORT = 8765
_AHEAD_S = 0.5
"""After so long the generators' classes are imported, so that the first song opens at once."""


def bind(door: Door, port: int) -> socket.socket:
    """Take the address of the page.

    Args:
        door: with the address to bind to.
        port: 0 for any that is free.

    Raises:
        MilongaError: it isn't free, or isn't of this machine.
    """
    family = socket.AF_INET6 if ":" in door.host else socket.AF_INET
    taken = socket.socket(family, socket.SOCK_STREAM)
    taken.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        taken.bind((door.host, port))
    except OSError as error:
        taken.close()
        raise MilongaError(
            f"The address {door.host}:{port} can't be used: {error.strerror}.",
            step="Is another milonga web running? Choose another port: --port 0 takes a free one.",
        ) from error
    taken.listen(128)
    return taken


def serve(
    taken: socket.socket,
    door: Door,
    root: Path | None = None,
    others: Sequence[Path] = (),
    ready: Callable[[str], None] = lambda address: None,
) -> None:
    """Serve the page until it is interrupted.

    Args:
        taken: the address, from ``bind``.
        door: whom it answers.
        root: the folder of the songs.
        others: sheets and output folders elsewhere.
        ready: called with the page's address once it answers.

    Raises:
        MilongaError: one of ``others`` is neither a sheet nor a rendered song.
    """
    import uvicorn

    from milonga.web.app import make_app
    from milonga.web.pages import jobs
    from milonga.web.shelf import Shelf
    from milonga.workflows.edits import able_editors

    with taken:
        app = make_app(Shelf(root, others), door)
        config = uvicorn.Config(
            app, log_level="error", access_log=False, server_header=False, proxy_headers=False,
            ws="none", lifespan="off", timeout_graceful_shutdown=2,
        )  # fmt: skip
        server = uvicorn.Server(config)
        ready(address_of(taken, door))
        # What waited when the machine went down goes on; the page need not wait for that.
        threading.Thread(target=jobs.go_on, daemon=True).start()
        ahead = threading.Timer(_AHEAD_S, able_editors)
        ahead.daemon = True
        ahead.start()
        with suppress(KeyboardInterrupt):
            server.run(sockets=[taken])


def address_of(taken: socket.socket, door: Door) -> str:
    """Return what to type into a browser of this machine."""
    port = taken.getsockname()[1]
    host = door.host if door.local else "127.0.0.1"
    return f"http://[{host}]:{port}/" if ":" in host else f"http://{host}:{port}/"
