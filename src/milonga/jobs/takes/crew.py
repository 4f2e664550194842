"""The contract between who deals out work and the processes that do it."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from milonga.jobs.takes.packets import Done, Packet
from milonga.runtime.progress import Update


@dataclass(slots=True)
class Hand:
    """One process of a crew.

    Attributes:
        number: tells hands apart; never used twice.
        keys: models that it has loaded, or is about to.
        work: numbers of the packet that it makes, and of those that it makes next.
        ready: it has started and can be given work.
        place: the machine, where that isn't this one.
        own: whatever the crew needs for it.
    """

    number: int
    keys: list[str] = field(default_factory=list)
    work: list[int] = field(default_factory=list)
    ready: bool = False
    place: str = ""
    own: Any = None


@dataclass(frozen=True, slots=True)
class Event:
    """News of a hand: it is ready, shows progress, says something, is done, or is lost.

    Attributes:
        number: of the packet that is done; of those that a hand has, any may be done first.
    """

    hand: Hand
    ready: bool = False
    update: Update | None = None
    message: str = ""
    done: Done | None = None
    number: int | None = None
    lost: str = ""


class Crew(ABC):
    """Processes that make sounds.

    Attributes:
        size: hands at a time.
        room: bytes of memory for the models of a hand; None where that doesn't matter.
    """

    size: int
    room: int | None = None

    @abstractmethod
    def start(self, packet: Packet) -> Hand:
        """Start a hand that will make such sounds first."""

    @abstractmethod
    def give(self, hand: Hand, packet: Packet) -> None:
        """Let a hand make a sound after those that it has; one that is gone says so in an event."""

    @abstractmethod
    def news(self, seconds: float) -> Sequence[Event]:
        """Wait for news, at most so long."""

    @abstractmethod
    def dismiss(self, hand: Hand) -> None:
        """End a hand, whatever it does; no more news of it."""

    @abstractmethod
    def close(self) -> None:
        """Stop all work, within seconds, and end all hands."""
