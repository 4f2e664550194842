"""Tables of the command line: nothing in them is cut."""

import pytest

from milonga.cli.common import print_table

NAMES = ("01-a-segment-with-a-rather-long-name/stable-audio-3f9a2c-s12.wav", "18-b/guide-s0.wav")
ROWS = [(name, "current, in the mix, chosen", "1.3 MB", "vocals, 10 s, 96 BPM") for name in NAMES]
HEADINGS = ("Take", "State", "Size", "Made for")


def test_in_a_pipe(capsys, monkeypatch):
    monkeypatch.delenv("COLUMNS", raising=False)
    print_table(HEADINGS, ROWS, no_wrap="Take")
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 3
    for line, row in zip(lines[1:], ROWS, strict=True):
        assert all(cell in line for cell in row)


def test_square_brackets_are_shown(capsys):
    print_table(("take [mix]",), [["a [/b] [red]"], [("styled [/i]", "yellow")]])
    assert capsys.readouterr().out.split("\n")[:3] == [
        "take [mix]  ",
        "a [/b] [red]",
        "styled [/i] ",
    ]


@pytest.mark.parametrize("columns", [40, 60, 80, 100])
def test_in_a_narrow_terminal_every_letter_is_there(capsys, monkeypatch, columns):
    monkeypatch.setenv("COLUMNS", str(columns))
    print_table(HEADINGS, ROWS)
    shown = capsys.readouterr().out
    assert "…" not in shown
    for letter in set("".join(NAMES)) - {" "}:
        assert shown.count(letter) >= "".join(NAMES).count(letter)
