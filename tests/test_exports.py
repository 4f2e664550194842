"""The public names, pinned: adding one is a decision, losing one breaks somebody."""

import milonga
from milonga import audio, errors


def test_top_level_names():
    assert set(milonga.__all__) == {
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
    }
    for name in milonga.__all__:
        assert getattr(milonga, name) is not None
    assert set(dir(milonga)) >= set(milonga.__all__)


def test_audio_names():
    assert set(audio.__all__) == {
        "SUFFIXES",
        "Clip",
        "Tags",
        "loudness_lufs",
        "probe",
        "read",
        "resample",
        "true_peak_dbtp",
        "write",
    }


def test_every_error_is_in_the_tree_s_drawing():
    for name, value in vars(errors).items():
        if isinstance(value, type) and issubclass(value, BaseException) and name[0] != "_":
            assert name in (errors.__doc__ or ""), name
            assert value.__doc__, name
