"""The folder of the user's own data."""

from __future__ import annotations

import os
from pathlib import Path

from milonga.errors import ConfigError


def expanded(path: str | os.PathLike[str]) -> Path:
    """Put the home of the user, or of ``~NAME``, in place of the beginning of a path.

    Raises:
        ConfigError: there is no such home.
    """
    try:
        return Path(path).expanduser()
    except RuntimeError:
        raise ConfigError(
            f"The home folder {Path(path).parts[0]} isn't known here.",
            where=path,
            step="Write the path from its root, without ~.",
        ) from None


def data_folder() -> Path:
    """Return the folder for sound models, presets, history and configuration; it may not exist yet.

    ``MILONGA_HOME`` where that is set, otherwise the platform's data folder.
    """
    home = os.environ.get("MILONGA_HOME")
    if home:
        return expanded(home)
    from platformdirs import user_data_path

    return user_data_path("milonga", appauthor=False)


def copies_folder() -> Path:
    """Return the folder of models' int8 copies; it may not exist yet."""
    return data_folder() / "int8"


def copy_stem(name: str) -> str:
    """Write the name of a network as the names of its copies begin.

    Args:
        name: the model as the user calls it, a space, and a word for the part.
    """
    return "".join(c if c.isalnum() else "-" for c in name)[-40:]


def config_file() -> Path:
    """Return the path of the configuration, a TOML file that the user may write."""
    return data_folder() / "config.toml"
