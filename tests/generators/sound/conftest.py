import importlib.util
import sys
from pathlib import Path

import pytest


@pytest.fixture(scope="session")
def sound_models():
    """The module tests/support/sound_models.py."""
    path = Path(__file__).parents[2] / "support" / "sound_models.py"
    spec = importlib.util.spec_from_file_location("milonga_test_sound_models", path)
    module = sys.modules.setdefault(spec.name, importlib.util.module_from_spec(spec))
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def library(tmp_path, monkeypatch, sound_models):
    """A library with the model 'tiny', whose control 'tension' is disabled."""
    from milonga.sounds import Library

    monkeypatch.setenv("MILONGA_HOME", str(tmp_path / "home"))
    library = Library()
    library.save("tiny", *sound_models.small_model())
    return library
