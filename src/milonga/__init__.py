"""Milonga: songs and sounds with open generative models, and how good they are.

Names load when they are first used, so that ``import milonga`` costs nothing::

    import milonga

    sheet = milonga.load_sheet("song.yaml")
    clip = milonga.read("takes/01-intro/guide-s0.wav")
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from milonga._version import __version__
from milonga.errors import MilongaError

if TYPE_CHECKING:
    from milonga.analysis.comparison import compare_clips
    from milonga.audio import Clip, read, resample, write
    from milonga.audio.mel.spec import MelSpec
    from milonga.generators.base import Generator, Request
    from milonga.songs.output.folder import OutputFolder
    from milonga.songs.rendering.plan import Selection, make_plan
    from milonga.songs.rendering.render import render
    from milonga.songs.sheet.load import Sheet, load_sheet
    from milonga.vocoders import VocoderBase, get_vocoder
    from milonga.vocoders.mel_adapter import MelAdapter
    from milonga.weights import ensure_bigvgan_weights, ensure_weights
    from milonga.workflows.comparing import compare

_HOMES = {
    "Clip": "milonga.audio",
    "Generator": "milonga.generators.base",
    "MelAdapter": "milonga.vocoders.mel_adapter",
    "MelSpec": "milonga.audio.mel.spec",
    "OutputFolder": "milonga.songs.output.folder",
    "Request": "milonga.generators.base",
    "Selection": "milonga.songs.rendering.plan",
    "Sheet": "milonga.songs.sheet.load",
    "VocoderBase": "milonga.vocoders",
    "compare": "milonga.workflows.comparing",
    "compare_clips": "milonga.analysis.comparison",
    "ensure_bigvgan_weights": "milonga.weights",
    "ensure_weights": "milonga.weights",
    "get_vocoder": "milonga.vocoders",
    "load_sheet": "milonga.songs.sheet.load",
    "make_plan": "milonga.songs.rendering.plan",
    "read": "milonga.audio",
    "render": "milonga.songs.rendering.render",
    "resample": "milonga.audio",
    "write": "milonga.audio",
}

__all__ = [
    "Clip",
    "Generator",
    "MelAdapter",
    "MelSpec",
    "MilongaError",
    "OutputFolder",
    "Request",
    "Selection",
    "Sheet",
    "VocoderBase",
    "__version__",
    "compare",
    "compare_clips",
    "ensure_bigvgan_weights",
    "ensure_weights",
    "get_vocoder",
    "load_sheet",
    "make_plan",
    "read",
    "render",
    "resample",
    "write",
]


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'milonga' has no attribute {name!r}")
    return getattr(import_module(_HOMES[name]), name)


def __dir__() -> list[str]:
    return sorted(__all__)
