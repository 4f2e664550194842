"""The ``bark`` generator: sung and spoken words, by Suno's Bark."""

from milonga.generators.bark.generator import Bark

__all__ = ["Bark"]
