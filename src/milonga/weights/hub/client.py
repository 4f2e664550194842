"""The part of the hub's HTTP interface that a download needs.

Requests are milonga's own, on the client's HTTP library and with its errors: the client's calls
read the environment once, at import, ask the hub for lists that serve telemetry, and wait without
a limit. Only plain HTTP is used: the Xet protocol has no range requests to resume with.

Source: https://huggingface.co/docs/hub/api
"""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Iterator
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self
from urllib.parse import quote

from milonga._version import __version__
from milonga.errors import DownloadError
from milonga.runtime.documents import parse_json
from milonga.runtime.progress import Progress
from milonga.weights import settings
from milonga.weights.cache.layout import COMMIT
from milonga.weights.hub import network
from milonga.weights.hub.access import Refusal, access_error
from milonga.weights.hub.answers import (
    CHECK_ENDPOINT,
    RemoteFile,
    file_of,
    not_a_hub,
    passing,
    read_answer,
    refusal_of,
)
from milonga.weights.hub.retries import Attempts, PassingError, Retry
from milonga.weights.hub.tokens import Token

if TYPE_CHECKING:
    import httpx2


_MOST_PAGES = 300
"""Of a listing; the public hub puts 1,000 files on a page and advises against more than 100,000."""


class Hub:
    """A connection to the hub; use it in a ``with`` block.

    Args:
        progress: told of retries, and asked whether to stop.
        retry: the patience with failures.
        token: sent to the hub and nowhere else; dropped where the hub refuses it and answers
            without.
        connect_s: seconds to wait for a connection.
    """

    def __init__(
        self, progress: Progress, retry: Retry, token: Token | None, *, connect_s: float = 10.0
    ) -> None:
        import httpx2

        settings.quiet_libraries()
        self._progress, self._retry = progress, retry
        for fault in network.faults():
            raise fault
        self._endpoint = network.endpoint()
        self._token, self._lock = token, threading.Lock()
        self._refused: tuple[Token, Refusal] | None = None
        timeout = settings.read_timeout()
        self._client = httpx2.Client(
            headers={"user-agent": f"milonga/{__version__}", "accept-encoding": "identity"},
            timeout=httpx2.Timeout(timeout, connect=connect_s, pool=None),
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
        """Return the commit that a revision stands for now."""
        path = f"/api/models/{repo}/revision/{quote(revision, safe='')}"
        found = self._json(repo, self._endpoint + path, f"{repo} at {revision}")[0]
        commit = found.get("sha") if isinstance(found, dict) else None
        if not isinstance(commit, str) or not COMMIT.fullmatch(commit):
            raise not_a_hub(self._endpoint)
        return commit

    def files(self, repo: str, commit: str) -> list[RemoteFile]:
        """List every file of a commit."""
        url = f"{self._endpoint}/api/models/{repo}/tree/{commit}?recursive=true"
        files: list[RemoteFile] = []
        for _ in range(_MOST_PAGES):
            page, following = self._json(repo, url, repo)
            if not isinstance(page, list):
                raise not_a_hub(self._endpoint)
            for row in page:
                file = file_of(row, self._endpoint)
                if file is not None:
                    files.append(file)
            if following is None:
                return files
            url = following
        raise DownloadError(
            f"The hub's list of files goes on after {_MOST_PAGES} pages.",
            where=repo,
            step=CHECK_ENDPOINT,
        )

    def check_access(self, repo: str, path: str, revision: str) -> None:
        """Ask for a file without its contents.

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
        """Request a file's contents from the byte ``start``; give the response to be read.

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
                    following = response.links.get("next", {}).get("url")
                    document = parse_json(read_answer(response))
                break
            except PassingError as error:
                attempts.failed(error)
            except ValueError as error:
                raise not_a_hub(self._endpoint) from error
        if following is not None:
            # A mirror may pass on the public hub's links.
            following = following.replace(settings.HUB, self._endpoint)
            if not following.startswith(self._endpoint + "/"):
                raise not_a_hub(self._endpoint)
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
                "The hub's addresses lead in a circle.", where=repo, step=CHECK_ENDPOINT
            ) from error
        except (httpx2.UnsupportedProtocol, httpx2.InvalidURL, httpx2.LocalProtocolError) as error:
            raise DownloadError(
                f"The address of the hub can't be used: {type(error).__name__}.",
                where=self._endpoint,
                step=CHECK_ENDPOINT,
            ) from error
        except httpx2.ProxyError as error:
            raise DownloadError(
                f"The proxy of {network.proxy_of(url)} refuses the connection: {error}.",
                step="Check that variable; NO_PROXY lists hosts that are reached without it.",
            ) from error
        except (httpx2.TransportError, httpx2.DecodingError) as error:
            raise passing(error, self._endpoint) from error

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
        """Go on without a token that the hub refuses where it answers without: a wrong token
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
        import httpx2

        request = self._client.build_request(method, url, headers=headers)
        follow = method == "GET"
        try:
            response = self._client.send(request, stream=True, follow_redirects=follow)
        except (httpx2.HTTPError, httpx2.InvalidURL):
            raise
        except Exception as error:
            # What speaks SOCKS stops with errors of its own where a proxy does not.
            kind = httpx2.ProxyError if network.proxy_of(url) else httpx2.RemoteProtocolError
            raise kind(f"{type(error).__name__} {error}".rstrip(" .")) from error
        if response.is_success or response.status_code == 416:
            return response
        if response.has_redirect_location and not follow:
            return response
        try:
            return refusal_of(repo, response, self._token)
        finally:
            response.close()
