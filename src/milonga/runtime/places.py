"""The folder of the user's own data."""

from __future__ import annotations

import os
from pathlib import Path


def data_folder() -> Path:
    """Return the folder for sound models, presets, history and configuration; it may not exist yet.

    ``MILONGA_HOME`` where that is set, otherwise the platform's data folder.
    """
    home = os.environ.get("MILONGA_HOME")
    if home:
        return Path(home).expanduser()
    from platformdirs import user_data_path

    return user_data_path("milonga", appauthor=False)


def config_file() -> Path:
    """Return the path of the configuration, a TOML file that the user may write."""
    return data_folder() / "config.toml"
