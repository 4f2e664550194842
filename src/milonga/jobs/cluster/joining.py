"""Ray started here, or a cluster joined: with a token, and nothing that listens to the world.

Source: docs.ray.io/en/latest/ray-security/token-auth.html; Ray 2.60, ``ray/_private/services.py``
(``get_node_ip_address``) for the loopback.
"""

from __future__ import annotations

import contextlib
import ipaddress
import os
import secrets
import shutil
import socket
import tempfile
import threading
import warnings
from collections.abc import Iterator
from dataclasses import dataclass, field
from importlib import import_module
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from milonga.errors import ClusterError, needs_extra
from milonga.runtime.devices import core_count
from milonga.runtime.logs import LOG, hide

CLIENT_PORT = 10001
_STORE = 300_000_000
"""Bytes of the object store of a cluster that is started here: room for takes on their way."""
_WAIT_S = 5.0
_LONGEST = 24
"""Letters of a folder in which Ray's sockets have room."""
NAMESPACE = "milonga"
_SLOW = "Starting Ray client server failed"
_QUIET = {
    "RAY_USAGE_STATS_ENABLED": "0",
    "GRPC_VERBOSITY": "ERROR",
    "RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO": "0",
    # How long a cluster keeps the actors of a process that was killed or cut off.
    "RAY_CLIENT_RECONNECT_GRACE_PERIOD": "10",
    # Milonga says itself when the head is gone; Ray would end the whole process before.
    "RAY_gcs_rpc_server_reconnect_timeout_s": "600",
}


@dataclass
class Cluster:
    """A cluster that this process is connected to.

    Attributes:
        ray: the library.
        head: host and port of its head.
        folder: of a cluster that was started here; None for one that was joined.
    """

    ray: Any
    head: tuple[str, int]
    folder: Path | None = None
    before: dict[str, str | None] = field(default_factory=dict)

    def nodes(self) -> list[dict[str, Any]]:
        """List the living nodes, with their ``Resources``."""
        return [node for node in self.ray.nodes() if node["Alive"]]

    @property
    def alive(self) -> bool:
        """Its head answers."""
        try:
            socket.create_connection(self.head, _WAIT_S).close()
        except OSError:
            return False
        return True

    def leave(self) -> None:
        """Disconnect, and stop what was started here; never another's cluster."""
        # Without its head, Ray may wait here for ever.
        thread = threading.Thread(target=self._leave, daemon=True)
        thread.start()
        thread.join(_WAIT_S)
        if self.folder is not None:
            if thread.is_alive():
                _kill_those_of(self.folder)
            shutil.rmtree(self.folder, ignore_errors=True)
        _set(self.before)

    def _leave(self) -> None:
        with contextlib.suppress(Exception):
            self.ray.shutdown()


def connect(on: str, *, trusting: bool = False, cores: int | None = None) -> Cluster:
    """Start a cluster on this machine (``ray``), or join one (``ray://HOST:PORT``).

    Args:
        trusting: a cluster without authentication may be joined, though it isn't on the loopback.
        cores: of a cluster that is started here; by default all.

    Raises:
        MissingExtraError: Ray isn't installed.
        ClusterError: it can't be reached, refuses the token, or asks for none.
    """
    if on == "ray":
        return _started(cores or core_count())
    return _joined(on, trusting)


def _started(cores: int) -> Cluster:
    # Only its owner may look into it; Ray opens its own folder for everybody.
    # The name of a socket has at most 107 bytes.
    place = tempfile.gettempdir()
    short = place if len(place) <= _LONGEST or not Path("/tmp").is_dir() else "/tmp"
    folder = Path(tempfile.mkdtemp(prefix="milonga-ray-", dir=short))
    token = secrets.token_hex(32)
    hide(token)
    before = _set(
        {
            **_QUIET,
            "RAY_AUTH_MODE": "token",
            "RAY_AUTH_TOKEN": token,
            # Its name tells half of it: without, Ray takes the loopback, on any system.
            "RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER": "0",
            "RAY_ADDRESS": None,
            # As local workers: Ray's own stand behind whatever else the machine does.
            "RAY_worker_niceness": "0",
        }
    )
    cluster: Cluster | None = None
    try:
        ray = _ray()
        with _explained("The cluster can't be started"), _silenced():
            context = ray.init(
                address="local", num_cpus=cores, include_dashboard=False, log_to_driver=False,
                object_store_memory=_STORE, namespace=NAMESPACE, _temp_dir=str(folder / "ray"),
                configure_logging=False,
            )  # fmt: skip
        host, _, port = context.address_info["gcs_address"].rpartition(":")
        cluster = Cluster(ray, (host, int(port)), folder, before)
    finally:
        if cluster is None:
            shutil.rmtree(folder, ignore_errors=True)
            _set(before)
    if not is_loopback(host):
        cluster.leave()
        raise ClusterError(
            "Ray would listen to other machines, since it was imported before.",
            step="Start a new process, and render there before you import ray.",
        )
    return cluster


