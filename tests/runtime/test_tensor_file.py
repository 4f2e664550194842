"""Tensor files: what is written comes back, and hostile ones end in the format's own error."""

import json
import struct

import pytest
import torch
from safetensors.torch import save as pack

from milonga.errors import SoundError
from milonga.runtime.tensor_file import LARGEST_HEADER, TensorFormat

KIND = TensorFormat("test", "test file", SoundError, version=3, repair="Make it again.")


@pytest.mark.parametrize("streamed", [False, True])
@pytest.mark.parametrize("mapped", [False, True])
def test_what_is_written_comes_back(tmp_path, streamed, mapped):
    path = tmp_path / "a.safetensors"
    KIND.save(path, {"words": "ñ"}, {"b": torch.ones(2), "a": torch.zeros(3)}, streamed=streamed)
    header, tensors = KIND.load(path, mapped=mapped)
    assert header == {"words": "ñ", "version": 3}
    assert torch.equal(tensors["b"], torch.ones(2))
    head = KIND.read_head(path)
    assert (head.header, set(head.layout)) == (header, {"a", "b"})
    assert len(path.read_bytes()) - head.data_start == 20
    assert [each.name for each in tmp_path.iterdir()] == [path.name]


def _packed(header, key="test"):
    return pack({"a": torch.zeros(3)}, {key: header})


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b"", "0 bytes"),
        (struct.pack("<Q", LARGEST_HEADER + 1) + b"{}", "no test file, or one whose"),
        (struct.pack("<Q", 100) + b"{}", "ends within"),
        (b"PK\x03\x04" + bytes(20), "could run code"),
        (struct.pack("<Q", 2) + b"[]", "beginning"),
        (struct.pack("<Q", 2) + b"{}", "no test file"),
        (_packed("{}", key="other"), "no test file"),
        (_packed('{"version": 3}')[:-1], "11 bytes of tensors, not 12"),
        (_packed('{"version": 3}') + b"x", "13 bytes of tensors, not 12"),
        (_packed('{"version": 4}'), "version 4"),
        (_packed('{"version": true}'), "version True"),
        (_packed("{}"), "version None"),
        (_packed('{"version": 3, "x": NaN}'), "header can't be read"),
        (_packed('{"version": 3, "version": 3}'), "header can't be read"),
        (_packed("[" * 100_000), "header can't be read"),
    ],
)
def test_what_is_wrong_is_said(tmp_path, data, words):
    path = tmp_path / "a.safetensors"
    path.write_bytes(data)
    with pytest.raises(SoundError, match=words) as caught:
        KIND.read_head(path)
    assert caught.value.where == str(path)
    with pytest.raises(SoundError):
        KIND.load(path)


def test_a_file_that_isnt_there(tmp_path):
    with pytest.raises(SoundError, match="no such test file"):
        KIND.load(tmp_path / "nothing")
    with pytest.raises(SoundError, match="can't be read"):
        KIND.load(tmp_path)


@pytest.mark.parametrize("header", [{"x": float("nan")}, {"x": "x" * LARGEST_HEADER}])
def test_what_could_not_be_read_again_is_not_written(tmp_path, header):
    path = tmp_path / "a.safetensors"
    path.write_text("before")
    with pytest.raises(SoundError):
        KIND.save(path, header, {"a": torch.zeros(1)})
    assert path.read_text() == "before"
    assert json.dumps([each.name for each in tmp_path.iterdir()]) == '["a.safetensors"]'
