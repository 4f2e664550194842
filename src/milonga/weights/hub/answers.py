"""The meaning of the hub's answers: files, refusals, failures that pass."""

from __future__ import annotations

import contextlib
import time
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING, Any

from milonga.errors import DownloadError, WeightsError
from milonga.weights.cache.layout import COMMIT, SHA256
from milonga.weights.hub import network
from milonga.weights.hub.access import Refusal
from milonga.weights.hub.retries import PassingError
from milonga.weights.hub.tokens import Token

if TYPE_CHECKING:
    import httpx2

_PASSING = (408, 429, 500, 502, 503, 504)
_LARGEST_FILE = 1 << 53
_LONGEST_PATH = 4096
_LONGEST_ANSWER = 32 << 20
_LONGEST_ANSWER_S = 120.0
_SAID_IN = ("x-error-code", "x-error-message", "content-type")
CHECK_ENDPOINT = (
    "Check HF_ENDPOINT if it is set; otherwise see https://status.huggingface.co and try later."
)


@dataclass(frozen=True, slots=True)
class RemoteFile:
    """One file of a repository.

    Attributes:
        path: within the repository.
        size: bytes.
        etag: the name of its contents: their SHA-256, or git's SHA-1 of them for small files.
        sha256: of its contents, where it is known.
    """

    path: str
    size: int
    etag: str
    sha256: str | None

    @property
    def git_sha1(self) -> str | None:
        """Git's hash of the contents, where that is their name."""
        return self.etag if COMMIT.fullmatch(self.etag) else None


def refusal_of(repo: str, response: httpx2.Response, token: Token | None) -> Refusal:
    """Read an answer that is no success.

    Raises:
        PassingError: it may be gone at the next attempt.
        DownloadError: it won't.
    """
    import httpx2
    from huggingface_hub import errors
    from huggingface_hub.utils import hf_raise_for_status  # type: ignore[attr-defined]

    status = response.status_code
    if status in _PASSING:
        raise PassingError(f"the hub answers {status}", wait_s=_wait_of(response))
    gated, message = False, ""
    try:
        body = read_answer(response)
        whole = httpx2.Response(status, content=body, request=response.request)
        whole.headers.update(
            {name: value for name, value in response.headers.items() if name in _SAID_IN}
        )
        hf_raise_for_status(whole)
    except (errors.RevisionNotFoundError, errors.RemoteEntryNotFoundError) as error:
        raise _gone(repo, response, error) from error
    except errors.HfHubHTTPError as error:
        gated = isinstance(error, errors.GatedRepoError)
        message = error.server_message or ""
    except (AttributeError, TypeError, ValueError, RecursionError):
        # The client expects an object of JSON, or text, in the answer; a proxy may send else.
        message = ""
    if status in (401, 403, 404):
        return Refusal(status, gated, message)
    words = token.hidden_in(message) if token else message
    raise DownloadError(
        f"The hub answers {status}{f': {words[:200]}' if words else ''}.",
        where=repo,
        step=CHECK_ENDPOINT,
    )


def read_answer(response: httpx2.Response) -> bytes:
    """Read what the hub answers, as far as an answer can go and as long as one may take.

    Raises:
        ValueError: it goes on.
        PassingError: it takes too long.
    """
    text, began = bytearray(), time.monotonic()
    for block in response.iter_bytes():
        text += block
        if len(text) > _LONGEST_ANSWER:
            raise ValueError("the answer does not end")
        if time.monotonic() - began > _LONGEST_ANSWER_S:
            raise PassingError(f"an answer took more than {_LONGEST_ANSWER_S:.0f} s")
    return bytes(text)


def passing(error: Exception, endpoint: str) -> WeightsError | PassingError:
    """Explain a failure of the connection, which may pass or not."""
    import httpx2

    text = str(error)
    if isinstance(error, httpx2.ConnectError) and "CERTIFICATE" in text.upper():
        return DownloadError(
            f"The certificate of {endpoint} can't be verified.", step=network.certificate_step()
        )
    proxy = network.proxy_of(endpoint)
    place = f"{endpoint} through the proxy of {proxy}" if proxy else endpoint
    if isinstance(error, httpx2.ConnectError):
        return PassingError(f"no connection to {place}", unreachable=True)
    if isinstance(error, httpx2.ConnectTimeout):
        return PassingError(f"no answer from {place}", unreachable=True)
    if isinstance(error, httpx2.TimeoutException):
        return PassingError("nothing arrived for too long")
    return PassingError("the connection broke")


def _wait_of(response: httpx2.Response) -> float | None:
    from huggingface_hub.utils import (  # type: ignore[attr-defined]
        parse_ratelimit_headers,
    )

    value = response.headers.get("retry-after", "").strip()
    if value.isdecimal():
        return float(value)
    if value:
        with contextlib.suppress(ValueError, TypeError):
            date = parsedate_to_datetime(value)
            now = parsedate_to_datetime(response.headers.get("date", ""))
            return max(0.0, (date - now).total_seconds())
    with contextlib.suppress(ValueError, OverflowError):
        limit = parse_ratelimit_headers(response.headers)
        if response.status_code == 429 and limit is not None and limit.remaining == 0:
            return float(limit.reset_in_seconds)
    return None


def _gone(repo: str, response: httpx2.Response, error: Exception) -> DownloadError:
    from huggingface_hub.errors import RevisionNotFoundError

    if isinstance(error, RevisionNotFoundError):
        return DownloadError(
            "The hub has no such revision of this repository (any more).",
            where=repo,
            step="Check the revision's name; milonga weights get KEY --update takes the newest.",
        )
    first = response.history[0] if response.history else response
    name = first.url.path.rpartition("/")[2]
    return DownloadError(
        f"The hub has no file {name!r} in this repository (any more).",
        where=repo,
        step="milonga weights get KEY --update takes the newest revision.",
    )


def not_a_hub(endpoint: str) -> DownloadError:
    """Return the error for an answer that makes no sense."""
    return DownloadError(
        "What answers there does not speak the hub's protocol.",
        where=endpoint,
        step="Check HF_ENDPOINT if it is set; otherwise a proxy or a login page of the network "
        "may answer in the hub's place.",
    )


def file_of(row: Any, endpoint: str) -> RemoteFile | None:
    """Read a row of the hub's listing; None for a folder.

    Raises:
        DownloadError: it makes no sense.
    """
    try:
        if row["type"] != "file":
            return None
        large = row.get("lfs")
        sha256 = large["oid"].removeprefix("sha256:") if large else None
        path, size = row["path"], (large or row)["size"]
        etag = sha256 or row["oid"]
        sane = len(path) <= _LONGEST_PATH and 0 <= size <= _LARGEST_FILE and type(size) is int
        if sane and isinstance(path, str) and (SHA256 if sha256 else COMMIT).fullmatch(etag):
            return RemoteFile(path, size, etag, sha256)
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise not_a_hub(endpoint) from error
    raise not_a_hub(endpoint)
