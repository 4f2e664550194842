"""Lyrics to prompts: notation, stage directions, voices, and parts from which nothing is lost."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from milonga.generators.bark import Bark
from milonga.generators.bark.notation import Phrase, clean, manner_of, phrases, read_directions
from milonga.generators.bark.parts import estimate_s, split, tokens_at_most
from milonga.generators.bark.script import script_of
from milonga.generators.bark.voices import KNOWN, main_language, sex_of, usual_voice
from milonga.generators.base import LyricLine, Request
from milonga.songs.sheet.lyrics import parse_lyrics


def ask(lyrics, **changes):
    lines = parse_lyrics(lyrics) if isinstance(lyrics, str) else lyrics
    values = {"role": "vocals", "section": "verse", "seconds": 15, "tempo": 120, "key": "A minor",
              "seed": 0, "lyrics": lines} | changes  # fmt: skip
    return Request(**values)


def prompts(lyrics, preset="auto", part_s=13.0, **changes):
    return script_of(ask(lyrics, **changes), preset, part_s).prompts


def test_the_reference_song():
    script = script_of(
        ask(
            "We laugh at the chaos, we play with the luck,\n"
            "Dreams synthetic but hearts imperfect. (susurra)\n[background whispers]",
            voice="smooth male lead",
        ),
        "auto",
        13.0,
    )
    assert script.prompts == [
        "♪ We laugh at the chaos, we play with the luck ♪\n"
        "♪ Dreams synthetic but hearts imperfect. susurra ♪"
    ]
    assert (script.voice, script.language) == ("v2/en_speaker_6", "en")
    assert script.unsent == ("background whispers",)


@pytest.mark.parametrize(
    ("direction", "signs", "manner"),
    [
        ("laughs", ("[laughs]",), None),
        ("risas", ("[laughs]",), None),
        ("se ríe", ("[laughs]",), None),
        ("Laughter", ("[laughter]",), None),
        ("suspira", ("[sighs]",), None),
        ("heavy sigh", ("[sighs]",), None),
        ("gasps", ("[gasps]",), None),
        ("clears throat", ("[clears throat]",), None),
        ("carraspea", ("[clears throat]",), None),
        ("música", ("[music]",), None),
        ("guitar solo", ("[music]",), None),
        ("whispers", (), "whispered"),
        ("susurra", (), "whispered"),
        ("spoken", (), "spoken"),
        ("hablado", (), "spoken"),
        ("gritando", (), "shouted"),
        ("laughs, spoken", ("[laughs]",), "spoken"),
    ],
)
def test_directions(direction, signs, manner):
    assert read_directions([direction]) == (signs, manner, [])


@pytest.mark.parametrize("direction", ["fade out", "background whispers", "layered vocals", "808"])
def test_directions_without_a_sign_are_listed_and_not_sung(direction):
    found, unknown = phrases(ask(f"Here we are [{direction}]"))
    assert unknown == [direction]
    assert [phrase.prompt for phrase in found] == ["♪ Here we are ♪"]


@pytest.mark.parametrize(
    ("lyrics", "text"),
    [
        ("Come closer [whispers]", "… Come closer …"),
        ("[susurra]\nVen aquí\nAhora baila", "… Ven aquí …\n♪ Ahora baila ♪"),
        ("[laughs]\nHello", "[laughs]\n♪ Hello ♪"),
        ("Oh no [sighs]", "[sighs] ♪ Oh no ♪"),
        ("Run, run! [shouting]", "♪ RUN, RUN! ♪"),
        ("Dear diary [spoken]", "Dear diary"),
        ("We whisper, (susurra conmigo)", "♪ We whisper, susurra conmigo ♪"),
        ("(hey) we (oh) go (ho).", "♪ hey, we, oh, go, ho. ♪"),
        ("♪ with notes ♪ {x}", "♪ with notes x ♪"),
    ],
)
def test_notation(lyrics, text):
    assert prompts(lyrics) == [text]


def test_how_the_sheet_wants_it():
    assert prompts("Hello there", mood="whispered") == ["… Hello there …"]
    assert prompts("Hello there", style="spoken word over pads") == ["Hello there"]
    assert prompts("Hello there", section="spoken intro") == ["Hello there"]
    # That speaks of the music.
    assert prompts("Hello there", style="talking drum, speakeasy") == ["♪ Hello there ♪"]
    assert prompts("Hello there", voice="soft-spoken") == ["♪ Hello there ♪"]
    assert prompts("Hello there", style="screaming guitars") == ["♪ Hello there ♪"]
    assert manner_of(["background whispers", "sings"]) == "sung"


def test_a_backing_sings_the_answers():
    lyrics = "We whisper (susurra conmigo)\nHalf of it (late) is mine (conmigo)"
    assert prompts(lyrics, role="backing") == ["♪ susurra conmigo ♪\n♪ late, conmigo ♪"]
    # In the voice of the whole segment, not of the answers.
    assert script_of(ask(lyrics + "\nwe are the night", role="backing"), "auto", 13).voice == (
        "v2/en_speaker_6"
    )
    assert prompts("We whisper", role="backing") == ["♪ We whisper ♪"]
    assert prompts("[music]", role="backing") == ["[music]"]


def test_voices():
    assert sex_of("smooth male lead") == "man"
    assert sex_of("female lead") == sex_of("mujer joven") == "woman"
    assert sex_of("varón") == "man"
    assert sex_of("") is sex_of("male and female duet") is sex_of("the theme") is None
    assert usual_voice("en", None) == usual_voice("xx", "man") == "v2/en_speaker_6"
    assert usual_voice("es", "woman") == "v2/es_speaker_8"
    assert usual_voice("pt", "woman") == usual_voice("pt", "man")
    assert {usual_voice(code[3:5], sex) for code in KNOWN for sex in ("man", "woman")} <= set(KNOWN)
    assert len(KNOWN) == 130


def test_a_bilingual_lyric_stays_in_one_voice():
    lyrics = "Tiro los dados, la noche contesta\nnobody loses\nla vida es un sueño, corazón" * 4
    script = script_of(ask(lyrics, voice="female lead"), "auto", 8.0)
    assert len(script.parts) > 1
    assert (script.voice, script.language) == ("v2/es_speaker_8", "es")
    fixed = (LyricLine(text="la luna", language="Spanish"), LyricLine(text="oh", language="en"))
    assert script_of(ask(fixed), "auto", 13).language == "es"
    assert main_language([]) == "en"


def test_without_a_preset_each_part_says_who_sings():
    lyrics = "\n".join(["We laugh at the chaos, we play with the luck"] * 8)
    texts = prompts(lyrics, "none", voice="female lead")
    assert len(texts) > 1
    assert all(text.startswith("[WOMAN] ♪") for text in texts)
    assert prompts("Hello", "none") == ["♪ Hello ♪"]


def test_spanish_and_english_are_timed_by_their_own_syllables():
    # "corazón" has three; the same letters by English rules may not.
    spanish = estimate_s(Phrase("corazón conmigo siempre", "es"))
    assert spanish == pytest.approx(8 / (3.6 * 1.2) + 0.35)
    assert estimate_s(Phrase("夜空の下で", "ja")) > estimate_s(Phrase("夜", "ja"))


def test_parts_are_about_equally_long():
    line = "We laugh at the chaos, we play with the luck"
    parts = split([Phrase(line, "en")] * 9)
    lengths = [len(part.phrases) for part in parts]
    assert sum(lengths) == 9
    assert max(lengths) - min(lengths) <= 1
    assert all(part.seconds <= 13 for part in parts)


def test_a_long_line_splits_at_phrases_then_words_then_letters():
    phrase = "we laugh at the chaos, we play with the luck, we dance till the morning"
    assert [p.words for p in split([Phrase(phrase, "en")], longest_s=4.0)] == [
        "we laugh at the chaos, we play with the luck,",
        "we dance till the morning",
    ]
    words = " ".join(["night"] * 60)
    parts = split([Phrase(words, "en")])
    assert " ".join(part.words for part in parts) == words
    assert all(set(part.words.split()) == {"night"} for part in parts)
    long = "a" * 700
    assert "".join(part.words for part in split([Phrase(long, "en")])) == long


TEXT = st.text(st.sampled_from("abcdé ñ ,.;!¿?…—'’()[]♪1夜の가\u0301ß"), min_size=0, max_size=120)
LINES = st.lists(
    st.builds(
        LyricLine,
        text=TEXT,
        language=st.sampled_from([None, "en", "es", "ja"]),
        directions=st.lists(
            st.sampled_from(["laughs", "susurra", "shout", "fade", "music", "spoken"]), max_size=3
        ).map(tuple),
    ),
    max_size=12,
)


def letters(text):
    return [c for c in text.casefold() if c.isalnum()]


@settings(max_examples=60, deadline=None)
@given(lines=LINES, part_s=st.floats(2, 14), voice=st.sampled_from(["auto", "none"]))
def test_nothing_is_lost_reordered_or_too_long(lines, part_s, voice, bert_tokenizer):
    script = script_of(ask(tuple(lines), voice="mujer"), voice, part_s)
    sung = letters("".join(line.text for line in lines))
    assert letters("".join(part.words for part in script.parts)) == sung
    read = "".join(script.prompts)
    for sign in ("[laughs]", "[music]", "[WOMAN]"):
        read = read.replace(sign, "")
    assert letters(read) == sung
    for part, prompt in zip(script.parts, script.prompts, strict=True):
        count = len(bert_tokenizer(prompt, add_special_tokens=False)["input_ids"])
        assert count <= tokens_at_most(prompt) <= 256
        # One letter or sign may be longer than 2 s by itself; nothing else is.
        assert part.seconds <= part_s or len(part.phrases) == 1


@given(TEXT)
def test_cleaned_text_holds_no_signs_and_all_letters(text):
    assert letters(clean(text)) == letters(text)
    assert not set("♪[]()") & set(clean(text))


@pytest.mark.parametrize(
    ("words", "name"),
    [
        ("Περπατώ μέσα στη νύχτα\nμε την καρδιά μου", "Greek"),
        ("أمشي في الليل\nوقلبي معك", "Arabic"),
        ("Ik loop door de nacht\nhet licht is niet meer van ons\nmaar mijn hart blijft", "Dutch"),
        ("Jag går genom natten\ndet är inte som förut\nmitt hjärta för dig", "Swedish"),
        ("เดินในคืนนี้", "Thai"),
    ],
)
def test_languages_that_bark_does_not_know_are_said(words, name):
    notes = " ".join(Bark().assess(ask(words)).notes)
    assert f"Bark doesn't know {name}" in notes
    assert "It knows Chinese, English, French, German, Hindi, Italian" in notes


def test_a_language_that_the_sheet_names_counts():
    lines = (LyricLine(text="kall natt", language="sv-SE"),)
    assert "Bark doesn't know Swedish" in " ".join(Bark().assess(ask(lines)).notes)


@pytest.mark.parametrize(
    ("words", "voice"),
    [
        ("We laugh at the chaos, we play\nTiro los dados", "v2/en"),
        ("Idę przez noc\nto nie jest już tak jak dawniej\nserce tylko dla ciebie", "v2/pl"),
        ("Gece yürüyorum ve seni düşünüyorum\nartık eskisi gibi değil\nsenin için çok", "v2/tr"),
    ],
)
def test_languages_that_it_knows_get_their_voice_and_no_note(words, voice):
    found = Bark().assess(ask(words))
    assert "doesn't know" not in " ".join(found.notes)
    assert script_of(ask(words), "auto", 13).voice.startswith(voice)
