"""The outlook of a render before any work: files, terms, access, device, memory, time."""

from __future__ import annotations

from dataclasses import dataclass

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
from milonga.weights.hub.network import faults
from milonga.weights.hub.retries import Retry
from milonga.weights.hub.tokens import find_token
from milonga.weights.settings import is_offline, may_ask
from milonga.weights.sources import find_source

_CONNECT_S = 3.0
_USE = {"yes": "allowed", "no": "not allowed", "conditional": "allowed on conditions"}


@dataclass(frozen=True, slots=True)
class RenderOutlook:
    """The outlook of one render.

    Attributes:
        estimate_s: seconds of work, if known.
        memory: bytes needed, if known.
        numbers: the precision, in words.
        notes: more lines for the plan.
        download: bytes that the first take downloads beside the model.
        precision: as the calibration calls it, on a processor.
    """

    estimate_s: float | None
    memory: float | None
    numbers: str = "float32"
    notes: tuple[str, ...] = ()
    download: int = 0
    precision: str = "float32"


def offline_problem(name: str) -> Problem | None:
    """Refuse a model that isn't here, where no connection can come about: the network is switched
    off, or a variable of a proxy or a certificate can't be used."""
    if is_offline():
        return Problem(
            f"{name} is not on this machine, and the network is switched off.",
            "model",
            step=f"With a network, run: milonga weights get {name}",
        )
    if (fault := next(faults(), None)) is None:
        return None
    return Problem(
        f"{name} is not on this machine, and can't be downloaded: {fault.message}",
        "model",
        step=fault.step or "",
    )


def access_problem(name: str, like: str) -> tuple[Problem | None, str | None]:
    """Ask the hub whether it would give a model that isn't here.

    Returns:
        The problem, if there is one; and a note where the hub couldn't be asked.
    """
    if not may_ask():
        return None, f"{name}: gated; the hub is asked for it once it is downloaded."
    source = find_source(name, load_config(), like=like)
    try:
        with Hub(Progress(), Retry(attempts=1), find_token(), connect_s=_CONNECT_S) as hub:
            hub.check_access(source.repo, source.files.needed[0][0], source.revision)
    except AccessError as error:
        return Problem(error.message, "model", step=error.step or ""), None
    except WeightsError as error:
        return None, (
            f"{name}: the hub can't be asked now whether it gives the files: {error.note} The "
            "first take tries again."
        )
    return None, None


def weights_size(name: str, local: LocalWeights | None) -> int | None:
    """Bytes of a model's files; None for a repository of which nothing is known yet."""
    if local is not None:
        return size_of(local)
    known = weights.CATALOGUE.get(name)
    return known.size if known else None


def notes_of(
    name: str,
    local: LocalWeights | None,
    licences: tuple[Licence, ...],
    device: str,
    seen: RenderOutlook,
) -> list[str]:
    """The lines of a plan about a model: files, licence, device and memory, and what is added.

    Args:
        name: the model, as the user calls it.
        local: its files, if they are here.
        licences: its terms, then those of parts that have their own.
        device: as asked for; ``auto`` isn't resolved, since that takes torch.
        seen: the outlook.
    """
    size = weights_size(name, local)
    if local is not None:
        files = f"its files are on this machine ({size_text(size or 0)})."
    else:
        text = "its files" if size is None else f"about {size_text(size)}"
        files = f"not on this machine yet; the first take downloads {text}."
    where = "the best device that works" if device == "auto" else device
    needs = f"computes on {where}, in {seen.numbers}"
    if seen.memory is not None:
        needs += f", with about {size_text(seen.memory)} of memory"
        total = total_memory()
        if seen.memory > total:
            needs += f"; this machine has only {size_text(total)}"
    return [
        f"{name}: {files}",
        *(
            f"{name if i == 0 else one.what}: licence {one.name}; commercial use is "
            f"{_USE[one.commercial_use]}."
            for i, one in enumerate(licences)
        ),
        f"{name}: {needs}.",
        *seen.notes,
    ]


def speed_on(device: str, work: str, elsewhere: str | None = None) -> float | None:
    """Seconds per unit of work as learnt on ``device``, or for ``auto`` on the best one tried.

    Args:
        device: ``auto``, ``cpu``, ``cuda``, ``cuda:1``, ``mps``.
        work: as the calibration calls it, but for the device, which is put at its end.
        elsewhere: its name on an accelerator, where that computes in another precision.
    """
    for one in ("cuda:0", "cuda", "mps", "cpu") if device == "auto" else (device,):
        name = work if one == "cpu" or elsewhere is None else elsewhere
        if (speed := known_speed(f"{name}, {one}")) is not None:
            return speed
    return None
