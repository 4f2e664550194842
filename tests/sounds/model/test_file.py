import hashlib
import json
import pickle
import struct
import sys
import zipfile

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors.torch import save as pack

from milonga.errors import ModelFileError
from milonga.runtime.tensor_file import LARGEST_HEADER
from milonga.sounds.model.architecture import Architecture
from milonga.sounds.model.file import load, read_header, save, sound_hash
from milonga.sounds.model.header import FORMAT, VERSION, ModelHeader
from milonga.sounds.model.network import SoundNet


@pytest.fixture(scope="session")
def model(sound_models):
    return sound_models.small_model("tiny ñ")


@pytest.fixture(scope="session")
def path(tmp_path_factory, model):
    path = tmp_path_factory.mktemp("model") / "model.safetensors"
    save(path, *model)
    return path


def repacked(path, model, change_header=None, change_tensors=None):
    """A file as somebody else might write it: safetensors by the library, header as it pleases."""
    header, tensors = model
    values = header.model_dump(mode="json")
    if change_header:
        change_header(values)
    tensors = {name: value.contiguous() for name, value in tensors.items()}
    if change_tensors:
        change_tensors(tensors)
    path.write_bytes(pack(tensors, metadata={FORMAT: json.dumps(values)}))
    return path


def test_what_was_saved_comes_back(path, model):
    header, tensors = load(path)
    assert header == model[0]
    assert set(tensors) == set(model[1])
    for name, value in tensors.items():
        assert value.dtype == model[1][name].dtype
        assert torch.equal(value, model[1][name])


def test_version_1_keeps_its_network():
    # Whoever changes names or shapes must raise VERSION: files of users would be "damaged".
    layout = {name: [*value.shape] for name, value in SoundNet(Architecture()).state_dict().items()}
    text = json.dumps(layout, sort_keys=True)
    assert VERSION == 1
    assert (
        hashlib.sha256(text.encode()).hexdigest()
        == "a379a0591c91b59d21b0d48f2b187fb2e4d3bf97e340546f16d8f969ec03f8cc"
    )


def test_equal_models_give_equal_bytes(tmp_path, path, model):
    save(tmp_path / "again", model[0], dict(reversed(model[1].items())))
    assert (tmp_path / "again").read_bytes() == path.read_bytes()


def test_the_header_needs_no_torch(path, run_python):
    out = run_python(
        "import sys; from pathlib import Path\n"
        "from milonga.sounds.model.file import read_header, sound_hash\n"
        f"path = Path({str(path)!r})\n"
        "print(ascii(read_header(path).name), len(sound_hash(path)))\n"
        "assert 'torch' not in sys.modules and 'safetensors' not in sys.modules"
    )
    assert out == "'tiny \\xf1' 64\n"


def test_the_sound_hash_is_of_what_sounds(tmp_path, path, model):
    header, tensors = model
    save(tmp_path / "tagged", header.model_copy(update={"tags": ("x",), "name": "y"}), tensors)
    assert sound_hash(tmp_path / "tagged") == sound_hash(path)
    other = dict(tensors, **{"axes.mean": tensors["axes.mean"] + 1})
    save(tmp_path / "other", header, other)
    assert sound_hash(tmp_path / "other") != sound_hash(path)


def test_the_sound_hash_is_that_of_version_0_1(tmp_path, path, model):
    """Presets, own vocoders and lineages of users hold it."""
    data = path.read_bytes()
    (length,) = struct.unpack("<Q", data[:8])
    layout = json.loads(data[8 : 8 + length])
    header = json.loads(layout.pop("__metadata__")[FORMAT])
    kept = {name: header[name] for name in ("mel_spec", "architecture", "controls")}
    digest = hashlib.sha256(json.dumps(kept, sort_keys=True).encode())
    digest.update(json.dumps(layout, sort_keys=True).encode())
    digest.update(data[8 + length :])
    assert sound_hash(path) == digest.hexdigest()
    assert "effect" not in header["controls"]["tension"]
    # A file that is written again keeps it, and what another milonga says of a control.
    again = repacked(tmp_path / "m", model, lambda h: h["controls"]["pulse"].update(more=[1]))
    before = sound_hash(again)
    save(again, *load(again))
    assert sound_hash(again) == before


