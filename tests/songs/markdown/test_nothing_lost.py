"""Whatever a document looks like, each of its words is in the sheet, in a guess, or listed."""

import json
import re

from hypothesis import assume, given, settings
from hypothesis import strategies as st

from milonga.errors import SheetError
from milonga.songs.markdown.import_ import Imported, import_markdown
from milonga.songs.sheet.load import parse_sheet
from milonga.songs.sheet.lyrics import parse_lyrics

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
    "[Chorus] (x2)",
    "[Chorus] x9 § (§)",
    "[§ Verse]",
    "\\[Chorus\\] §",
    "**[Bridge] (§)**",
    "【副歌】 §",
    "Verse {n}",
    "Verse {n}: §",
    "Chorus (§)",
    "[End]",
    "[Repeat Chorus]",
    "§ (x2)",
    "(x2)",
    "Weirdness: §",
    "**Persona**: §",
    "Style: § | Key: § | § | Foo: §",
    "| Key: § | Time: 3/4 |",
    "| Español | § |",
    "| § |",
    "*(§)*",
    "*whispered* §",
    "(half-spoken)",
    "// §",
    "§  # §",
    "<!-- §",
    "§ -->",
    "[Am]§ [G]§",
    "Am  F  G7",
    "§ / §",
    "Language: § / §",
    "- [ ] §",
    "24. §",
    "120 BPM, D minor, 4/4, 3:20",
    "Style: §, BPM: 142",
    "Want me to change the § song?",
    "12Embed",
    "Song 3: §",
    "# § — Suno-Ready §",
    "Caption:",
    "제목: §",
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


def check_every_word(document: list[tuple[str, int]]) -> None:
    """No word is lost, and the sheet comes back as it was."""
    text, words = filled(document)
    try:
        imported = import_markdown(text)
    except SheetError as error:
        assume("No song" not in error.message)
        raise
    said = accounted(imported)
    assert not [word for word in words if not re.search(rf"{word}\b", said)]
    assert parse_sheet(imported.to_yaml()) == imported.sheet


@settings(max_examples=200, deadline=None)
@given(lines)
def test_every_word_is_accounted_for(document: list[tuple[str, int]]) -> None:
    check_every_word(document)


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


# What is sung is marked s, what isn't t. Behind a tag "Style: t" would be sung.
LABELS = (
    "Style: t", "Exclude: t", "Foo: t", "| Key: t | Time: 4/4 |", "Mood: t | Seed: t", "", "```",
)  # fmt: skip
NEVER_SUNG = (
    "**Style**: t, t", "**Weirdness**: 4t", "Weirdness: 42", "**t**: t", "// t", "[Mood: t]", "[t]",
    "[Chorus] (t)", "[Verse 2: t] [t]", "[Verse {n}] t", "**[Bridge]** (t)", "| Weirdness | t |",
    "*(t)*", "## Chorus", "### Verse {n}", "Verse {n}:", "CHORUS", "[Chorus]", "", "", "<!-- t -->",
    "---", "12Embed", "[Am] [G]", "Am  F  G7", "```", "- **Mood**: t",
)  # fmt: skip
SUNG = (
    "s", "s s s", "s (s)", "s: s", "- s", "1. s", "*s* s", "s\\", "> s", "**s** s", "[Am]s [G]s",
    "s (x2)", "  s", "s [t]", "s  # t",
)  # fmt: skip


@settings(max_examples=100, deadline=None)
@given(
    st.lists(st.sampled_from(LABELS), max_size=4),
    st.lists(st.sampled_from([*NEVER_SUNG, *SUNG, *SUNG]), min_size=1, max_size=20),
)
def test_labels_tags_and_marks_are_never_sung(head: list[str], body: list[str]) -> None:
    count = iter(range(1000))
    text = "\n".join(
        re.sub(r"\b[st]\b", lambda m: f"{m[0]}q{next(count)}x", line.replace("{n}", "2"))
        for line in ["# Title", "", *head, "", *body]
    )
    try:
        imported = import_markdown(text)
    except SheetError as error:
        assume("No song" not in error.message)
        raise
    sung = "\n".join(
        line.text for s in imported.sheet.segments for line in parse_lyrics(s.lyrics or "")
    )
    assert not re.search(
        r"tq\d|weirdness|[*|#\\<>`]|\bx2\b|embed|chorus|verse", sung, re.IGNORECASE
    )
    said = accounted(imported)
    assert not [word for word in re.findall(r"[st]q\d+x", text) if word not in said]


FORMS = (
    "[00:01.00]§", "[00:02.00][00:09.00]§ §", "[00:05.00]", "[01:99.00]§", "[ti:§]", "[foo:§]",
    "[length:01:00]", "1", "00:00:01,000 --> 00:00:02,000", "00:05.000 --> 00:01.000", "WEBVTT",
    "<i>§</i>", "{title: §}", "{soc}", "{eoc}", "{c: §}", "{c: Chorus}", "{sob: §}", "{sot}",
    "{eot}",
    "{chorus}", "{meta: key §}", "[G]§ [Am]§", "# §", "§", "", "[Chorus]",
)  # fmt: skip


@settings(max_examples=100, deadline=None)
@given(st.lists(st.sampled_from(FORMS).map(lambda line: (line, 0)), min_size=1, max_size=20))
def test_every_word_of_other_forms_is_accounted_for(document: list[tuple[str, int]]) -> None:
    check_every_word(document)


@settings(max_examples=50, deadline=None)
@given(st.recursive(
    st.text(max_size=8) | st.integers() | st.none() | st.booleans() | st.just("[Verse]\nla"),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(
        st.sampled_from(["title", "tags", "prompt", "lyrics", "bpm", "duration", "x"]), inner,
        max_size=4), max_leaves=8,
))  # fmt: skip
def test_any_json_gives_a_sheet_or_an_explanation(document: object) -> None:
    try:
        imported = import_markdown(json.dumps(document))
    except SheetError:
        return
    assert parse_sheet(imported.to_yaml()) == imported.sheet
