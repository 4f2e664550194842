"""Writing a sheet and reading it back gives an equal sheet: as YAML, as Markdown, as JSON."""

import json
from pathlib import Path
from typing import get_args

from hypothesis import example, given, settings
from hypothesis import strategies as st

from milonga.generators.base import Role
from milonga.songs.markdown.export import export_markdown
from milonga.songs.markdown.import_ import import_markdown
from milonga.songs.sheet.load import Layer, Segment, Sheet, parse_sheet
from milonga.songs.sheet.model import Whole
from milonga.songs.sheet.yaml_writer import write_yaml

NASTY = (
    "no",
    "Yes",
    "null",
    "~",
    "1984",
    "010",
    "1:30",
    "2024-01-01",
    ".5",
    "- a",
    "# x",
    "#1",
    "a: b",
    "a #b",
    "'quoted'",
    "\"both'",
    "*bold*",
    "__x__",
    "`code`",
    "``` ",
    "[tag]",
    "\\",
    "\\\\*",
    "a\\",
    "&amp;",
    "&lt;b&gt;",
    "<!-- x -->",
    "<br>",
    "---",
    "...",
    "===",
    "|",
    "> q",
    "Style: x",
    "{a: b}",
    "**Lyrics**:",
    "## Segment 3 - verse",
    "### Layer vocals",
    "Segment 1 - x",
    "120 BPM",
    "A minor",
    "a\u00a0b",
    "\ufeffx",
    "👨‍👩‍👧",
    "e\u0301",
    "שלום",
    "歌\u3000詞",
    "x\u2028y",
    "a\u0085b",
    "%x",
    "@x",
    "!x",
    "[[a] b]",
    "~~~",
    "`````",
    "instrumental",
    "N/A",
    "true",
    "0x1f",
    "1e3",
    ".inf",
    "<<",
    "a - b",
    "=",
)
alphabet = st.characters(exclude_categories=("Cs", "Cc"), exclude_characters="\ufffe\uffff")
words = st.one_of(st.sampled_from(NASTY), st.text(alphabet, min_size=1, max_size=12))
line = st.lists(words, min_size=1, max_size=4).map(" ".join)
name = line.filter(lambda text: text.strip() != "" and len(text) <= 200)


def balanced(text: str) -> str:
    depth, kept = 0, []
    for character in text:
        depth += {"[": 1, "]": -1}.get(character, 0)
        if depth < 0:
            depth = 0
        else:
            kept.append(character)
    return "".join(kept) + "]" * depth


def each_line(text: str) -> str:
    for end in ("\u0085", "\u2028", "\u2029"):
        text = text.replace(end, "\n")
    return "\n".join(balanced(part) for part in text.split("\n"))


lyrics = st.lists(line | st.just(""), min_size=1, max_size=8).map("\n".join).map(each_line)
generators = st.lists(
    st.sampled_from(["guide", "bark", "stable-audio", "no", "a.b_c", "1x", "x-1"]),
    max_size=3, unique=True,
).map(tuple)  # fmt: skip
scalar = st.one_of(
    st.none(), st.booleans(), st.integers(-(10**17), 10**17),
    words.filter(lambda text: "\u0085" not in text),
    st.floats(allow_nan=False, allow_infinity=False), st.just("two\nlines"),
)  # fmt: skip
value = st.recursive(
    scalar, lambda inner: st.lists(inner, max_size=2) | st.dictionaries(
        st.sampled_from(["a", "b-c", "no"]), inner, max_size=2), max_leaves=4,
)  # fmt: skip
options = st.dictionaries(
    st.sampled_from(["guide", "bark", "no"]),
    st.dictionaries(st.sampled_from(["temperature", "no", "top-k", "x.y"]), value, max_size=2),
    max_size=2,
)
texts = {
    key: st.none() | line for key in ("style", "mood", "voice", "negative")
}  # fmt: skip
tempo = st.floats(20, 300) | st.integers(20, 300)
layer = st.builds(
    Layer, role=st.sampled_from(get_args(Role)),
    generators=generators, gain_db=st.floats(-60, 24), lyrics=st.none() | lyrics, **texts,
)  # fmt: skip
times = st.sampled_from(["4/4", "3/4", "6/8", "2/4", "12/8"])
lengths = st.fixed_dictionaries({"seconds": st.floats(0.5, 600)}) | st.fixed_dictionaries(
    {"bars": st.sampled_from([4, 7.5, 12])}
)
segment = st.builds(
    lambda length, **fields: Segment(**length, **fields), lengths,
    number=st.integers(1, 9999), name=name, section=name,
    time=st.none() | times, pickup=st.sampled_from([0, 0.5, 1]),
    chords=st.none() | st.sampled_from(["Am:2 F C/E G7", "| Am F | % | Bbmaj7 |", "Lam Mi7"]),
    tempo=st.none() | tempo,
    key=st.none() | line, lyrics=st.none() | lyrics, generators=generators, options=options,
    language=st.sampled_from([None, "en", "es-AR"]),
    baseline=st.sampled_from(
        [None, "baseline/a.wav", "a b.wav", "/abs/ü_1.wav", "~/x.wav", "a`b.wav", "#1.wav", "no"]
    ),
    layers=st.lists(layer, max_size=3, unique_by=lambda one: one.role).map(tuple),
    **texts,
)  # fmt: skip
whole = st.builds(
    Whole, generators=generators, gain_db=st.floats(-60, 24), options=options, **texts
)
sheets = st.builds(
    Sheet,
    whole=st.none() | whole,
    title=name, artist=st.just("") | line, tempo=tempo, time=times, key=st.none() | line,
    language=st.sampled_from([None, "en"]), generators=generators, options=options,
    segments=st.lists(segment, min_size=1, max_size=3, unique_by=lambda one: one.number).map(tuple),
    **texts,
)  # fmt: skip


@settings(max_examples=80, deadline=None)
@given(sheets)
def test_yaml(sheet: Sheet) -> None:
    assert parse_sheet(write_yaml(sheet)) == sheet


@settings(max_examples=80, deadline=None)
@given(sheets)
def test_markdown(sheet: Sheet) -> None:
    imported = import_markdown(export_markdown(sheet))
    assert imported.sheet == sheet
    assert not imported.unplaced
    assert not imported.guesses


@settings(max_examples=30, deadline=None)
@given(sheets)
def test_json_document(sheet: Sheet) -> None:
    document = json.loads(json.dumps(sheet.model_dump(mode="json", exclude_none=True)))
    assert Sheet.restore(document, Path("song.yaml")) == sheet


@settings(max_examples=30, deadline=None)
@given(sheets, st.dictionaries(
    st.sampled_from([(), ("title",), ("segments", 0), ("segments", 0, "seconds"), ("end",)]),
    st.lists(line, min_size=1, max_size=2)))  # fmt: skip
def test_comments_change_nothing(sheet: Sheet, comments: dict) -> None:
    assert parse_sheet(write_yaml(sheet, comments)) == sheet


@given(st.sampled_from(NASTY))
@example("no")
def test_a_nasty_text_stays_as_it_is(text: str) -> None:
    """Every trap of YAML and Markdown, alone in each text field."""
    sheet = Sheet(
        title=text, artist=text, style=text,
        segments=(Segment(number=1, name=text, section=text, seconds=1, key=text, mood=text),),
    )  # fmt: skip
    assert parse_sheet(write_yaml(sheet)) == sheet
    assert import_markdown(export_markdown(sheet)).sheet == sheet
