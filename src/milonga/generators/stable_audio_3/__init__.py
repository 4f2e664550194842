"""The ``stable-audio-3`` generator: minutes of instrumental stereo, by Stable Audio 3."""

from milonga.generators.stable_audio_3.generator import StableAudio3

__all__ = ["StableAudio3"]
