"""The configuration file, and where it lies."""

from pathlib import Path

import pytest

from milonga.errors import ConfigError
from milonga.runtime.config import Config, SourceConfig, load_config
from milonga.runtime.places import config_file, data_folder


@pytest.fixture
def write(tmp_path, monkeypatch):
    monkeypatch.setenv("MILONGA_HOME", str(tmp_path))

    def write(text):
        (tmp_path / "config.toml").write_text(text)

    return write


def test_without_a_file_there_are_defaults(write):
    assert load_config() == Config()


def test_everything(write):
    write("""
[weights]
cache_dir = "/data/hub"
fallback_cache_dir = "~/hub"
[weights.sources.bigvgan]
folder = "/models/bigvgan"
[weights.sources.bark]
repo = "me/bark"
revision = " v2 "
[sounds]
history_mb = 20
""")
    assert load_config().sounds.history_mb == 20
    weights = load_config().weights
    assert weights.cache_dir == Path("/data/hub")
    assert weights.fallback_cache_dir == Path.home() / "hub"
    assert weights.sources == {
        "bigvgan": SourceConfig(folder=Path("/models/bigvgan")),
        "bark": SourceConfig(repo="me/bark", revision="v2"),
    }


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("weights", "not TOML"),
        ("[wieghts]", "no setting 'wieghts'"),
        ("weights = 3", "must be a table"),
        ("[weights]\ncache = 'x'", "no setting 'cache' in [weights]"),
        ("[weights]\ncache_dir = 3", "must be text"),
        ("[weights]\ncache_dir = ' '", "must be text"),
        ("[weights]\ncache_dir = ''", "weights.cache_dir must be text"),
        ("[weights]\ncache_dir = 2026-01-01", "must be text"),
        ("[weights]\nsources = 3", "weights.sources must be a table"),
        ("[weights.sources.bark]\nrevision = 3", "weights.sources.bark.revision must be text"),
        ("[sounds]\nhistory_mb = true", "history_mb must be a number"),
        ("[sounds]\nhistory_mb = '3'", "history_mb must be a number"),
        ("[sounds]\nhistory_mb = -1", "a number from 0 as history_mb"),
        ("[sounds]\nhistory_mb = nan", "history_mb must be a number"),
        ("[weights.sources]\nbark = 'x'", "must be a table"),
        ("[weights]\ncache_dir = '~nosuchuser/x'", "no usable cache_dir: The home folder ~nosuch"),
        ("[weights.sources.bark]\nfolder = '~nosuchuser'", "no usable folder"),
        (f"x = {'[' * 500}{']' * 500}", "nested too deep"),
        (f"x = {'[' * 200}{']' * 200}", "There is no setting 'x'"),
        (f"x = {'9' * 5000}", "not TOML"),
        ("[weights.sources.bark]\nname = 'x'", "no setting 'name'"),
        ("[weights.sources.bark]\nfolder = 'x'\nrepo = 'a/b'", "both a folder and a repository"),
    ],
)
def test_a_mistake_is_explained(write, tmp_path, text, words):
    write(text)
    with pytest.raises(ConfigError) as caught:
        load_config()
    assert words in str(caught.value)
    assert str(tmp_path / "config.toml") in str(caught.value)
    assert caught.value.step


def test_known_names_are_listed(write):
    for text, known in [
        ("[x]", "weights, sounds"),
        ("[weights]\nx = 1", "cache_dir, fallback_cache_dir, sources"),
        ("[sounds]\nx = 1", "history_mb"),
        ("[weights.sources.bark]\nx = 1", "repo, revision, folder"),
    ]:
        write(text)
        with pytest.raises(ConfigError) as caught:
            load_config()
        assert caught.value.step == f"Known: {known}."


def test_a_file_that_is_no_text(write, tmp_path):
    (tmp_path / "config.toml").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(ConfigError, match="Can't read"):
        load_config()


def test_a_home_folder_of_nobody(monkeypatch):
    monkeypatch.setenv("MILONGA_HOME", "~nosuchuser/milonga")
    with pytest.raises(ConfigError, match="home folder ~nosuchuser isn't known") as caught:
        data_folder()
    assert caught.value.step


def test_where_data_lives(monkeypatch, tmp_path):
    monkeypatch.setenv("MILONGA_HOME", str(tmp_path / "x"))
    assert data_folder() == tmp_path / "x"
    assert config_file() == tmp_path / "x" / "config.toml"
    monkeypatch.delenv("MILONGA_HOME")
    assert data_folder().is_absolute()
    assert "milonga" in str(data_folder())
