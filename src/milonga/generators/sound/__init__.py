"""The generator ``sound``: layers from the user's own sound models."""

from milonga.generators.sound.generator import SoundGenerator

__all__ = ["SoundGenerator"]
