"""Where milonga keeps what is the user's own."""

from __future__ import annotations

import os
from pathlib import Path


def data_folder() -> Path:
    """The folder for sound models, presets, history and configuration; it need not exist yet.

    ``MILONGA_HOME`` where that is set, otherwise the platform's data folder.
    """
    home = os.environ.get("MILONGA_HOME")
    if home:
        return Path(home).expanduser()
    from platformdirs import user_data_path

    return user_data_path("milonga", appauthor=False)


def config_file() -> Path:
    """The configuration, a TOML file that the user may write."""
    return data_folder() / "config.toml"