@settings(max_examples=25, deadline=None)
@given(notes=st.text(max_size=300))
def test_any_length_of_header_is_read_again(tmp_path_factory, model, notes):
    """Also lengths whose first bytes look like another format's."""
    path = tmp_path_factory.mktemp("notes") / "m.safetensors"
    header = model[0].model_copy(update={"notes": notes})
    save(path, header, model[1])
    kept = load(path)[0].notes
    assert len(kept) == len(notes)
    assert kept.isprintable() or any(c in "\n\t" or not c.isprintable() for c in notes)


@pytest.mark.parametrize("low", [0x80, 0x50])
def test_a_header_length_that_looks_like_a_pickle_or_a_zip(tmp_path, model, low):
    path = tmp_path / "m.safetensors"
    for padding in range(0, 40_000, 8):
        header = model[0].model_copy(update={"notes": "x" * padding})
        if padding == 0:
            save(path, header, model[1])
            (first,) = struct.unpack("<Q", path.read_bytes()[:8])
        want = 0x80 if low == 0x80 else 0x4B50
        if (first + padding) % (1 << 8 if low == 0x80 else 1 << 16) == want:
            save(path, header, model[1])
            assert path.read_bytes()[0] == low
            assert load(path)[0].notes == "x" * padding
            return
    # Lengths are multiples of 8: 0x4B50 is one.
    raise AssertionError("no such length was tried")


@settings(max_examples=80, deadline=None)
@given(data=st.data())
def test_a_truncated_file_is_refused(tmp_path_factory, path, data):
    whole = path.read_bytes()
    cut = data.draw(st.one_of(st.integers(0, len(whole) - 1), st.integers(0, 64)))
    broken = tmp_path_factory.mktemp("cut") / "m.safetensors"
    broken.write_bytes(whole[:cut])
    with pytest.raises(ModelFileError) as caught:
        load(broken)
    assert caught.value.where == str(broken)
    with pytest.raises(ModelFileError):
        read_header(broken)


@settings(max_examples=80, deadline=None)
@given(data=st.data())
def test_flipped_bytes_are_refused_or_harmless(tmp_path_factory, path, data):
    """A changed weight can't be told from another model's, but nothing else may happen."""
    whole = bytearray(path.read_bytes())
    (length,) = struct.unpack("<Q", whole[:8])
    spots = st.one_of(
        st.integers(0, 40), st.integers(0, 8 + length), st.integers(0, len(whole) - 1)
    )
    for _ in range(data.draw(st.integers(1, 4))):
        whole[data.draw(spots)] = data.draw(st.integers(0, 255))
    broken = tmp_path_factory.mktemp("flip") / "m.safetensors"
    broken.write_bytes(whole)
    try:
        header, tensors = load(broken)
    except ModelFileError:
        return
    assert isinstance(header, ModelHeader)
    assert all(bool(torch.isfinite(t).all()) for t in tensors.values() if t.is_floating_point())


@settings(max_examples=80, deadline=None)
@given(noise=st.binary(max_size=400))
def test_noise_is_refused(tmp_path_factory, noise):
    path = tmp_path_factory.mktemp("noise") / "m.safetensors"
    path.write_bytes(noise)
    with pytest.raises(ModelFileError):
        load(path)


@pytest.mark.parametrize("length", [LARGEST_HEADER + 1, 2**40, 2**63, 2**64 - 1])
def test_an_oversized_header_is_refused_without_reading_it(tmp_path, length):
    path = tmp_path / "m.safetensors"
    path.write_bytes(struct.pack("<Q", length) + b"{}")
    with pytest.raises(ModelFileError):
        load(path)


class _Trap:
    def __reduce__(self):
        return sys.exit, ("the pickle ran",)


