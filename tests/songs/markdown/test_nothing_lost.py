"""Whatever a document looks like, each of its words is in the sheet, in a guess, or listed."""

import re

from hypothesis import assume, given, settings
from hypothesis import strategies as st

from milonga.errors import SheetError
from milonga.songs.markdown.import_ import Imported, import_markdown
from milonga.songs.sheet.load import parse_sheet

# § stands for a word that occurs nowhere else.
TEMPLATES = (
    "**Mood**: § | **Voice**: §, **Tempo**: 99 §",
    "**§**: § **§**: §",
    "*Voice: §*",
    "## § Solo (8 bars)",
    "## Solo de § (§ bars)",
    "## Final",
    "# §",
    "## §",
    "### § §",
    "#### §",
    "## Segment {n} - Chorus (§)",
    "## Segment {n} - § (Verse)",
    "## Segment {n}",
    "### {n}. Instrumental: §",
    "## Verse {n}",
    "## Final Chorus: §",
    "# Bridge (15 s)",
    "**Segment {n}: Outro**",
    "## Chorus – §",
    "## [Intro]",
    "## Segment {n} - § (§ instrumental)",
    "**Title**: §",
    '**Title:** "§"',
    "Title: §",
    "**Artist**: §",
    "**Key**: §",
    "Key: A minor",
    "**Style Tags**:",
    "**Style**: §, §",
    "- **Mood**: §",
    "* Voice: §",
    "__Exclude__: §",
    "**Tempo**: § (120 BPM)",
    "**Tempo**: §",
    "**BPM**: 90-100",
    "Tempo: 1200 §",
    "**Duration Target**: ~15-20 seconds §",
    "**Duration**: §",
    "**Duration**: 1:30",
    "Length: 8 bars §",
    "**Lyrics**:",
    "**Lyrics**: §",
    "### Lyrics",
    "Letra:",
    "**§ §**: §",
    "**§**:",
    "**§**",
    "*§*: §",
    "**Language**: §",
    "**Section**: §",
    "**Model**: §",
    "**Reference**: §",
    "**Baseline**: §.wav",
    "**Baseline**: ../§.wav",
    "**Options**: §",
    "**Gain**: §",
    "**Number**: §",
    "**Type**: Chorus §",
    "```",
    "```lyrics",
    "``` §",
    "~~~",
    "---",
    "***",
    "===",
    "",
    "",
    "",
    "[Tempo: § 100 BPM]",
    "[Mood: §]",
    "[Voice: § + §]",
    "[§]",
    "[§: §]",
    "[Chorus]",
    "[Chorus - §]",
    "[Verse {n}: §]",
    "[Instrumental only - no vocals]",
    "[Instrumental] §",
    "[§",
    "§]",
    "§ [§] §",
    "[[§] §]",
    "§ § § (§)",
    "§ —  (§)",
    "- §",
    "1. § §",
    "> §",
    "> [Chorus]",
    "| § | § |",
    "|---|---|",
    "| Tempo | 100 § |",
    "| **Style** | § |",
    "N/A",
    "Instrumental",
    "<!-- § -->",
    "![§](§.wav)",
    "§  ",
    "§\\",
    "    §",
    "\t§",
    "[Style: §, §] [§] §",
    "Style: [§] 808",
    "§: §",
    "§ 120 BPM §",
    "¿§?",
    "**§** §",
    "[x] §",
    "[Guitar Solo §]",
    "[Soft §]",
    "[End]",
    "Key: § minor",
    "(§)",
    "“§”",
    "\\*§\\*",
    "&lt;§&gt;",
)
lines = st.lists(st.tuples(st.sampled_from(TEMPLATES), st.integers(0, 12)), min_size=1, max_size=25)


def filled(document: list[tuple[str, int]]) -> tuple[str, list[str]]:
    words: list[str] = []

    def word(_: re.Match[str]) -> str:
        words.append(f"zq{len(words)}x")
        return words[-1]

    text = "\n".join(re.sub("§", word, line.replace("{n}", str(n))) for line, n in document)
    return text, words


def accounted(imported: Imported) -> str:
    return "\n".join(
        [
            imported.sheet.model_dump_json(),
            *(left.text for left in imported.unplaced),
            *(guess.text for _, guess in imported.guesses),
        ]
    )


@settings(max_examples=200, deadline=None)
@given(lines)
def test_every_word_is_accounted_for(document: list[tuple[str, int]]) -> None:
    text, words = filled(document)
    try:
        imported = import_markdown(text)
    except SheetError as error:
        assume("No song" not in error.message)
        raise
    said = accounted(imported)
    assert not [word for word in words if not re.search(rf"{word}\b", said)]
    assert parse_sheet(imported.to_yaml()) == imported.sheet


@settings(max_examples=80, deadline=None)
@given(lines)
def test_what_is_listed_stands_on_its_line(document: list[tuple[str, int]]) -> None:
    text, _ = filled(document)
    try:
        imported = import_markdown(text)
    except SheetError:
        return
    source = text.split("\n")
    for left in imported.unplaced:
        there = source[left.line - 1]
        for word in re.findall(r"zq\d+x", left.text):
            assert word in there


@settings(max_examples=80, deadline=None)
@given(st.text(st.sampled_from("#*[]():-`|>\n abZ1.~_\\&;é—"), max_size=200))
def test_any_text_gives_a_sheet_or_an_explanation(text: str) -> None:
    try:
        imported = import_markdown(text)
    except SheetError as error:
        explained = bool(error.step or error.problems)
    else:
        explained = parse_sheet(imported.to_yaml()) == imported.sheet
    assert explained
