"""``python -m milonga``."""

from milonga.cli.main import entry

entry()
