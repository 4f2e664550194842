"""Standard output and error as they come: full, closed, without Unicode, steered by a file."""

import io
import json
import os

from hypothesis import given
from hypothesis import strategies as st

from milonga.runtime.files import dump_json, named_path, write_text
from milonga.runtime.words import CONTROL, READABLE, printable, readable, unreadable


@given(st.text(st.characters(categories=["C", "L", "P", "Z"])))
def test_no_text_steers_a_terminal(text):
    shown = printable(text)
    assert not CONTROL.search(shown)
    shown.encode()
    assert printable(shown) == shown


def test_letters_of_all_scripts_lines_and_tabs_stay():
    text = "Bandoneón\tсон\n日本語 اللغة ♪ 🎵"
    assert printable(text) == text


@given(st.binary(max_size=20).filter(lambda name: b"\\" not in name))
def test_names_of_any_bytes_become_text_and_back(name):
    known = os.fsdecode(name)
    text = readable(known)
    text.encode()
    assert unreadable(text) == known
    assert json.loads(dump_json({text: [known]})) == {text: [text]}


@given(st.text(st.characters(), max_size=20))
def test_any_text_goes_into_files_and_streams(text):
    assert json.loads(dump_json(text)) == readable(text)
    raw = io.BytesIO()
    stream = io.TextIOWrapper(raw, "utf-8", READABLE, newline="\n")
    stream.write(text)
    stream.flush()
    assert raw.getvalue().decode() == readable(text)


def test_a_file_is_found_by_what_was_written_of_it(tmp_path):
    path = tmp_path / os.fsdecode(b"canci\xf3n.txt")
    write_text(path, path.name)
    assert path.read_text() == "canci\\xf3n.txt"
    assert named_path(readable(str(path))) == path
    # A file that is really called so comes first.
    odd = tmp_path / "canci\\xf3n.txt"
    write_text(odd, "")
    assert named_path(str(odd)) == odd
