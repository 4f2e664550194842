"""Whatever a user may type ends in an explained error."""

import contextlib
import os
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from milonga.errors import MilongaError, UnknownNameError, WeightsError
from milonga.weights import (
    ensure_weights,
    list_weights,
    load_array,
    load_checkpoint,
    load_json,
    locate,
    remove_weights,
    verify_weights,
)
from milonga.workflows.doctor import doctor

ODD = [
    *("", " ", ".", "..", "~nobody-here/x", "x" * 5000, "a/b/c", "a//b", "@", "a@b", "owner/name@"),
    *("\0", "a\nb", "-", "--help", "owner/na me", "ó/ñ", "..\\..", "owner/name@../../x"),
]


@pytest.fixture(autouse=True)
def offline(hub, monkeypatch, tmp_path):
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    # "." and ".." are folders, too; these hold no weights.
    (tmp_path / "here" / "empty").mkdir(parents=True)
    monkeypatch.chdir(tmp_path / "here" / "empty")


@pytest.mark.parametrize("name", ODD)
@pytest.mark.parametrize("function", [ensure_weights, verify_weights, remove_weights])
def test_odd_names(function, name):
    with pytest.raises(MilongaError):
        function(name)


@pytest.mark.parametrize("name", ODD)
def test_odd_names_are_not_here(name):
    with contextlib.suppress(MilongaError):
        assert locate(name) is None


@pytest.mark.parametrize("revision", ["", " ", "../x", "/x", "a\0b", "x" * 5000, "a//b", "a\\b"])
@pytest.mark.parametrize("name", ["bigvgan", "owner/name"])
def test_odd_revisions(name, revision):
    for function in (ensure_weights, verify_weights, locate):
        with contextlib.suppress(MilongaError):
            assert function(name, revision=revision) is None


@settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))
@given(name=st.text(max_size=30), revision=st.none() | st.text(max_size=10))
def test_any_name(name, revision):
    if name and Path(name.replace("\0", "")).exists():
        return
    with pytest.raises(MilongaError):
        ensure_weights(name, revision=revision)


def test_a_folder_may_be_a_path(tmp_path, monkeypatch):
    mine = tmp_path / "mine"
    mine.mkdir()
    (mine / "x.safetensors").write_bytes(b"x")
    assert ensure_weights(mine) == mine
    assert verify_weights(mine).to_dict()["files"] == {
        "x.safetensors": {"state": "unchecked", "detail": ""}
    }
    monkeypatch.chdir(tmp_path)
    assert ensure_weights(Path("mine")) == mine
    with pytest.raises(MilongaError, match="not there"):
        ensure_weights(Path("yours"))


def test_the_cache_may_be_text_or_a_path(hub, tmp_path, monkeypatch):
    monkeypatch.setenv("HF_HUB_OFFLINE", "0")
    hub.add("owner/model", {"model.safetensors": b"x" * 2000})
    for cache in (tmp_path / "cache", str(tmp_path / "cache")):
        folder = ensure_weights("owner/model", cache_dir=cache)
        assert folder.is_relative_to(tmp_path / "cache")
        row = list_weights(cache)[-1]
        assert row.to_dict()["key"] == "owner/model"
        assert row.here
    assert locate("owner/model", cache_dir=str(tmp_path / "cache")).to_dict()["commit"]
    assert remove_weights("owner/model", cache_dir=str(tmp_path / "cache")) == 2000


@pytest.mark.parametrize("load", [load_array, load_checkpoint, load_json])
@pytest.mark.parametrize(
    "contents", [None, b"", b"{", b"[]", b"\xff" * 100, b"\x93NUMPY\x01\x00", b"PK\x03\x04"]
)
def test_odd_files(tmp_path, load, contents):
    for path in (tmp_path / "x", tmp_path / "x.safetensors", str(tmp_path / "y")):
        if contents is not None:
            Path(path).write_bytes(contents)
        with pytest.raises(WeightsError):
            load(path)
    with pytest.raises(WeightsError):
        load(tmp_path)


def test_doctor_of_an_unknown_model(tmp_path):
    with pytest.raises(UnknownNameError, match="no model 'nonsense'"):
        doctor(["nonsense"])
    findings = doctor(["bigvgan"], cache_dir=str(tmp_path))
    (cache,) = [finding for finding in findings if finding.check == "cache"]
    assert str(tmp_path) in cache.message
    assert os.sep in cache.to_dict()["message"]
