"""The way in which this milonga was installed."""

from __future__ import annotations

import sys


def install_command(extra: str = "", *, upgrade: bool = False) -> str:
    """Return the command that installs milonga with an extra, as this milonga was installed.

    It names the Python that runs, since ``pip`` on the path may belong to another; and the folder
    that milonga came from (PEP 610), since it need not be on a package index.
    """
    # Only an error needs these, and every import of milonga would wait for them.
    import json
    from importlib.metadata import PackageNotFoundError, distribution
    from pathlib import Path
    from urllib.parse import urlsplit
    from urllib.request import url2pathname

    brackets = f"[{extra}]" if extra else ""
    try:
        origin = json.loads(distribution("milonga").read_text("direct_url.json") or "{}")
    except (PackageNotFoundError, ValueError):
        origin = {}
    address, target = str(origin.get("url", "")), f"milonga{brackets}"
    words = ["--upgrade"] if upgrade else []
    if origin.get("vcs_info"):
        target = f"{target} @ {origin['vcs_info'].get('vcs')}+{address}"
    elif address.startswith("file:"):
        folder = Path(url2pathname(urlsplit(address).path))
        if folder.is_dir():
            target = f"{folder}{brackets}"
            words += ["-e"] if origin.get("dir_info", {}).get("editable") else []
    quote = '"' if sys.platform == "win32" else "'"
    python = sys.executable if " " not in sys.executable else f"{quote}{sys.executable}{quote}"
    return " ".join([python, "-m pip install", *words, f"{quote}{target}{quote}"])
