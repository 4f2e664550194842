"""What can be said of a model before any work: files, terms, access, device, memory."""

from __future__ import annotations

from milonga import weights
from milonga.errors import AccessError, Problem, WeightsError
from milonga.generators.base import Licence
from milonga.generators.neural.calibration import known_speed
from milonga.generators.neural.loading import size_of
from milonga.runtime.config import load_config
from milonga.runtime.memory import total_memory
from milonga.runtime.progress import Progress
from milonga.runtime.words import size_text
from milonga.weights import LocalWeights
from milonga.weights.hub.client import Hub
from milonga.weights.hub.retries import Retry
from milonga.weights.hub.tokens import find_token
from milonga.weights.settings import is_offline
from milonga.weights.sources import find_source

_CONNECT_S = 3.0
_USE = {"yes": "allowed", "no": "not allowed", "conditional": "allowed on conditions"}


def offline_problem(name: str) -> Problem | None:
    """What stops a model that isn't here, where the network is switched off."""
    if not is_offline():
        return None
    return Problem(
        f"{name} is not on this machine, and the network is switched off.",
        "model",
        step=f"With a network, run: milonga weights get {name}",
    )


def access_problem(name: str, like: str) -> tuple[Problem | None, str | None]:
    """Asks the hub whether it would give a model that isn't here.

    Returns:
        What stops it; and a note where the hub couldn't be asked.
    """
    source = find_source(name, load_config(), like=like)
    try:
        with Hub(Progress(), Retry(attempts=1), find_token(), connect_s=_CONNECT_S) as hub:
            hub.check_access(source.repo, source.files.needed[0][0], source.revision)
    except AccessError as error:
        return Problem(error.message, "model", step=error.step or ""), None
    except WeightsError as error:
        return None, (
            f"{name}: the hub can't be asked now whether it gives the files: {error.message} The "
            "first take tries again."
        )
    return None, None


def weights_size(name: str, local: LocalWeights | None) -> int | None:
    """Bytes of a model's files; None for a repository of which nothing is known yet."""
    if local is not None:
        return size_of(local)
    known = weights.CATALOGUE.get(name)
    return known.size if known else None


def files_note(name: str, local: LocalWeights | None) -> str:
    """Whether the files are here, and their size."""
    size = weights_size(name, local)
    if local is not None:
        return f"{name}: its files are on this machine ({size_text(size or 0)})."
    text = "its files" if size is None else f"about {size_text(size)}"
    return f"{name}: not on this machine yet; the first take downloads {text}."


def licence_note(name: str, licence: Licence) -> str:
    """The licence, and whether it allows commercial use."""
    return f"{name}: licence {licence.name}; commercial use is {_USE[licence.commercial_use]}."


def needs_note(name: str, device: str, numbers: str, memory: float | None) -> str:
    """Where it computes, and the memory for that.

    Args:
        name: the model.
        device: as asked for.
        numbers: in which precision.
        memory: bytes, if known.
    """
    where = "the best device that works" if device == "auto" else device
    text = f"{name}: computes on {where}, in {numbers}"
    if memory is None:
        return f"{text}."
    text += f", with about {size_text(memory)} of memory"
    total = total_memory()
    if total is not None and memory > total:
        return f"{text}; this machine has only {size_text(total)}."
    return f"{text}."


def speed_on(device: str, work: str) -> float | None:
    """Seconds per unit of work as learnt on ``device``, or for ``auto`` on the best one tried.

    Args:
        device: ``auto``, ``cpu``, ``cuda``, ``cuda:1``, ``mps``.
        work: as the calibration calls it, but for the device, which is put at its end.
    """
    for one in ("cuda:0", "cuda", "mps", "cpu") if device == "auto" else (device,):
        if (speed := known_speed(f"{work}, {one}")) is not None:
            return speed
    return None
