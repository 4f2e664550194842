"""Checks of the machine and the installation, for ``milonga doctor``."""

from __future__ import annotations

import platform
import secrets
import sys
from collections.abc import Iterator
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING

from milonga.runtime.checks import Context, Finding
from milonga.runtime.words import size_text

if TYPE_CHECKING:
    from packaging.requirements import Requirement

_OLDEST_PYTHON = (3, 11)
_LOW_MEMORY = 6_000_000_000
"""Below this the smaller models swap, too."""


def python(context: Context) -> Iterator[Finding]:
    """The interpreter, and whether it is one of a processor's own kind."""
    version = platform.python_version()
    system = f"{platform.system()} {platform.machine()}"
    if sys.version_info[:2] < _OLDEST_PYTHON:
        yield Finding(
            "python", "problem", f"Python {version} is too old.", "Install Python 3.11 or newer."
        )
    else:
        yield Finding("python", "ok", f"Python {version} on {system}")


def libraries(context: Context) -> Iterator[Finding]:
    """Installed versions against the supported ones, for the base and each extra."""
    from milonga.weights.catalogue import CATALOGUE

    entries = [CATALOGUE[key] for key in context.keys]
    for extra, requirements in sorted(_requirements().items()):
        label = f"extra {extra}" if extra else "base"
        run = f"pip install --upgrade 'milonga{f'[{extra}]' if extra else ''}'"
        needed = {name for entry in entries if entry.extra == extra for name in entry.libraries}
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
                yield Finding(
                    "libraries",
                    "problem" if requirement.name in needed else "warning",
                    f"{requirement.name} {version} is not supported: {label} needs {requirement}",
                    f"Run: {run}",
                )
        if lacking := sorted(needed.intersection(absent)):
            yield Finding(
                "libraries", "problem", f"{label} lacks {', '.join(lacking)}", f"Run: {run}"
            )
        elif not right:
            yield Finding("libraries", "ok", f"{label} is not installed", f"If you want it: {run}")
        elif absent:
            yield Finding(
                "libraries",
                "ok",
                f"{label}, in part: {', '.join(right)}; without {', '.join(absent)}",
                f"If you want all of it: {run}",
            )
        else:
            yield Finding("libraries", "ok", f"{label}: {', '.join(right)}")


def configuration(context: Context) -> Iterator[Finding]:
    """The configuration file."""
    from milonga.runtime.config import load_config
    from milonga.runtime.places import config_file
    from milonga.weights.catalogue import CATALOGUE

    config = load_config()
    strange = [key for key in config.weights.sources if key not in CATALOGUE]
    if strange:
        yield Finding(
            "configuration",
            "warning",
            f"{config_file()} has [weights.sources.{strange[0]}], but there is no such model",
            f"Known: {', '.join(CATALOGUE)}.",
        )
    elif config_file().exists():
        yield Finding("configuration", "ok", str(config_file()))
    else:
        yield Finding("configuration", "ok", f"none; it would be {config_file()}")


def data_folder(context: Context) -> Iterator[Finding]:
    """Whether the user's own things can be saved."""
    from milonga.runtime import places

    folder = places.data_folder()
    there = folder
    while not there.exists() and there != there.parent:
        there = there.parent
    fault = _write_fault(there)
    if fault is None:
        yield Finding("data folder", "ok", str(folder))
    else:
        yield Finding(
            "data folder",
            "problem",
            f"{there} can't be written: {fault}",
            "Make it writable, or set MILONGA_HOME to another folder.",
        )


def audio_formats(context: Context) -> Iterator[Finding]:
    """Writes and reads a tenth of a second in every format."""
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
        yield Finding(
            "audio formats",
            "warning",
            f"{version} can't do {', '.join(fails)}; {', '.join(works)} work",
            "Run: pip install --upgrade soundfile",
        )
    else:
        yield Finding("audio formats", "ok", f"{', '.join(works)} ({version})")


def devices(context: Context) -> Iterator[Finding]:
    """A small computation on each device."""
    from milonga.runtime.devices import device_names, fault_of, pick_device, torch_installed

    if not torch_installed():
        yield Finding("devices", "ok", "torch is not installed, so no model needs a device")
        return
    try:
        names = device_names()
    except (ImportError, OSError) as error:
        yield Finding(
            "devices",
            "problem",
            f"torch can't be imported: {str(error).splitlines()[0]}",
            "Run: pip install --force-reinstall torch",
        )
        return
    for name in names:
        fault = fault_of(name)
        if fault is None:
            yield Finding("devices", "ok", f"{_device_title(name)} works")
        else:
            yield Finding(
                "devices",
                "warning" if name != "cpu" else "problem",
                f"{_device_title(name)} does not work: {fault}",
                "Update its driver and torch; until then another device is used."
                if name != "cpu"
                else "Run: pip install --force-reinstall torch",
            )
    yield Finding("devices", "ok", f"models run on {pick_device()}")


def memory(context: Context) -> Iterator[Finding]:
    """Memory, against what the models in question take."""
    from milonga.runtime.memory import available_memory, total_memory
    from milonga.weights.catalogue import CATALOGUE

    total, free = total_memory(), available_memory()
    if total is None:
        yield Finding("memory", "ok", "its size is not known on this system")
        return
    text = f"{size_text(total)}" + (f", {size_text(free)} free" if free is not None else "")
    # The weights once, and room for what is computed with them.
    needs = {key: int(CATALOGUE[key].size * 1.5) for key in context.keys}
    short = [key for key, need in needs.items() if need > total]
    tight = [key for key, need in needs.items() if free is not None and free < need <= total]
    if short:
        yield Finding(
            "memory",
            "problem",
            f"{text}; {short[0]} takes about {size_text(needs[short[0]])}",
            "Use a smaller model, such as bark-small or musicgen-small.",
        )
    elif tight:
        yield Finding(
            "memory",
            "warning",
            f"{text}; {tight[0]} takes about {size_text(needs[tight[0]])}",
            "Close other programs before rendering.",
        )
    elif total < _LOW_MEMORY:
        yield Finding(
            "memory",
            "warning",
            f"{text}: little for neural models",
            "Use the small models (bark-small, musicgen-small) or the guide.",
        )
    else:
        yield Finding("memory", "ok", text)


def _requirements() -> dict[str, list[Requirement]]:
    """What the installed milonga says it needs on this system: by extra, the base under ``""``."""
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


def _write_fault(folder: Path) -> str | None:
    trial = folder / f".milonga-{secrets.token_hex(4)}"
    try:
        trial.touch()
        trial.unlink()
    except OSError as error:
        return error.strerror or str(error)
    return None
