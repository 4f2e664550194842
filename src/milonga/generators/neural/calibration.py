"""Time that work takes on this machine: guessed from a short measurement, then learnt.

One file in the data folder, ``calibration.json``, holds for each machine (a data folder may be
shared) how fast it reads memory, and seconds per unit of work for what was rendered here.
"""

from __future__ import annotations

import contextlib
import os
import platform
import time
from pathlib import Path
from typing import Any

import numpy as np

from milonga.errors import OutputError
from milonga.runtime.documents import parse_json
from milonga.runtime.files import dump_json, write_text
from milonga.runtime.places import data_folder

_NEWEST = 0.5
"""Weight of the newest measurement: the machine may have been busy then, or now."""
_MEMORY = "bytes read per second"
_COMPUTE = "operations per second"


def calibration_file() -> Path:
    """The file of the measurements; it need not exist."""
    return data_folder() / "calibration.json"


def known_speed(work: str) -> float | None:
    """Seconds per unit of ``work`` as learnt on this machine; None before the first."""
    return known_figure(work)


def learn_speed(work: str, units: float, seconds: float) -> None:
    """Keep that ``units`` of ``work`` took ``seconds``; a folder that can't be written is no
    reason to stop."""
    if units <= 0 or seconds <= 0:
        return
    before, now = known_speed(work), seconds / units
    _keep(work, now if before is None else before + _NEWEST * (now - before))


def known_figure(name: str) -> float | None:
    """Return a positive figure that was kept for this machine; None before the first."""
    return _number(_measured(_load()).get(name))


def keep_figure(name: str, value: float) -> None:
    """Keep a positive figure for this machine, in place of the one before."""
    _keep(name, value)


def memory_speed() -> float:
    """Bytes per second that this machine reads from memory in a product of matrix and vector.

    A model that makes one token after the other reads all its weights for each, and on a processor
    that decides how long a token takes. Measured once (a fraction of a second), then kept.
    """
    return _speed(_MEMORY, (2048, 16_384), (16_384,), 4 * 2048 * 16_384)


def compute_speed() -> float:
    """Floating-point operations per second of this machine in a product of float32 matrices.

    A model that works on a whole clip at once is limited by that. Measured once (a fraction of a
    second), then kept.
    """
    return _speed(_COMPUTE, (1536, 1536), (1536, 1536), 2 * 1536**3)


def _speed(work: str, first: tuple[int, ...], second: tuple[int, ...], amount: float) -> float:
    """What is known of ``work``, or the best of five products that are ``amount`` of it each."""
    if (known := known_speed(work)) is not None:
        return known
    matrix, other = np.ones(first, np.float32), np.ones(second, np.float32)
    speed = amount / min(_timed(matrix, other) for _ in range(5))
    _keep(work, speed)
    return speed


def _timed(matrix: np.ndarray[Any, Any], other: np.ndarray[Any, Any]) -> float:
    begun = time.perf_counter()
    matrix @ other
    return max(time.perf_counter() - begun, 1e-6)


def _machine() -> str:
    return f"{platform.node()}, {platform.machine()}, {os.cpu_count()} processors"


def _load() -> dict[str, Any]:
    try:
        document = parse_json(calibration_file().read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return document if isinstance(document, dict) else {}


def _measured(document: dict[str, Any]) -> dict[str, Any]:
    found = document.get(_machine())
    return found if isinstance(found, dict) else {}


def _keep(work: str, value: float) -> None:
    document = _load()
    document[_machine()] = {**_measured(document), work: value}
    with contextlib.suppress(OutputError):
        write_text(calibration_file(), dump_json(document))


def _number(value: Any) -> float | None:
    usable = isinstance(value, (int, float)) and not isinstance(value, bool) and 0 < value < 1e15
    return float(value) if usable else None
