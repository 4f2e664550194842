"""The generator ``sound``: layers from the user's own sound models."""

from milonga.generators.sound.generator import Sound

__all__ = ["Sound"]
