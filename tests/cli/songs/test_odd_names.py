"""Files whose names are not UTF-8 go through every command."""

import json
import os
import sys

import numpy as np
import pytest

from milonga.audio import Clip, read, write
from milonga.audio.export.receipt import read_export_receipt
from milonga.audio.export.write import export
from milonga.cli.main import main

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="elsewhere names are Unicode")


@pytest.fixture
def folder(tmp_path):
    folder = tmp_path / os.fsdecode(b"m\xfasica")
    folder.mkdir()
    return folder


@pytest.fixture
def tones(folder):
    paths = [folder / os.fsdecode(name) for name in (b"canci\xf3n.flac", b"otra\xff.wav")]
    for hertz, path in zip((330, 440), paths, strict=True):
        write(path, Clip(0.3 * np.sin(2 * np.pi * hertz * np.arange(22050) / 22050), 22050))
    return paths


def test_compare_its_json_and_its_page(tones, folder, capsys):
    page = folder / "page"
    assert main(["compare", *map(str, tones), "--report", str(page), "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["baseline"]["path"].endswith("/m\\xfasica/canci\\xf3n.flac")
    html = (page / "index.html").read_text(encoding="utf-8")
    assert "canci\\xf3n.flac" in html
    assert "otra\\xff.wav" in html
    assert len(list((page / "audio").iterdir())) == 2


def test_a_song(folder, capsys):
    sheet, out = (folder / os.fsdecode(name) for name in (b"hoja\xf3.yaml", b"salida\xf3"))
    sheet.write_text(
        "title: T\nsegments:\n- {number: 1, name: N, section: instrumental, seconds: 2,"
        " style: milonga, generators: [guide]}\n"
    )
    assert main(["render", str(sheet), "--out", str(out), "--json"]) == 0
    assert json.loads(capsys.readouterr().out)
    for command in (["song", "check", str(sheet)], ["takes", str(out)], ["mix", str(out)]):
        assert main([*command, "--json"]) == 0
        assert "salida\\\\xf3" in (text := capsys.readouterr().out) or "hoja\\\\xf3" in text
    receipt = next(out.glob("takes/*/*.json"))
    assert main(["replay", str(receipt), "--json"]) == 0


def test_an_export_and_its_receipt(tones, folder):
    path = folder / os.fsdecode(b"fin\xf3.flac")
    export(read(tones[0]), path)
    assert read_export_receipt(path).file == "fin\\xf3.flac"
