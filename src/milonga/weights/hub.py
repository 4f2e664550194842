"""The hub's HTTP interface, as much of it as a download needs.

Requests are milonga's own, on the client's HTTP library and with its errors: the client's calls
read the environment once, at import, ask the hub for lists that serve telemetry, and wait without
a limit. Only plain HTTP is used: the Xet protocol has no range requests to resume with.

Source: https://huggingface.co/docs/hub/api
"""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self
from urllib.parse import quote

from milonga._version import __version__
from milonga.errors import DownloadError, WeightsError
from milonga.runtime.progress import Progress
from milonga.weights import settings
from milonga.weights.access import Refusal, access_error
from milonga.weights.cache import COMMIT, SHA256, safe_path
from milonga.weights.retries import Attempts, PassingError, Retry
from milonga.weights.tokens import Token

if TYPE_CHECKING:
    import httpx2

_PASSING = (408, 429, 500, 502, 503, 504)


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


class Hub:
    """A connection to the hub; use it in a ``with`` block.

    Args:
        progress: told of retries, and asked whether to stop.
        retry: how patient to be.
        token: sent to the hub and nowhere else; dropped where the hub refuses it and answers
            without.
    """

    def __init__(self, progress: Progress, retry: Retry, token: Token | None) -> None:
        import httpx2

        settings.quiet_libraries()
        self._progress, self._retry = progress, retry
        self._endpoint = settings.endpoint()
        self._token, self._lock = token, threading.Lock()
        self._refused: tuple[Token, Refusal] | None = None
        timeout = settings.read_timeout()
        self._client = httpx2.Client(
            headers={"user-agent": f"milonga/{__version__}", "accept-encoding": "identity"},
            timeout=httpx2.Timeout(timeout, connect=10.0, pool=None),
            follow_redirects=True,
            max_redirects=10,
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._client.close()

    def commit(self, repo: str, revision: str) -> str:
        """The commit that a revision stands for now."""
        path = f"/api/models/{repo}/revision/{quote(revision, safe='')}"
        found = self._json(repo, self._endpoint + path, f"{repo} at {revision}")[0]
        commit = found.get("sha") if isinstance(found, dict) else None
        if not isinstance(commit, str) or not COMMIT.fullmatch(commit):
            raise _not_a_hub(self._endpoint)
        return commit

    def files(self, repo: str, commit: str) -> list[RemoteFile]:
        """Every file of a commit."""
        url: str | None = f"{self._endpoint}/api/models/{repo}/tree/{commit}?recursive=true"
        files = []
        while url is not None:
            page, url = self._json(repo, url, repo)
            if not isinstance(page, list):
                raise _not_a_hub(self._endpoint)
            for row in page:
                file = _file_of(row, self._endpoint)
                if file is not None:
                    files.append(file)
        return files

    def check_access(self, repo: str, path: str, revision: str) -> None:
        """Asks for a file without its contents.

        Raises:
            AccessError: the hub would refuse it.
            DownloadError: the hub can't be asked.
        """
        attempts = Attempts(self._retry, self._progress, repo)
        while True:
            try:
                # Not followed to the store of the contents, whose address allows GET alone.
                with self._answer(repo, self._url(repo, revision, path), method="HEAD"):
                    return
            except PassingError as error:
                attempts.failed(error)

    @contextlib.contextmanager
    def content(self, repo: str, commit: str, path: str, start: int) -> Iterator[httpx2.Response]:
        """A file's contents from the byte ``start``, as a response to be read.

        Raises:
            PassingError: the connection failed here or while reading.
            WeightsError: the hub refuses.
        """
        headers = {"range": f"bytes={start}-"} if start else {}
        with self._answer(repo, self._url(repo, commit, path), headers) as response:
            yield response

    def _url(self, repo: str, commit: str, path: str) -> str:
        return f"{self._endpoint}/{repo}/resolve/{quote(commit, safe='')}/{quote(path)}"

    def _json(self, repo: str, url: str, what: str) -> tuple[Any, str | None]:
        attempts = Attempts(self._retry, self._progress, what)
        while True:
            try:
                with self._answer(repo, url) as response:
                    response.read()
                    following = response.links.get("next", {}).get("url")
                    document = response.json()
                break
            except PassingError as error:
                attempts.failed(error)
            except ValueError as error:
                raise _not_a_hub(self._endpoint) from error
        if following is not None:
            # A mirror may pass on the public hub's links.
            following = following.replace(settings.HUB, self._endpoint)
            if not following.startswith(self._endpoint + "/"):
                raise _not_a_hub(self._endpoint)
        return document, following

    @contextlib.contextmanager
    def _answer(
        self, repo: str, url: str, headers: dict[str, str] | None = None, method: str = "GET"
    ) -> Iterator[httpx2.Response]:
        import httpx2

        try:
            response = self._allowed(repo, url, headers or {}, method)
            try:
                yield response
            finally:
                response.close()
        except httpx2.TooManyRedirects as error:
            raise DownloadError(
                "The hub's addresses lead in a circle.", where=repo, step=_CHECK_ENDPOINT
            ) from error
        except (httpx2.UnsupportedProtocol, httpx2.InvalidURL, httpx2.LocalProtocolError) as error:
            raise DownloadError(
                f"The address of the hub can't be used: {type(error).__name__}.",
                where=self._endpoint,
                step=_CHECK_ENDPOINT,
            ) from error
        except httpx2.ProxyError as error:
            raise DownloadError(
                f"The proxy refuses the connection: {error}.",
                step="Check the variables HTTPS_PROXY, HTTP_PROXY and NO_PROXY.",
            ) from error
        except (httpx2.TransportError, httpx2.DecodingError) as error:
            raise _passing(error, self._endpoint) from error

    def _allowed(
        self, repo: str, url: str, headers: dict[str, str], method: str
    ) -> httpx2.Response:
        token, refused = self._token, self._refused
        if token is not None:
            answer = self._with_token(token, repo, url, headers, method)
            if not isinstance(answer, Refusal):
                return answer
            if answer.status == 404:
                raise access_error(repo, answer, token)
            refused = (token, answer)
        answer = self._send(repo, url, headers, method)
        if isinstance(answer, Refusal):
            if refused is None:
                raise access_error(repo, answer, None)
            raise access_error(repo, refused[1], refused[0], anonymous=answer)
        if token is not None and refused is not None:
            self._drop(token, refused[1])
        return answer

    def _with_token(
        self, token: Token, repo: str, url: str, headers: dict[str, str], method: str
    ) -> httpx2.Response | Refusal:
        if not token.sendable:
            return Refusal(401, False, "the token holds characters that can't be sent")
        return self._send(repo, url, {**headers, "authorization": f"Bearer {token.value}"}, method)

    def _drop(self, token: Token, refusal: Refusal) -> None:
        """Goes on without a token that the hub refuses where it answers without: a wrong token
        must not keep anyone from a public repository."""
        with self._lock:
            if self._token is not None:
                self._token, self._refused = None, (token, refusal)
                self._progress.message(
                    f"The hub refuses the access token in {token.origin}; going on without it."
                )

    def _send(
        self, repo: str, url: str, headers: dict[str, str], method: str
    ) -> httpx2.Response | Refusal:
        request = self._client.build_request(method, url, headers=headers)
        follow = method == "GET"
        response = self._client.send(request, stream=True, follow_redirects=follow)
        if response.is_success or response.status_code == 416:
            return response
        if response.has_redirect_location and not follow:
            return response
        try:
            return self._refusal(repo, response)
        finally:
            response.close()

    def _refusal(self, repo: str, response: httpx2.Response) -> Refusal:
        from huggingface_hub import errors
        from huggingface_hub.utils import hf_raise_for_status  # type: ignore[attr-defined]

        status = response.status_code
        if status in _PASSING:
            raise PassingError(f"the hub answers {status}", wait_s=_wait_of(response))
        gated, message = False, ""
        try:
            hf_raise_for_status(response)
        except (errors.RevisionNotFoundError, errors.RemoteEntryNotFoundError) as error:
            raise _gone(repo, response, error) from error
        except errors.HfHubHTTPError as error:
            gated = isinstance(error, errors.GatedRepoError)
            message = error.server_message or ""
        if status in (401, 403, 404):
            return Refusal(status, gated, message)
        words = self._token.hidden_in(message) if self._token else message
        raise DownloadError(
            f"The hub answers {status}{f': {words[:200]}' if words else ''}.",
            where=repo,
            step=_CHECK_ENDPOINT,
        )


_CHECK_ENDPOINT = (
    "Check HF_ENDPOINT if it is set; otherwise see https://status.huggingface.co and try later."
)


def _passing(error: Exception, endpoint: str) -> WeightsError | PassingError:
    import httpx2

    text = str(error)
    if isinstance(error, httpx2.ConnectError) and "CERTIFICATE" in text.upper():
        return DownloadError(
            f"The certificate of {endpoint} can't be verified.",
            step="Behind a company's proxy, set SSL_CERT_FILE to its certificate; otherwise check "
            "this machine's date and time.",
        )
    if isinstance(error, httpx2.ConnectError):
        return PassingError(f"no connection to {endpoint}", unreachable=True)
    if isinstance(error, httpx2.ConnectTimeout):
        return PassingError(f"no answer from {endpoint}", unreachable=True)
    if isinstance(error, httpx2.TimeoutException):
        return PassingError("nothing arrived for too long")
    return PassingError("the connection broke")


def _wait_of(response: httpx2.Response) -> float | None:
    from huggingface_hub.utils import (  # type: ignore[attr-defined]
        parse_ratelimit_headers,
    )

    value = response.headers.get("retry-after", "").strip()
    if value.isdigit():
        return float(value)
    if value:
        with contextlib.suppress(ValueError, TypeError):
            date = parsedate_to_datetime(value)
            now = parsedate_to_datetime(response.headers.get("date", ""))
            return max(0.0, (date - now).total_seconds())
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


def _not_a_hub(endpoint: str) -> DownloadError:
    return DownloadError(
        "What answers there does not speak the hub's protocol.",
        where=endpoint,
        step="Check HF_ENDPOINT if it is set; otherwise a proxy or a login page of the network "
        "may answer in the hub's place.",
    )


def _file_of(row: Any, endpoint: str) -> RemoteFile | None:
    try:
        if row["type"] != "file":
            return None
        large = row.get("lfs")
        sha256 = large["oid"].removeprefix("sha256:") if large else None
        file = RemoteFile(
            path=str(safe_path(row["path"])),
            size=int(large["size"] if large else row["size"]),
            etag=sha256 or row["oid"],
            sha256=sha256,
        )
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise _not_a_hub(endpoint) from error
    pattern = SHA256 if file.sha256 else COMMIT
    if file.size < 0 or not pattern.fullmatch(file.etag):
        raise _not_a_hub(endpoint)
    return file
