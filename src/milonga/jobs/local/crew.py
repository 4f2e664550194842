"""A crew of worker processes on this machine."""

from __future__ import annotations

import contextlib
import itertools
import json
import os
import queue
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

from milonga.jobs.job import STALE_S
from milonga.jobs.takes.crew import Crew, Event, Hand
from milonga.jobs.takes.packets import Done, Packet
from milonga.runtime.progress import Update

_GRACE_S = 3.0
_MODULE = "milonga.jobs.local.process"
THREADS = (
    "OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS", "NUMEXPR_NUM_THREADS",
    "VECLIB_MAXIMUM_THREADS",
)  # fmt: skip


@dataclass(slots=True)
class _Process:
    process: subprocess.Popen[str]
    said: IO[bytes]
    """What it printed, for the reason of its end."""
    heard: float
    listener: threading.Thread | None = None


class LocalCrew(Crew):
    """Processes of this machine.

    Args:
        size: at a time.
        threads: of each.
        room: bytes of memory for each.
        cards: numbers of graphics cards, which they share; None leaves them what they see.
        stale_s: one that gives no sign of life for so long is ended.
    """

    def __init__(
        self,
        size: int,
        threads: int,
        *,
        room: int | None = None,
        cards: Sequence[str] = (),
        stale_s: float = STALE_S,
    ) -> None:
        self.size, self.room = size, room
        self._threads, self._cards, self._stale_s = threads, cards, stale_s
        self._numbers = itertools.count(1)
        self._hands: dict[int, Hand] = {}
        self._news: queue.Queue[Event] = queue.Queue()

    def start(self, packet: Packet) -> Hand:
        number = next(self._numbers)
        env = dict(os.environ)
        env |= dict.fromkeys(THREADS, str(self._threads))
        if self._cards:
            env["CUDA_VISIBLE_DEVICES"] = self._cards[number % len(self._cards)]
        said = tempfile.TemporaryFile()  # noqa: SIM115 - as long as the process
        process = subprocess.Popen(
            [sys.executable, "-m", _MODULE],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=said, env=env,
            encoding="utf-8", start_new_session=True,
        )  # fmt: skip
        hand = Hand(number, own=_Process(process, said, time.monotonic()))
        self._hands[number] = hand
        hand.own.listener = threading.Thread(target=self._listen, args=(hand,), daemon=True)
        hand.own.listener.start()
        return hand

    def give(self, hand: Hand, packet: Packet) -> None:
        self._tell(hand, {"make": packet.model_dump(mode="json")})

    def news(self, seconds: float) -> Sequence[Event]:
        found = []
        with contextlib.suppress(queue.Empty):
            found.append(self._news.get(timeout=seconds))
            while True:
                found.append(self._news.get_nowait())
        now = time.monotonic()
        for hand in list(self._hands.values()):
            if now - hand.own.heard > self._stale_s:
                hand.own.process.kill()
                found.append(Event(hand, lost=f"no sign of life for {self._stale_s:g} s"))
        return found

    def dismiss(self, hand: Hand) -> None:
        if self._hands.pop(hand.number, None) is not None:
            self._end(hand, time.monotonic() + (0.0 if hand.work else _GRACE_S))

    def close(self) -> None:
        hands, self._hands = list(self._hands.values()), {}
        for hand in hands:
            self._tell(hand, {"cancel": True})
        end = time.monotonic() + _GRACE_S
        for hand in hands:
            self._end(hand, end)

    def _end(self, hand: Hand, until: float) -> None:
        process = hand.own.process
        with contextlib.suppress(OSError, ValueError):
            process.stdin.close()
        try:
            process.wait(max(0.0, until - time.monotonic()))
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        hand.own.listener.join()
        hand.own.said.close()

    def _tell(self, hand: Hand, what: dict[str, Any]) -> None:
        # One that is gone says so by the end of its output.
        with contextlib.suppress(OSError, ValueError):
            hand.own.process.stdin.write(json.dumps(what) + "\n")
            hand.own.process.stdin.flush()

    def _listen(self, hand: Hand) -> None:
        own: _Process = hand.own
        assert own.process.stdout is not None
        with contextlib.suppress(OSError, ValueError), own.process.stdout as told:
            for line in told:
                own.heard = time.monotonic()
                self._news.put_nowait(_event(hand, json.loads(line)))
        status = own.process.wait()
        self._news.put(Event(hand, lost=_reason(status, own.said)))


def _event(hand: Hand, told: dict[str, Any]) -> Event:
    if "update" in told:
        return Event(hand, update=Update(**told["update"]))
    if "done" in told:
        done = told["done"]
        fatal = done["fatal"] and tuple(done["fatal"])
        found = Done(**{**done, "fatal": fatal, "notes": tuple(done["notes"])})
        return Event(hand, done=found, number=told["number"])
    return Event(hand, ready="ready" in told, message=told.get("message", ""))


def _reason(status: int, said: IO[bytes]) -> str:
    last = ""
    with contextlib.suppress(OSError, ValueError):
        said.seek(0)
        lines = said.read().decode(errors="replace").strip().splitlines()
        last = f": {lines[-1]}" if lines else ""
    how = f"signal {-status}" if status < 0 else f"status {status}"
    return f"it ended with {how}{last}"


def graphics_cards() -> list[str]:
    """List the numbers of NVIDIA's cards that this process may use, without importing torch."""
    asked = os.environ.get("CUDA_VISIBLE_DEVICES")
    if asked is not None:
        return [name for name in asked.split(",") if name.strip() not in ("", "-1")]
    return sorted(path.name.removeprefix("nvidia") for path in Path("/dev").glob("nvidia[0-9]*"))
