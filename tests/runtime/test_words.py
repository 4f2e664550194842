"""Standard output and error as they come: full, closed, without Unicode, steered by a file."""

from hypothesis import given
from hypothesis import strategies as st

from milonga.runtime.words import CONTROL, printable


@given(st.text(st.characters(categories=["C", "L", "P", "Z"])))
def test_no_text_steers_a_terminal(text):
    shown = printable(text)
    assert not CONTROL.search(shown)
    shown.encode()
    assert printable(shown) == shown


def test_letters_of_all_scripts_lines_and_tabs_stay():
    text = "Bandoneón\tсон\n日本語 اللغة ♪ 🎵"
    assert printable(text) == text
