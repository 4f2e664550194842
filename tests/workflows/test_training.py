"""Training a sound model by one call."""

import pytest

from milonga.errors import CorpusError, SoundError, UnknownNameError
from milonga.sounds import Library, TrainSettings
from milonga.workflows.training import train_model


def test_paths_may_be_text_and_faults_are_explained(tmp_path):
    library = Library(tmp_path / "library")
    with pytest.raises(CorpusError, match="no such folder"):
        train_model(str(tmp_path / "nothing"), "rain", library=library)
    with pytest.raises(SoundError, match="no folder of recordings"):
        train_model((), "rain", library=library)
    with pytest.raises(SoundError, match="name of a model"):
        train_model(str(tmp_path), "a/b", library=library)


@pytest.mark.parametrize(
    "wrong", [{"minutes": 0}, {"epochs": 0}, {"steps": -1}, {"seed": -1}, {"frames": 20}]
)
def test_settings_out_of_range_are_refused(wrong):
    with pytest.raises(SoundError):
        TrainSettings(**wrong)


def test_an_unknown_size_is_refused():
    with pytest.raises(UnknownNameError, match="normal"):
        TrainSettings(size="huge")


def test_settings_need_no_torch(run_python):
    out = run_python(
        "import sys\nfrom milonga.sounds import TrainSettings\n"
        "settings = TrainSettings(size='small')\n"
        "print(settings.fixed()['architecture']['latent'], 'torch' in sys.modules)"
    )
    assert out == "16 False\n"
