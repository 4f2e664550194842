"""Milonga: songs and sounds with open generative models, and how good they are."""

from milonga._version import __version__

__all__ = ["__version__"]
