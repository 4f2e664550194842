"""Health checks of the machine and the installation, for ``milonga doctor``."""

from __future__ import annotations

import platform
import secrets
import sys
from collections.abc import Iterator
from importlib import metadata
from typing import TYPE_CHECKING

from milonga._installed import install_command
from milonga.runtime.health import HealthContext, HealthFinding, ok, problem, warning
from milonga.runtime.words import size_text

if TYPE_CHECKING:
    from packaging.requirements import Requirement

_OLDEST_PYTHON = (3, 11)
_LOW_MEMORY = 6_000_000_000
"""Below this the smaller models swap, too."""


def python(context: HealthContext) -> Iterator[HealthFinding]:
    """Check the interpreter's version."""
    version = platform.python_version()
    if sys.version_info[:2] < _OLDEST_PYTHON:
        yield problem(f"Python {version} is too old.", "Install Python 3.11 or newer.")
    else:
        yield ok(f"Python {version} on {platform.system()} {platform.machine()}")


def libraries(context: HealthContext) -> Iterator[HealthFinding]:
    """Check installed versions against the supported ones, for the base and each extra."""
    from milonga.weights.catalogue import CATALOGUE

    models = [CATALOGUE[key] for key in context.keys]
    for extra, requirements in sorted(_requirements().items()):
        label = f"extra {extra}" if extra else "base"
        run = install_command(extra, upgrade=True)
        needed = {name for model in models if model.extra == extra for name in model.libraries}
        if not extra:
            needed = {requirement.name for requirement in requirements}
        absent, right = [], []
        for requirement in requirements:
            version = _version(requirement.name)
            if version is None:
                absent.append(requirement.name)
            elif requirement.specifier.contains(version, prereleases=True):
                right.append(f"{requirement.name} {version}")
            else:
                finding = problem if requirement.name in needed else warning
                yield finding(
                    f"{requirement.name} {version} is not supported: {label} needs {requirement}",
                    f"Run: {run}",
                )
        if lacking := sorted(needed.intersection(absent)):
            yield problem(f"{label} lacks {', '.join(lacking)}", f"Run: {run}")
        elif not right:
            yield ok(f"{label} is not installed", f"If you want it: {run}")
        elif absent:
            yield ok(
                f"{label}, in part: {', '.join(right)}; without {', '.join(absent)}",
                f"If you want all of it: {run}",
            )
        else:
            yield ok(f"{label}: {', '.join(right)}")


def configuration(context: HealthContext) -> Iterator[HealthFinding]:
    """Check the configuration file."""
    from milonga.runtime.config import load_config
    from milonga.runtime.places import config_file
    from milonga.weights.catalogue import CATALOGUE

    strange = [key for key in load_config().weights.sources if key not in CATALOGUE]
    if strange:
        yield warning(
            f"{config_file()} has [weights.sources.{strange[0]}], but there is no such model",
            f"Known: {', '.join(CATALOGUE)}.",
        )
    elif config_file().exists():
        yield ok(str(config_file()))
    else:
        yield ok(f"none; it would be {config_file()}")


def data_folder(context: HealthContext) -> Iterator[HealthFinding]:
    """Check that sound models, presets and history can be saved."""
    from milonga.runtime import places
    from milonga.runtime.files import existing_part

    folder = places.data_folder()
    there = existing_part(folder)
    trial = there / f".milonga-{secrets.token_hex(4)}"
    try:
        trial.touch()
        trial.unlink()
    except OSError as error:
        yield problem(
            f"{there} can't be written: {error.strerror or error}",
            "Make it writable, or set MILONGA_HOME to another folder.",
        )
    else:
        yield ok(str(folder))


def audio_formats(context: HealthContext) -> Iterator[HealthFinding]:
    """Write and read a tenth of a second in every format."""
    import io

    import numpy as np
    import soundfile as sf

    sound = np.zeros((4410, 2), dtype=np.float32)
    works, fails = [], []
    for name in ("WAV", "FLAC", "OGG", "MP3", "AIFF"):
        buffer = io.BytesIO()
        try:
            sf.write(buffer, sound, 44100, format=name)
            buffer.seek(0)
            sf.read(buffer)
            works.append(name)
        except (sf.LibsndfileError, ValueError, RuntimeError):
            fails.append(name)
    version = f"libsndfile {sf.__libsndfile_version__}"
    if fails:
        yield warning(
            f"{version} can't do {', '.join(fails)}; {', '.join(works)} work",
            "Run: pip install --upgrade soundfile",
        )
    else:
        yield ok(f"{', '.join(works)} ({version})")


