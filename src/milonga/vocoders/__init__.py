"""Mel-spectrogram to waveform: ``get_vocoder`` and the contract of vocoders."""

from milonga.errors import VocoderError
from milonga.vocoders.base import VocoderBase
from milonga.vocoders.registry import VOCODERS, get_vocoder

__all__ = ["VOCODERS", "VocoderBase", "VocoderError", "get_vocoder"]
