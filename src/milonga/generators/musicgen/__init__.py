"""The ``musicgen`` generator: instrumental music from a description, by Meta's MusicGen."""

from milonga.generators.musicgen.generator import MusicGen

__all__ = ["MusicGen"]
