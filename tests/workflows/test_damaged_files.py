"""Files of our own, damaged in every way, end in an explained error or are read: nothing else."""

import json
import math
import shutil
import struct

import numpy as np
import pytest
import sound_models
from hypothesis import given, settings
from hypothesis import strategies as st

from milonga import audio
from milonga.audio.export.receipt import check_export
from milonga.audio.export.write import export
from milonga.errors import MilongaError, ReceiptError
from milonga.runtime.config import load_config
from milonga.runtime.words import CONTROL
from milonga.sounds.library.history import History
from milonga.sounds.library.library import Library
from milonga.sounds.library.presets import Presets
from milonga.sounds.model.play_settings import PlaySettings
from milonga.workflows.playing import play_sound
from milonga.workflows.songs import mix_song, plan_song, receipt_path, render_song
from milonga.workflows.takes import list_takes

fuzz = settings(max_examples=40, deadline=None, derandomize=True)
HOSTILE = [
    -1, 0, 2**70, 10**400, 1e308, 1e-320, math.inf, math.nan, "nan", "", "\x1b[2J", "a\nb",
    "\u202eevil", "x" * 5000, "\udcff", "\0", None, True, [], {}, "../../etc/passwd", "²",
    "~nosuchuser/x", ["x"], {"a": 1}, "2026-99-99", "DEEP",
]  # fmt: skip
SHEET = "title: A\nsegments:\n- {number: 1, name: Uno, section: intro, seconds: 1}\n"


def places(document, at=()):
    inside = document.items() if isinstance(document, dict) else ()
    inside = enumerate(document) if isinstance(document, list) else inside
    for key, value in inside:
        yield (*at, key)
        yield from places(value, (*at, key))


@st.composite
def damaged(draw, document):
    """Bytes of a JSON document with one to three wrong values, or torn ones."""
    text = json.dumps(document)
    if draw(st.booleans()):
        document = json.loads(text)
        for _ in range(draw(st.integers(1, 3))):
            if not (known := list(places(document))):
                break
            *way, last = draw(st.sampled_from(known))
            parent = document
            for key in way:
                parent = parent[key]
            if draw(st.integers(0, 5)):
                parent[last] = draw(st.sampled_from(HOSTILE))
            else:
                del parent[last]
        depth = draw(st.sampled_from([70, 500, 5000]))
        return json.dumps(document).replace('"DEEP"', "[" * depth + "]" * depth).encode()
    raw = bytearray(text.encode())
    for _ in range(draw(st.integers(0, 4))):
        raw[draw(st.integers(0, len(raw) - 1))] = draw(st.integers(0, 255))
    return bytes(raw[: draw(st.integers(0, len(raw)))])


def explained(call):
    """What a call says; it may fail with an explained error alone."""
    try:
        return str(call())
    except MilongaError as error:
        return str(error)


@pytest.fixture(scope="module")
def song(tmp_path_factory):
    folder = tmp_path_factory.mktemp("song")
    (folder / "song.yaml").write_text(SHEET)
    render_song(folder / "song.yaml", folder / "out", report=False)
    return folder


@fuzz
@given(data=st.data())
def test_receipts_of_takes(song, data):
    path = song / "out" / "takes" / "01-uno" / "guide-s0.json"
    whole = path.read_bytes()
    try:
        path.write_bytes(data.draw(damaged(json.loads(whole))))
        for call in (
            lambda: list_takes(song / "out").to_dict(),
            lambda: mix_song(song / "out").notes,
            lambda: plan_song(song / "song.yaml", song / "out", report=False).notes,
        ):
            explained(call)
    finally:
        path.write_bytes(whole)


@pytest.mark.parametrize(("field", "value"), [("seed", -1), ("attempt", 0), ("seed_used", -1)])
def test_seeds_that_cannot_be(song, tmp_path, field, value):
    from milonga.songs.rendering.receipts import read_receipt

    path = song / "out" / "takes" / "01-uno" / "guide-s0.json"
    document = json.loads(path.read_text()) | {field: value}
    (tmp_path / "x.json").write_text(json.dumps(document))
    with pytest.raises(ReceiptError, match=f"damaged: {field}"):
        read_receipt(receipt_path(tmp_path / "x.json"))


