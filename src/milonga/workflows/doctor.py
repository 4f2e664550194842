"""Finding what would stop the work, before any work."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from importlib import import_module
from pathlib import Path

from milonga.errors import MilongaError
from milonga.runtime.health import HealthContext, HealthFinding, problem

CHECKS: dict[str, str] = {
    "python": "milonga.workflows.health:python",
    "libraries": "milonga.workflows.health:libraries",
    "configuration": "milonga.workflows.health:configuration",
    "data folder": "milonga.workflows.health:data_folder",
    "audio formats": "milonga.workflows.health:audio_formats",
    "devices": "milonga.workflows.health:devices",
    "vocoder": "milonga.vocoders.health:vocoder_kernels",
    "precision": "milonga.workflows.health:precision",
    "memory": "milonga.workflows.health:memory",
    "cache": "milonga.weights.health:cache",
    "disk": "milonga.weights.health:disk_space",
    "models": "milonga.weights.health:models",
    "network": "milonga.weights.health:network",
    "access": "milonga.weights.health:access",
}
"""Name of a check -> its function ``HealthContext -> Iterable[HealthFinding]``, imported when it
runs. A part of milonga adds a line here for what it needs to work."""


def doctor(
    keys: Sequence[str] = (),
    *,
    offline: bool = False,
    cache_dir: str | os.PathLike[str] | None = None,
) -> list[HealthFinding]:
    """Check libraries, devices, memory, disk, the model cache, tokens and access.

    Args:
        keys: models of the catalogue to ask about; empty for a general look.
        offline: never use the network (as ``HF_HUB_OFFLINE=1``).
        cache_dir: this cache instead of the Hugging Face cache.

    Returns:
        Every finding, also those that all is well.

    Raises:
        UnknownNameError: a model isn't in the catalogue.
    """
    from milonga.weights.catalogue import known_model
    from milonga.weights.settings import is_offline

    for key in keys:
        known_model(key)
    return examine(
        HealthContext(
            tuple(keys),
            network=not (offline or is_offline()),
            cache_dir=None if cache_dir is None else Path(cache_dir),
        )
    )


def examine(context: HealthContext) -> list[HealthFinding]:
    """Run every check; a check that fails itself is a problem, too."""
    return [replace(found, check=name) for name in CHECKS for found in run_check(name, context)]


def run_check(name: str, context: HealthContext) -> list[HealthFinding]:
    """Run one check of ``CHECKS``."""
    module, _, attribute = CHECKS[name].partition(":")
    check: Callable[[HealthContext], Iterable[HealthFinding]] = getattr(
        import_module(module), attribute
    )
    try:
        return list(check(context))
    except MilongaError as error:
        text = f"{error.where}: {error.message}" if error.where else error.message
        return [problem(text, error.step or "")]