@pytest.mark.parametrize("kind", ["pickle", "torch", "zip"])
def test_pickles_are_refused_unread(tmp_path, kind):
    path = tmp_path / "m.safetensors"
    if kind == "pickle":
        path.write_bytes(pickle.dumps(_Trap()))
    elif kind == "torch":
        torch.save({"x": torch.zeros(3)}, path)
    else:
        with zipfile.ZipFile(path, "w") as archive:
            archive.writestr("data.pkl", pickle.dumps(_Trap()))
    with pytest.raises(ModelFileError, match="could run code"):
        load(path)


def test_another_safetensors_file_is_told_apart(tmp_path):
    path = tmp_path / "m.safetensors"
    path.write_bytes(pack({"w": torch.zeros(3)}))
    with pytest.raises(ModelFileError, match="no sound model"):
        load(path)


@pytest.mark.parametrize(
    ("version", "word"), [(2, "Update"), (0, "maker"), ("1", "maker"), (True, "")]
)
def test_an_unknown_version_is_refused(tmp_path, model, version, word):
    path = repacked(tmp_path / "m", model, lambda h: h.update(version=version))
    with pytest.raises(ModelFileError, match="version") as caught:
        load(path)
    assert word in caught.value.step


CHANGES = {
    "no name": lambda h: h.pop("name"),
    "extra field": lambda h: h.update(surprise=1),
    "wrong type": lambda h: h.update(tags="x"),
    "long name": lambda h: h.update(name="x" * 2000),
    "escape": lambda h: h.update(name="\x1b[2J"),
    "escape within": lambda h: h["training"].update(log=["\x07"]),
    "right to left": lambda h: h.update(notes="\u202eevil"),
    "date": lambda h: h.update(created="yesterday"),
    "hash": lambda h: h["corpus"]["files"][0].update(sha256="../../x"),
    "mel spec": lambda h: h["mel_spec"].update(n_mels=-1),
    "other mel": lambda h: h["mel_spec"].update(hop=256),
    "huge network": lambda h: h["architecture"].update(widths=[10**9] * 4),
    "large network": lambda h: h["architecture"].update(widths=[1024] * 4, blocks=[16] * 4),
    "other network": lambda h: h["architecture"].update(widths=[16] * 4),
    "no network": lambda h: h.update(architecture={}),
    "no mel spec": lambda h: h.pop("mel_spec"),
    "control": lambda h: h["controls"].update(loudness={}),
    "no control": lambda h: h["controls"].update(loudness=[1]),
    "effect": lambda h: h["controls"]["loudness"].update(effect={"moved": "far"}),
    "nonsense network": lambda h: h["architecture"].update(latent="many"),
}


@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES)
def test_a_hostile_header_is_refused(tmp_path, model, change):
    path = repacked(tmp_path / "m", model, change)
    with pytest.raises(ModelFileError) as caught:
        load(path)
    assert caught.value.where == str(path)
    assert "\x1b" not in str(caught.value)


def test_a_network_larger_than_its_tensors_is_never_built(tmp_path, model, monkeypatch):
    """A file of some KB must not take the GB that its header names."""

    def refuse(shape):
        raise AssertionError(f"{shape} was built")

    monkeypatch.setattr("milonga.sounds.model.network.SoundNet", refuse)
    path = repacked(tmp_path / "m", model, CHANGES["large network"])
    with pytest.raises(ModelFileError, match="larger than its tensors"):
        load(path)


def test_json_that_isnt_is_refused(tmp_path, model):
    text = json.dumps(model[0].model_dump(mode="json"))
    for hostile in (
        text.replace('"steps": 5', '"steps": NaN'),
        text.replace('"steps": 5', '"steps": Infinity'),
        text.replace('"steps": 5', '"steps": 5, "steps": 6'),
        text.replace('"steps": 5', '"steps": ' + "[" * 100_000),
        text.replace('"steps": 5', '"steps": ' + "[" * 500 + "]" * 500),
        text.replace('"steps": 5', '"steps": ' + '{"a":' * 200 + "1" + "}" * 200),
        text.replace('"steps": 5', '"steps": ' + "9" * 10_000),
        "[]",
        "",
    ):
        path = tmp_path / "m"
        path.write_bytes(pack(model[1], metadata={FORMAT: hostile}))
        with pytest.raises(ModelFileError):
            load(path)


