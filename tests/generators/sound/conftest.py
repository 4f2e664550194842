import pytest
from sound_models import small_model


@pytest.fixture
def library(tmp_path, monkeypatch):
    """A library with the model 'tiny', whose control 'tension' is disabled."""
    from milonga.sounds import Library

    monkeypatch.setenv("MILONGA_HOME", str(tmp_path / "home"))
    library = Library()
    library.save("tiny", *small_model())
    return library
