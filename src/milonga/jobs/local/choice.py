"""How many workers, with how many threads: by memory, cores and graphics cards."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from milonga.jobs.local.crew import LocalCrew, graphics_cards
from milonga.jobs.local.threads import Division, Learning, divide
from milonga.jobs.takes.dealer import Dealer, largest_of
from milonga.runtime.devices import core_count, has_accelerator, thread_count
from milonga.runtime.memory import available_memory
from milonga.runtime.progress import Progress
from milonga.runtime.words import size_text
from milonga.songs.rendering.planned import PlannedTake
from milonga.songs.rendering.render import Outcome, TakeRunner, render_takes

SHORT_S = 20.0
"""Work that takes less isn't worth the start of a second process."""
_SHARE = 0.8
"""Of the free memory, used for workers."""


@dataclass(frozen=True, slots=True)
class Choice:
    """Workers for some takes.

    Attributes:
        workers: processes at a time; 1 renders in this one.
        threads: of each.
        room: bytes of memory for each; None where that isn't known.
        cards: graphics cards for them.
        why: in words, for the plan; empty where there is nothing to say.
    """

    workers: int
    threads: int
    room: int | None = None
    cards: tuple[str, ...] = ()
    why: str = ""

    def runner(self) -> TakeRunner:
        """Return what renders takes in this way."""
        runner: TakeRunner = render_takes
        if self.workers > 1:
            crew = LocalCrew(self.workers, self.threads, room=self.room, cards=self.cards)
            runner = Dealer(crew)
        return runner if self.cards else Learning(runner, Division(self.workers, self.threads))


def choose_workers(takes: Sequence[PlannedTake], wanted: int | None = None) -> Choice:
    """Choose workers for takes.

    Args:
        takes: of the plan.
        wanted: processes; None for as many as cores, memory and graphics cards allow, and only one
            where the work is short or its cost unknown.
    """
    cores = min(core_count(), thread_count())
    models = largest_of(takes)
    needs = [take.memory for take in models.values()]
    most = None if None in needs else max((need or 0 for need in needs), default=0)
    room = round(_SHARE * available_memory())
    cards = tuple(graphics_cards()) if _on_cards(models.values()) else ()
    if wanted is not None:
        count, why = min(wanted, max(1, len(takes))), ""
        if most is not None and count * most > room:
            why = (
                f"{count} workers need about {size_text(count * most)} of memory, and "
                f"{size_text(room)} can be had."
            )
        way = Division(count, max(1, cores // count))
    elif (way := _usual(takes, most, room, cores, len(cards))).workers == 1:
        why = ""
    else:
        threads = f"{way.threads} {'threads' if way.threads > 1 else 'thread'} each"
        why = f"{way.workers} workers, {threads}, with about {size_text(most or 0)} of memory."
    each = room // way.workers if most else None
    return Choice(way.workers, way.threads, each, cards, why)


def _usual(
    takes: Sequence[PlannedTake], most: int | None, room: int, cores: int, cards: int
) -> Division:
    """Choose as many workers as memory allows and the generator makes use of."""
    alone = Division(1, cores)
    times = [take.estimate_s for take in takes]
    if most is None or None in times or sum(time or 0.0 for time in times) < SHORT_S:
        return alone
    fit = min(len(takes), room // max(1, most))
    if cards:
        count = max(1, min(fit, cards))
        return Division(count, max(1, cores // count))
    work: dict[str, float] = {}
    for take in takes:
        name = take.generator.name
        work[name] = work.get(name, 0.0) + (take.estimate_s or 0.0)
    return divide(max(work, key=work.__getitem__), cores, fit)


def _on_cards(models: Iterable[PlannedTake]) -> bool:
    if not has_accelerator():
        return False
    devices = [getattr(take.generator.options, "device", "cpu") for take in models]
    return any(device == "auto" or device.startswith("cuda") for device in devices)


def workers(count: int | None = None) -> TakeRunner:
    """Return what renders takes in several processes, as ``on`` of ``render_song`` and
    ``run_study``.

    Args:
        count: of processes; None for as many as cores, memory and graphics cards allow.
    """

    def run(takes: Sequence[PlannedTake], progress: Progress) -> Iterator[tuple[int, Outcome]]:
        return choose_workers(takes, count).runner()(takes, progress)

    return run