def _joined(on: str, trusting: bool) -> Cluster:
    parts = urlsplit(on)
    try:
        host, port = parts.hostname or "", parts.port or CLIENT_PORT
    except ValueError:
        host = ""
    if not host or parts.path.strip("/") or parts.query:
        raise ClusterError(
            f"{on!r} is no address of a cluster.", step=f"Write ray://HOST:{CLIENT_PORT}."
        )
    token = _token()
    before = _set({**_QUIET, **({"RAY_AUTH_MODE": "token"} if token else {})})
    done = False
    try:
        ray = _ray()
        if not asks_for_token(host, port) and not trusting and not is_loopback(host):
            raise ClusterError(
                "This cluster asks for no token: whoever reaches it can run programs on all of its "
                "machines, and read what you send.",
                where=on,
                step="Start it with RAY_AUTH_MODE=token (see docs/cluster.md), or, if its network "
                "is yours alone, add --unauthenticated-cluster.",
            )
        # Ray itself would try for half a minute.
        if asks_for_token(host, port, token):
            raise ClusterError(
                f"The cluster refuses {'the token' if token else 'whoever has no token'}.",
                where=on,
                step="Set RAY_AUTH_TOKEN, or RAY_AUTH_TOKEN_PATH, to the token that it was started "
                "with.",
            )
        with _explained("The cluster can't be joined", on), _silenced():
            try:
                ray.init(f"ray://{host}:{port}", namespace=NAMESPACE, log_to_driver=False)
            except ConnectionError as error:
                # What the head forks to serve us may be ended by gRPC's handlers (Ray 2.60).
                if _SLOW not in str(error):
                    raise
                ray.init(f"ray://{host}:{port}", namespace=NAMESPACE, log_to_driver=False)
        done = True
        return Cluster(ray, (host, port), None, before)
    finally:
        if not done:
            _set(before)


def _token() -> str:
    """Read the token as Ray finds it; empty for none."""
    if token := os.environ.get("RAY_AUTH_TOKEN", "").strip():
        return token
    path = os.environ.get("RAY_AUTH_TOKEN_PATH") or Path.home() / ".ray" / "auth_token"
    try:
        return Path(path).read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError):
        return ""


def asks_for_token(host: str, port: int, token: str = "") -> bool:
    """Ask a cluster something, and tell if it refuses for want of the right token.

    Raises:
        ClusterError: nothing answers there.
    """
    import grpc

    words: Any = import_module("ray.core.generated.ray_client_pb2")
    calls: Any = import_module("ray.core.generated.ray_client_pb2_grpc")
    with grpc.insecure_channel(f"{host}:{port}") as channel:
        stub = calls.RayletDriverStub(channel)
        ping = words.ClusterInfoRequest(type=words.ClusterInfoType.PING)
        shown = [("authorization", f"Bearer {token}")] if token else []
        try:
            stub.ClusterInfo(ping, timeout=_WAIT_S, metadata=shown)
        except grpc.RpcError as error:
            if error.code() in (grpc.StatusCode.UNAUTHENTICATED, grpc.StatusCode.PERMISSION_DENIED):
                return True
            raise ClusterError(
                f"No cluster answers there ({error.code().name.lower()}).",
                where=f"ray://{host}:{port}",
                step=f"The port is that of Ray's clients, {CLIENT_PORT} unless it was changed; "
                "see docs/cluster.md.",
            ) from None
    return False


def is_loopback(host: str) -> bool:
    """Tell if a name means this machine alone."""
    try:
        found = {entry[4][0] for entry in socket.getaddrinfo(host, None)}
    except OSError:
        return False
    return all(ipaddress.ip_address(str(each).partition("%")[0]).is_loopback for each in found)


def _ray() -> Any:
    with needs_extra("Rendering on a cluster", "cluster"), _silenced():
        import ray

    if ray.is_initialized():
        raise ClusterError(
            "This process is connected to a cluster already.", step="Call ray.shutdown() before."
        )
    # What it was told before the environment was set; there is no public way.
    inner: Any = import_module("ray._raylet")
    inner.Config.initialize("")
    inner.AuthenticationTokenLoader.instance().reset_cache()
    return ray


@contextlib.contextmanager
def _explained(what: str, where: str | None = None) -> Iterator[None]:
    from ray.exceptions import RayError

    try:
        yield
    except (RayError, ConnectionError, RuntimeError, ValueError, OSError, TimeoutError) as error:
        LOG.info("the cluster can't be had: %s", error)
        text = str(error).strip()
        lines = [line for line in text.splitlines() if line.strip()] or [type(error).__name__]
        # Of a traceback from the other side, the last line says what it was.
        said = lines[0] if len(lines) == 1 else f"{lines[0]} {lines[-1].strip()}"
        raise ClusterError(f"{what}: {said}", where=where) from error


@contextlib.contextmanager
def _silenced() -> Iterator[None]:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


def _set(values: dict[str, str | None]) -> dict[str, str | None]:
    """Set or remove variables, and return what was before."""
    before = {name: os.environ.get(name) for name in values}
    for name, value in values.items():
        if value is None:
            os.environ.pop(name, None)
        else:
            os.environ[name] = value
    return before


def _kill_those_of(folder: Path) -> None:
    """End the processes of our own cluster: children of this one that name its folder."""
    import psutil

    for child in psutil.Process().children(recursive=True):
        with contextlib.suppress(psutil.Error):
            if any(str(folder) in word for word in child.cmdline()):
                child.kill()
