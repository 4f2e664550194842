"""Attempts after a passing failure, with growing pauses that a user can interrupt."""

from __future__ import annotations

import random
import time
from dataclasses import dataclass

from milonga.errors import DownloadError
from milonga.runtime.logs import LOG
from milonga.runtime.progress import Progress
from milonga.runtime.words import numbered, time_text


@dataclass(frozen=True, slots=True)
class Retry:
    """The patience of a download.

    Attributes:
        attempts: failures in a row that end it; a byte that arrives starts the count anew.
        first_s: the first pause; each next one is twice as long.
        longest_s: the longest pause of our own.
        patience_s: the longest pause that the hub may ask for.
    """

    attempts: int = 6
    first_s: float = 1.0
    longest_s: float = 30.0
    patience_s: float = 120.0


class PassingError(Exception):
    """A failure that may be gone at the next attempt.

    Args:
        reason: the failure, without a full stop.
        wait_s: seconds that the hub asked to wait.
        unreachable: nothing answered at all.
    """

    def __init__(
        self, reason: str, *, wait_s: float | None = None, unreachable: bool = False
    ) -> None:
        self.reason, self.wait_s, self.unreachable = reason, wait_s, unreachable
        super().__init__(reason)


class Attempts:
    """A count of the failures of one request or file."""

    def __init__(self, retry: Retry, progress: Progress, what: str) -> None:
        self._retry, self._progress, self._what = retry, progress, what
        self._failures = 0
        self._answered = False

    def moved(self) -> None:
        """Note that something arrived: the next failure is the first again."""
        self._failures, self._answered = 0, True

    def failed(self, error: PassingError) -> None:
        """Wait for the next attempt.

        Raises:
            DownloadError: that was the last one.
            Cancelled: the user asked to stop.
        """
        self._failures += 1
        # Where nothing ever answered there is most likely no network: say so soon.
        attempts = self._retry.attempts
        if error.unreachable and not self._answered:
            attempts = min(attempts, 3)
        if self._failures >= attempts:
            raise self._given_up(error) from error
        pause = min(self._retry.longest_s, self._retry.first_s * 2 ** (self._failures - 1))
        if error.wait_s is not None:
            if error.wait_s > self._retry.patience_s:
                raise DownloadError(
                    f"The hub asks to wait {time_text(error.wait_s)} ({error.reason}).",
                    where=self._what,
                    step="Run the same command again then: it goes on where it stopped. With "
                    "hf auth login the hub allows more.",
                ) from error
            pause = max(pause, error.wait_s)
        else:
            # Spread, so that machines that failed together don't come back together.
            pause *= 0.75 + 0.5 * random.random()
        text = f"{error.reason}; trying again in {time_text(pause)}"
        LOG.info(f"{self._what}: {text}")
        self._progress.message(text)
        until = time.monotonic() + pause
        while (left := until - time.monotonic()) > 0:
            self._progress.check()
            time.sleep(min(0.2, left))

    def _given_up(self, error: PassingError) -> DownloadError:
        if error.unreachable and not self._answered:
            return DownloadError(
                f"The hub can't be reached: {error.reason}.",
                where=self._what,
                step=numbered(
                    [
                        "Check the network; behind a proxy, set HTTPS_PROXY; unset the variable "
                        "of a proxy that is gone; for a mirror, set HF_ENDPOINT.",
                        "Without a network here, download on another machine and bring the files "
                        "over (docs/weights.md tells how).",
                    ]
                ),
            )
        return DownloadError(
            f"The download failed {self._failures} times in a row: {error.reason}.",
            where=self._what,
            step="Run the same command again: it goes on where it stopped.",
        )
