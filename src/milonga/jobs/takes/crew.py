"""The contract between who deals out takes and the processes that render them."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from milonga.jobs.takes.packets import TakePacket
from milonga.runtime.progress import Update


@dataclass(slots=True)
class Hand:
    """One process of a crew.

    Attributes:
        number: tells hands apart; never used twice.
        keys: models that it has loaded, or is about to.
        packet: the take that it renders.
        ready: it has started and can be given a take.
        place: the machine, where that isn't this one.
        own: whatever the crew needs for it.
    """

    number: int
    keys: list[str] = field(default_factory=list)
    packet: TakePacket | None = None
    ready: bool = False
    place: str = ""
    own: Any = None


@dataclass(frozen=True, slots=True)
class Done:
    """A take that was rendered, kept or failed.

    Attributes:
        status: as in ``Outcome``.
        name: of the take, which may have got another number.
        error: of a failed one.
        details: where to find more about that.
        receipt: JSON of the receipt, where the take travels back.
        sound: its audio file, likewise.
        fatal: the error that stops all work, such as a full disk: message, where, step.
    """

    status: Literal["rendered", "kept", "failed"] = "failed"
    name: str = ""
    error: str = ""
    details: str = ""
    receipt: str | None = None
    sound: bytes | None = None
    fatal: tuple[str, str | None, str | None] | None = None


@dataclass(frozen=True, slots=True)
class Event:
    """News of a hand: it is ready, shows progress, says something, has done a take, or is lost."""

    hand: Hand
    ready: bool = False
    update: Update | None = None
    message: str = ""
    done: Done | None = None
    lost: str = ""


class Crew(ABC):
    """Processes that render takes.

    Attributes:
        size: hands at a time.
        room: bytes of memory for the models of a hand; None where that doesn't matter.
    """

    size: int
    room: int | None = None

    @abstractmethod
    def start(self, packet: TakePacket) -> Hand:
        """Start a hand that will render such takes first."""

    @abstractmethod
    def give(self, hand: Hand, packet: TakePacket) -> None:
        """Let a hand render a take; a hand that is gone says so in an event."""

    @abstractmethod
    def news(self, seconds: float) -> Sequence[Event]:
        """Wait for news, at most so long."""

    @abstractmethod
    def dismiss(self, hand: Hand) -> None:
        """End a hand, whatever it does; no more news of it."""

    @abstractmethod
    def close(self) -> None:
        """Stop all work, within seconds, and end all hands."""