@pytest.mark.parametrize("name", ["song.json", "session.json"])
@fuzz
@given(data=st.data())
def test_records_of_output_folders(song, name, data):
    out = song / name.replace(".", "-")
    if not out.exists():
        shutil.copytree(song / "out", out)
        (out / "song.json").rename(out / "whole")
    document = json.loads((out / "whole").read_text())
    if name == "session.json":
        document["format_version"] = 1
    (out / name).write_bytes(data.draw(damaged(document)))
    explained(lambda: list_takes(out))
    explained(lambda: mix_song(out))


@pytest.fixture(scope="module")
def library(tmp_path_factory):
    library = Library(tmp_path_factory.mktemp("home") / "sounds")
    library.save("tiny", *sound_models.small_model())
    Presets("tiny", library).save("p", PlaySettings(seed=1, controls={"brightness": 1.0}))
    out = tmp_path_factory.mktemp("played") / "x.wav"
    play_sound("tiny", out, seconds=1, vocoder="griffin-lim", library=library)
    return library


@fuzz
@given(data=st.data())
def test_presets(library, data):
    path = library.folder / "tiny" / "presets.json"
    whole = path.read_bytes()
    try:
        path.write_bytes(data.draw(damaged(json.loads(whole))))
        presets = Presets("tiny", library)
        explained(
            lambda: [(presets.fitted(name), kept.text) for name, kept in presets.all().items()]
        )
    finally:
        path.write_bytes(whole)


@fuzz
@given(data=st.data())
def test_history(library, data):
    (path,) = library.folder.rglob("entry.json")
    whole = path.read_bytes()
    try:
        path.write_bytes(data.draw(damaged(json.loads(whole))))
        history = History(library)
        explained(
            lambda: [json.dumps(kept.to_dict(), allow_nan=False) for kept in history.entries()]
        )
        explained(lambda: history.get(1).settings_text)
    finally:
        path.write_bytes(whole)


@fuzz
@given(data=st.data())
def test_one_damaged_model_stops_no_list(library, data):
    path = library.folder / "tiny" / "model.safetensors"
    whole = path.read_bytes()
    size = struct.unpack("<Q", whole[:8])[0]
    layout = json.loads(whole[8 : 8 + size])
    (key,) = layout["__metadata__"]
    header = data.draw(damaged(json.loads(layout["__metadata__"][key])))
    layout["__metadata__"][key] = header.decode("utf-8", "replace")
    head = json.dumps(layout).encode()
    try:
        path.write_bytes(struct.pack("<Q", len(head)) + head + whole[8 + size :])
        (saved,) = library.models()
        said = explained(lambda: json.dumps(saved.to_dict(), allow_nan=False)) + saved.problem
        said += explained(lambda: library.find("tiny").details())
        assert not CONTROL.search(said)
    finally:
        path.write_bytes(whole)


@pytest.fixture(scope="module")
def exported(tmp_path_factory):
    wave = 0.1 * np.sin(np.arange(4410) / 9).astype(np.float32)[None]
    return export(audio.Clip(wave, 44_100), tmp_path_factory.mktemp("export") / "x.wav").path


@fuzz
@given(data=st.data())
def test_receipts_of_exports(exported, data):
    path = exported.with_name("x.wav.json")
    whole = path.read_bytes()
    try:
        path.write_bytes(data.draw(damaged(json.loads(whole))))
        explained(lambda: check_export(exported))
    finally:
        path.write_bytes(whole)


TOKENS = [
    "[weights]\n", "cache_dir", " = ", '"~nosuch/x"', "[", "]", "{", "}", '"', "'", "\n", "-1",
    "1e999", "nan", "9" * 5000, "[" * 600, "2026-01-01", "history_mb", "[sounds]\n", ".", "a",
    "\x1b", "true", "[weights.sources.bark]\n", "folder", "repo", '"a/b"', "\\u0000", "#",
]  # fmt: skip


@settings(fuzz, max_examples=80)
@given(tokens=st.lists(st.sampled_from(TOKENS), max_size=12))
def test_configurations(tmp_path_factory, tokens):
    path = tmp_path_factory.mktemp("config") / "config.toml"
    path.write_text("".join(tokens), encoding="utf-8")
    explained(lambda: load_config(path))
