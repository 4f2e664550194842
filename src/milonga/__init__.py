"""Milonga: songs and sounds with open generative models, and how good they are.

Whatever a command does, one call does::

    import milonga

    song = milonga.render_song("song.yaml", "out", generators=["guide"])
    song.mix.path, song.report

    clip = milonga.read("out/song.wav")
    milonga.compare("baseline.ogg", ["out/song.wav"])

Names and submodules load when they are first used, so ``import milonga`` costs nothing.
Whatever a user can cause raises a ``MilongaError``, which says what was wrong, where, and how to
fix it.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from milonga._version import __version__
from milonga.errors import Cancelled, MilongaError

if TYPE_CHECKING:
    from milonga.analysis.comparison import compare_clips
    from milonga.analysis.features import features
    from milonga.analysis.sets import compare_sets
    from milonga.analysis.take_checks import check_take, take_remarks
    from milonga.audio import (
        Clip,
        Tags,
        loudness_lufs,
        probe,
        read,
        resample,
        true_peak_dbtp,
        write,
    )
    from milonga.audio.export.settings import ExportSettings
    from milonga.audio.mel.spec import MelSpec
    from milonga.generators.base import Generator, LyricLine, Request
    from milonga.generators.registry import generator
    from milonga.runtime.progress import Progress
    from milonga.songs.markdown.export import export_markdown
    from milonga.songs.markdown.import_ import import_markdown
    from milonga.songs.output.folder import OutputFolder
    from milonga.songs.sheet.load import load_sheet
    from milonga.songs.sheet.model import Sheet
    from milonga.sounds.instrument.instrument import Instrument
    from milonga.sounds.library.history import History
    from milonga.sounds.library.library import Library
    from milonga.sounds.library.presets import Presets
    from milonga.sounds.model.play_settings import PlaySettings
    from milonga.sounds.training.settings import TrainSettings
    from milonga.vocoders import VocoderBase, get_vocoder
    from milonga.vocoders.mel_adapter import MelAdapter
    from milonga.weights import (
        ensure_bigvgan_weights,
        ensure_weights,
        list_weights,
        remove_weights,
        verify_weights,
    )
    from milonga.workflows.batches import play_batch
    from milonga.workflows.board import song_board
    from milonga.workflows.comparing import compare, compare_pairs
    from milonga.workflows.doctor import doctor
    from milonga.workflows.edits import edit_take, plan_edit
    from milonga.workflows.history import compare_history, replay_sound
    from milonga.workflows.judging.listening import make_listening_test, read_listening_test
    from milonga.workflows.judging.study import plan_study, run_study
    from milonga.workflows.playing import blend_sounds, play_sound, play_sounds
    from milonga.workflows.presets import save_preset
    from milonga.workflows.scoring.everything import score
    from milonga.workflows.scoring.facts import check_facts
    from milonga.workflows.scoring.matching import match_texts
    from milonga.workflows.scoring.rating import rate_recordings
    from milonga.workflows.scoring.words import score_recordings
    from milonga.workflows.sheets import (
        change_draft,
        check_sheet,
        export_sheet,
        import_sheet,
        new_sheet,
        read_draft,
    )
    from milonga.workflows.songs import mix_song, plan_song, render_song, replay, write_report
    from milonga.workflows.studio.export import export_song
    from milonga.workflows.studio.instruments import export_sound
    from milonga.workflows.takes import compare_takes, list_takes, prune_takes
    from milonga.workflows.training import train_model
    from milonga.workflows.vocoding import fine_tune_vocoder, vocode

_HOMES = {
    "Clip": "milonga.audio",
    "ExportSettings": "milonga.audio.export.settings",
    "Generator": "milonga.generators.base",
    "History": "milonga.sounds.library.history",
    "Instrument": "milonga.sounds.instrument.instrument",
    "Library": "milonga.sounds.library.library",
    "LyricLine": "milonga.generators.base",
    "MelAdapter": "milonga.vocoders.mel_adapter",
    "MelSpec": "milonga.audio.mel.spec",
    "OutputFolder": "milonga.songs.output.folder",
    "PlaySettings": "milonga.sounds.model.play_settings",
    "Presets": "milonga.sounds.library.presets",
    "Progress": "milonga.runtime.progress",
    "Request": "milonga.generators.base",
    "Sheet": "milonga.songs.sheet.model",
    "Tags": "milonga.audio",
    "TrainSettings": "milonga.sounds.training.settings",
    "VocoderBase": "milonga.vocoders",
    "blend_sounds": "milonga.workflows.playing",
    "change_draft": "milonga.workflows.sheets",
    "check_facts": "milonga.workflows.scoring.facts",
    "check_sheet": "milonga.workflows.sheets",
    "check_take": "milonga.analysis.take_checks",
    "compare": "milonga.workflows.comparing",
    "compare_clips": "milonga.analysis.comparison",
    "compare_history": "milonga.workflows.history",
    "compare_pairs": "milonga.workflows.comparing",
    "compare_sets": "milonga.analysis.sets",
    "compare_takes": "milonga.workflows.takes",
    "doctor": "milonga.workflows.doctor",
    "edit_take": "milonga.workflows.edits",
    "ensure_bigvgan_weights": "milonga.weights",
    "ensure_weights": "milonga.weights",
    "export_markdown": "milonga.songs.markdown.export",
    "export_sheet": "milonga.workflows.sheets",
    "export_sound": "milonga.workflows.studio.instruments",
    "export_song": "milonga.workflows.studio.export",
    "features": "milonga.analysis.features",
    "fine_tune_vocoder": "milonga.workflows.vocoding",
    "generator": "milonga.generators.registry",
    "get_vocoder": "milonga.vocoders",
    "import_markdown": "milonga.songs.markdown.import_",
    "import_sheet": "milonga.workflows.sheets",
    "list_takes": "milonga.workflows.takes",
    "list_weights": "milonga.weights",
    "load_sheet": "milonga.songs.sheet.load",
    "loudness_lufs": "milonga.audio",
    "make_listening_test": "milonga.workflows.judging.listening",
    "match_texts": "milonga.workflows.scoring.matching",
    "mix_song": "milonga.workflows.songs",
    "new_sheet": "milonga.workflows.sheets",
    "plan_edit": "milonga.workflows.edits",
    "plan_song": "milonga.workflows.songs",
    "plan_study": "milonga.workflows.judging.study",
    "play_batch": "milonga.workflows.batches",
    "play_sound": "milonga.workflows.playing",
    "play_sounds": "milonga.workflows.playing",
    "probe": "milonga.audio",
    "prune_takes": "milonga.workflows.takes",
    "rate_recordings": "milonga.workflows.scoring.rating",
    "read": "milonga.audio",
    "read_draft": "milonga.workflows.sheets",
    "read_listening_test": "milonga.workflows.judging.listening",
    "remove_weights": "milonga.weights",
    "render_song": "milonga.workflows.songs",
    "replay": "milonga.workflows.songs",
    "replay_sound": "milonga.workflows.history",
    "resample": "milonga.audio",
    "run_study": "milonga.workflows.judging.study",
    "save_preset": "milonga.workflows.presets",
    "score": "milonga.workflows.scoring.everything",
    "score_recordings": "milonga.workflows.scoring.words",
    "song_board": "milonga.workflows.board",
    "take_remarks": "milonga.analysis.take_checks",
    "train_model": "milonga.workflows.training",
    "true_peak_dbtp": "milonga.audio",
    "verify_weights": "milonga.weights",
    "vocode": "milonga.workflows.vocoding",
    "write": "milonga.audio",
    "write_report": "milonga.workflows.songs",
}
_SUBMODULES = (
    "analysis",
    "audio",
    "errors",
    "generators",
    "jobs",
    "runtime",
    "songs",
    "sounds",
    "vocoders",
    "weights",
    "workflows",
)

__all__ = [
    "Cancelled",
    "Clip",
    "ExportSettings",
    "Generator",
    "History",
    "Instrument",
    "Library",
    "LyricLine",
    "MelAdapter",
    "MelSpec",
    "MilongaError",
    "OutputFolder",
    "PlaySettings",
    "Presets",
    "Progress",
    "Request",
    "Sheet",
    "Tags",
    "TrainSettings",
    "VocoderBase",
    "__version__",
    "blend_sounds",
    "change_draft",
    "check_facts",
    "check_sheet",
    "check_take",
    "compare",
    "compare_clips",
    "compare_history",
    "compare_pairs",
    "compare_sets",
    "compare_takes",
    "doctor",
    "edit_take",
    "ensure_bigvgan_weights",
    "ensure_weights",
    "export_markdown",
    "export_sheet",
    "export_song",
    "export_sound",
    "features",
    "fine_tune_vocoder",
    "generator",
    "get_vocoder",
    "import_markdown",
    "import_sheet",
    "list_takes",
    "list_weights",
    "load_sheet",
    "loudness_lufs",
    "make_listening_test",
    "match_texts",
    "mix_song",
    "new_sheet",
    "plan_edit",
    "plan_song",
    "plan_study",
    "play_batch",
    "play_sound",
    "play_sounds",
    "probe",
    "prune_takes",
    "rate_recordings",
    "read",
    "read_draft",
    "read_listening_test",
    "remove_weights",
    "render_song",
    "replay",
    "replay_sound",
    "resample",
    "run_study",
    "save_preset",
    "score",
    "score_recordings",
    "song_board",
    "take_remarks",
    "train_model",
    "true_peak_dbtp",
    "verify_weights",
    "vocode",
    "write",
    "write_report",
]


def __getattr__(name: str) -> Any:
    if name in _SUBMODULES:
        return import_module(f"milonga.{name}")
    if name not in _HOMES:
        raise AttributeError(f"module 'milonga' has no attribute {name!r}")
    return getattr(import_module(_HOMES[name]), name)


def __dir__() -> list[str]:
    return sorted({*__all__, *_SUBMODULES})
