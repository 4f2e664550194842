"""What the commands print, on any terminal: full, closed, without Unicode, steered by a file."""

import io
import json
import subprocess
import sys
from pathlib import Path

import pytest

from milonga.cli.common import print_json, print_table, put, say, say_error
from milonga.runtime.progress import LineProgress
from milonga.runtime.words import CONTROL

HOSTILE = "\x1b[2J\x1b]0;title\x07 \x9b2J \r over \u202egnp.\u202c \udcf3"


def test_whatever_the_commands_print_is_escaped(capsys):
    put(HOSTILE)
    say(HOSTILE)
    say_error(HOSTILE)
    print_table(["name"], [[HOSTILE]])
    LineProgress().message(HOSTILE)
    out, err = capsys.readouterr()
    assert "\\x1b[2J" in out
    assert "\\x1b[2J" in err
    for stream in (out, err):
        assert not set("\x1b\x07\x9b\r\u202e") & set(stream)


@pytest.mark.parametrize("encoding", ["cp1252", "ascii", "utf-16"])
def test_json_is_utf8_whatever_the_terminal_has(monkeypatch, encoding):
    raw = io.BytesIO()
    monkeypatch.setattr(sys, "stdout", io.TextIOWrapper(raw, encoding, write_through=True))
    print_json({"title": "日本 canción", "file": "canci\udcf3n.flac"})
    assert "日本 canción" in raw.getvalue().decode("utf-8")
    assert "canci\\\\xf3n" in raw.getvalue().decode("utf-8")


FULL = Path("/dev/full")


@pytest.mark.skipif(not FULL.exists(), reason="Linux has this device")
@pytest.mark.parametrize("unbuffered", ["", "1"])
def test_standard_output_that_is_full_is_explained(unbuffered, tmp_path, monkeypatch):
    monkeypatch.setenv("PYTHONUNBUFFERED", unbuffered)
    monkeypatch.setenv("MILONGA_HOME", str(tmp_path))
    command = [sys.executable, "-m", "milonga", "sound", "list", "--json"]
    with FULL.open("w") as full:
        done = subprocess.run(command, stdout=full, stderr=subprocess.PIPE, text=True)
    assert done.returncode == 1
    assert done.stderr.startswith("error: Standard output can't be written: No space left")
    assert "Exception ignored" not in done.stderr
    assert "did not expect" not in done.stderr


@pytest.mark.skipif(not FULL.exists(), reason="Linux has this device")
def test_nobody_who_reads_the_messages_stops_nothing(tmp_path, monkeypatch):
    monkeypatch.setenv("MILONGA_HOME", str(tmp_path))
    command = [sys.executable, "-m", "milonga", "sound", "list"]
    with FULL.open("w") as full:
        wrong = [*command, "--nonsense"]
        assert subprocess.run(wrong, stdout=subprocess.PIPE, stderr=full).returncode == 2
    closed = f"{' '.join(command)} >&- 2>&-"
    assert subprocess.run(["/bin/sh", "-c", closed]).returncode == 0


def test_json_steers_no_terminal_either_and_says_the_same(capsys):
    print_json({"note": HOSTILE.replace("\udcf3", "") + "\x7f\x85\u2066"})
    out = capsys.readouterr().out
    assert not CONTROL.search(out)
    assert json.loads(out)["note"] == HOSTILE.replace("\udcf3", "") + "\x7f\x85\u2066"