TENSORS = {
    "missing": lambda t: t.pop("decoder.out.bias"),
    "shape": lambda t: t.update({"decoder.out.bias": torch.zeros(3)}),
    "type": lambda t: t.update({"decoder.out.bias": t["decoder.out.bias"].half()}),
    "nan": lambda t: t["decoder.out.bias"].__setitem__(0, float("nan")),
    "infinite": lambda t: t["decoder.out.bias"].__setitem__(0, float("inf")),
    "unknown type": lambda t: t.update({"extra": torch.zeros(3, dtype=torch.complex64)}),
}


@pytest.mark.parametrize("change", TENSORS.values(), ids=TENSORS)
def test_wrong_tensors_are_refused(tmp_path, model, change):
    header, tensors = model
    copied = (header, {name: value.clone() for name, value in tensors.items()})
    path = repacked(tmp_path / "m", copied, change_tensors=change)
    with pytest.raises(ModelFileError):
        load(path)


@pytest.mark.parametrize("hole", ["gap", "overlap", "negative", "shape", "tail"])
def test_a_layout_with_holes_is_refused(tmp_path, path, hole):
    whole = path.read_bytes()
    (length,) = struct.unpack("<Q", whole[:8])
    layout = json.loads(whole[8 : 8 + length])
    data = whole[8 + length :]
    name = next(key for key in layout if key != "__metadata__")
    entry = layout[name]
    if hole == "gap":
        data += b"\0" * 8
        layout["more"] = {"dtype": "F32", "shape": [1], "data_offsets": [len(data) - 4, len(data)]}
    elif hole == "overlap":
        layout["more"] = {"dtype": "F32", "shape": [1], "data_offsets": [0, 4]}
    elif hole == "negative":
        entry["shape"] = [-1, -entry["shape"][0]]
    elif hole == "shape":
        entry["shape"] = [2**62, 4]
    else:
        data += b"tail"
    block = json.dumps(layout).encode()
    broken = tmp_path / "m"
    broken.write_bytes(struct.pack("<Q", len(block)) + block + data)
    with pytest.raises(ModelFileError):
        load(broken)


def test_saving_what_cannot_be_read_changes_nothing(tmp_path, path, model):
    header, tensors = model
    target = tmp_path / "m"
    target.write_bytes(path.read_bytes())
    bad = dict(tensors, **{"axes.mean": torch.full((4,), float("nan"))})
    with pytest.raises(ModelFileError):
        save(target, header, bad)
    with pytest.raises(ModelFileError):
        save(target, header.model_copy(update={"created": "now"}), tensors)
    assert target.read_bytes() == path.read_bytes()
    assert [each.name for each in tmp_path.iterdir()] == ["m"]


def test_control_characters_of_names_are_replaced_on_saving(tmp_path, model):
    header, tensors = model
    files = header.corpus.files
    odd = files[0].model_copy(update={"name": "a\x1b[31m\u202e.wav"})
    corpus = header.corpus.model_copy(update={"files": (odd, *files[1:])})
    save(tmp_path / "m", header.model_copy(update={"corpus": corpus}), tensors)
    assert read_header(tmp_path / "m").corpus.files[0].name == "a\ufffd[31m\ufffd.wav"


def test_undefined_figures_are_null(tmp_path, model):
    header, tensors = model
    save(tmp_path / "m", header.model_copy(update={"training": {"x": float("nan")}}), tensors)
    assert read_header(tmp_path / "m").training == {"x": None}


def test_missing_and_unreadable_files(tmp_path):
    for path in (tmp_path / "nothing.safetensors", tmp_path):
        with pytest.raises(ModelFileError):
            read_header(path)


def test_a_model_without_its_controls_is_refused_on_opening(tmp_path, model):
    from milonga.sounds import open_model

    path = repacked(tmp_path / "m.safetensors", model, lambda h: h["controls"].pop("loudness"))
    with pytest.raises(ModelFileError):
        open_model(str(path))


def test_a_loaded_model_plays(path):
    from milonga.sounds import ResolvedPlay, open_model

    mel = open_model(str(path)).mel(ResolvedPlay(seconds=1.0))
    assert np.isfinite(mel).all()
