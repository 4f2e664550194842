"""Recording one sound in histories of many."""

from __future__ import annotations

import json
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np

from milonga.audio import Clip
from milonga.audio.export.receipt import Provenance
from milonga.sounds.library.history import History
from milonga.sounds.library.history_entry import ENTRY, SOUND, HistoryItem, PlayedModel
from milonga.sounds.library.library import Library
from milonga.sounds.model.play_settings import PlaySettings

RATE = 44_100
SECONDS = 2.0


def run(quick: bool = False) -> str:
    counts = (0, 100, 400) if quick else (0, 1_000, 5_000, 20_000)
    runs = 5 if quick else 25
    with tempfile.TemporaryDirectory() as name:
        lines = [_measured(Path(name) / str(count), count, runs) for count in counts]
    return f"""## History

One sound of {SECONDS:g} s recorded where so many are kept already ({runs} runs each). "first" also
counts the folder, which happens once after somebody else has changed it. "full" is a history at its
limit, where the oldest sound goes for each that comes. Reading is that of one entry, by its number,
and of all of them:

| entries | first | record | record, full | read one | read all |
| --- | --- | --- | --- | --- | --- |
{chr(10).join(lines)}
"""


def _measured(folder: Path, count: int, runs: int) -> str:
    library = Library(folder)
    (library.folder / "bench").mkdir(parents=True)
    history = History(library, limit=1e15)
    one = _record(history)
    for number in range(2, count + 1):
        _copied(one, number)
    first = _seconds(lambda: _record(history))
    usual = [_seconds(lambda: _record(history)) for _ in range(runs)]
    last = history.last("bench")
    full = History(library, limit=sum(item.size for item in history.entries()) - 1.0)
    crowded = [_seconds(lambda: _record(full)) for _ in range(runs)]
    single = [_seconds(lambda: history.get(last.number)) for _ in range(runs)]
    everything = _seconds(history.entries)
    cells = [first, statistics.median(usual), statistics.median(crowded), statistics.median(single)]
    times = " | ".join(f"{1000 * seconds:.1f} ms" for seconds in cells)
    return f"| {count:,} | {times} | {everything:.2f} s |"


def _record(history: History) -> HistoryItem:
    noise = np.random.default_rng(0).standard_normal(round(SECONDS * RATE))
    kept = history.record(
        Clip(0.1 * noise, RATE),
        models=[PlayedModel(model="bench", sha256="0" * 64)],
        settings=PlaySettings(),
        made=Provenance(model="bench"),
    )
    assert kept is not None
    return kept


def _copied(one: HistoryItem, number: int) -> None:
    """An entry of another number; the sound is the same file, as 20,000 would fill a disk."""
    folder = one.folder.with_name(f"{number:06d}")
    folder.mkdir()
    (folder / SOUND).hardlink_to(one.folder / SOUND)
    document = json.loads((one.folder / ENTRY).read_text())
    (folder / ENTRY).write_text(json.dumps(document | {"number": number}))


def _seconds(work: Callable[[], object]) -> float:
    begun = time.perf_counter()
    work()
    return time.perf_counter() - begun
