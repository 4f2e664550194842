"""The public names, pinned: adding one is a decision, losing one breaks somebody."""

import milonga
from milonga import audio, errors


def test_top_level_names():
    assert set(milonga.__all__) == {
        "Clip",
        "Generator",
        "MelAdapter",
        "MelSpec",
        "MilongaError",
        "Request",
        "Selection",
        "OutputFolder",
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