def devices(context: HealthContext) -> Iterator[HealthFinding]:
    """Try a small computation on each device."""
    from milonga.runtime.devices import device_names, fault_of, pick_device, torch_installed

    reinstall = "Run: pip install --force-reinstall torch"
    if not torch_installed():
        yield ok("torch is not installed, so no model needs a device")
        return
    try:
        names = device_names()
    except (ImportError, OSError) as error:
        yield problem(f"torch can't be imported: {str(error).splitlines()[0]}", reinstall)
        return
    for name in names:
        title, fault = _device_title(name), fault_of(name)
        if fault is None:
            yield ok(f"{title} works")
        elif name == "cpu":
            yield problem(f"{title} does not work: {fault}", reinstall)
        else:
            yield warning(
                f"{title} does not work: {fault}",
                "Update its driver and torch; until then another device is used.",
            )
    yield ok(f"models run on {pick_device()}")


def precision(context: HealthContext) -> Iterator[HealthFinding]:
    """Say in which precisions this processor multiplies fast; the others compute in float32."""
    from milonga.compute.products.precision import PRECISIONS, SPEED, why_slow
    from milonga.generators.neural.calibration import known_figure
    from milonga.generators.neural.precision import speed_name, why_slow_here
    from milonga.runtime.devices import torch_installed

    if not torch_installed():
        return
    quick, slow = [], []
    for one in PRECISIONS:
        reason = why_slow_here(one)
        speed = known_figure(speed_name(one)) if why_slow(one) is None else None
        if reason is None:
            measured = f"{speed / 1e9:.0f} billion operations a second" if speed else ""
            guess = f"about {SPEED[one]:g} times float32" if one != "float32" else ""
            said = measured or guess
            quick.append(f"{one} ({said})" if said else one)
        else:
            slow.append(f"not in {one}: {reason}")
    yield ok(f"models on the CPU compute fast in {', '.join(quick)}")
    if slow:
        yield ok("; ".join(slow), "Models compute in float32 instead, which takes longer.")
    yield _token_models()


def _token_models() -> HealthFinding:
    """Say what makes the tokens of MusicGen and Bark on the CPU, and in how many bits."""
    from milonga.compute.convolutions.kernels.available import why_no_kernels
    from milonga.generators.neural.bits import foreseen_bits, words_of
    from milonga.weights import locate
    from milonga.weights.catalogue import CATALOGUE

    who = "MusicGen and Bark make tokens"
    if (reason := why_no_kernels()) is not None:
        return ok(f"{who} with plain torch in float32: {reason}")
    said = []
    for key, known in CATALOGUE.items():
        if known.used_by not in ("generator musicgen", "generator bark"):
            continue
        if (local := locate(key)) is not None:
            chosen = foreseen_bits("auto", "float32", local, "cpu")
            said.append(f"{key} in {words_of('auto', chosen)}")
    what = "; ".join(said) or "in the fewest bits whose odds stay (int8, bfloat16 or float32)"
    return ok(f"{who} with compiled steps, {what}")


def memory(context: HealthContext) -> Iterator[HealthFinding]:
    """Check the memory against what the models in question take."""
    from milonga.runtime.memory import available_memory, total_memory
    from milonga.weights.catalogue import CATALOGUE

    total, free = total_memory(), available_memory()
    text = f"{size_text(total)}, {size_text(free)} free"
    # The weights once, and room for what is computed with them.
    needs = {key: round(CATALOGUE[key].size * 1.5) for key in context.keys}
    largest = max(needs, key=needs.__getitem__, default="")
    need = needs.get(largest, 0)
    if need > total:
        yield problem(
            f"{text}; {largest} takes about {size_text(need)}",
            "Use a smaller model, such as bark-small or musicgen-small.",
        )
    elif need > free:
        yield warning(
            f"{text}; {largest} takes about {size_text(need)}",
            "Close other programs before rendering.",
        )
    elif total < _LOW_MEMORY:
        yield warning(
            f"{text}: little for neural models",
            "Use the small models (bark-small, musicgen-small) or the guide.",
        )
    else:
        yield ok(text)


def _requirements() -> dict[str, list[Requirement]]:
    """Return what the installed milonga needs on this system: by extra, the base under ``""``."""
    from packaging.requirements import Requirement

    found: dict[str, list[Requirement]] = {"": []}
    extras = metadata.metadata("milonga").get_all("Provides-Extra") or []
    for text in metadata.requires("milonga") or []:
        row = Requirement(text)
        # An extra that is made of others says nothing of its own.
        if row.name == "milonga":
            continue
        if row.marker is None or "extra" not in str(row.marker):
            if row.marker is None or row.marker.evaluate():
                found[""].append(row)
            continue
        for extra in extras:
            if extra != "all" and row.marker.evaluate({"extra": extra}):
                found.setdefault(extra, []).append(row)
    return found


def _version(name: str) -> str | None:
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return None


def _device_title(name: str) -> str:
    if not name.startswith("cuda"):
        return name
    import torch

    return f"{name} ({torch.cuda.get_device_name(name)})"
