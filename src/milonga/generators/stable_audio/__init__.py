"""The ``stable-audio`` generator: instrumental stereo from a description, by Stable Audio Open."""

from milonga.generators.stable_audio.generator import StableAudio

__all__ = ["StableAudio"]
