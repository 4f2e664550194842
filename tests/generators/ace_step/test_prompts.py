"""What ACE-Step reads, and what is said where it can't."""

from pathlib import Path

import pytest

from milonga.generators.ace_step.limits import length_problems, text_notes, text_problems
from milonga.generators.ace_step.prompts import (
    Texts,
    caption_of,
    language_of,
    lyrics_of,
    tag_of,
    texts_of,
)
from milonga.generators.base import Edit, LyricLine, Request, SongPart


def ask(**fields):
    return Request(**{
        "role": "song", "section": "verse", "style": "Latin trap", "mood": "playful",
        "voice": "smooth male lead", "seconds": 30, "tempo": 122, "key": "A minor", "seed": 0,
        **fields,
    })  # fmt: skip


def sing(*texts):
    return tuple(LyricLine(text=text) for text in texts)


def test_the_texts_are_the_template_of_the_model():
    texts = texts_of(ask(lyrics=sing("We laugh at the chaos"), negative="crowd, applause"))
    assert texts.description == (
        "# Instruction\nFill the audio semantic mask based on the given conditions:\n\n"
        "# Caption\nLatin trap, playful, smooth male lead, no crowd, no applause\n\n"
        "# Metas\n- bpm: 122\n- timesignature: 4\n- keyscale: A minor\n- duration: 30 seconds\n"
        "<|endoftext|>\n"
    )
    assert texts.lyrics == (
        "# Languages\nen\n\n# Lyric\n[Verse]\nWe laugh at the chaos<|endoftext|>"
    )
    parts = [SongPart(section="verse", seconds=9, negative=words) for words in ("choir, crowd", "")]
    caption = caption_of(ask(parts=tuple(parts), negative="crowd; noise"))
    assert caption.endswith("smooth male lead, no crowd, no noise, no choir")


@pytest.mark.parametrize(
    ("role", "caption"),
    [
        ("instrumental", "Latin trap, playful, instrumental"),
        ("backing", "Latin trap, playful, instrumental backing track"),
        ("texture", "Latin trap, playful, ambient texture, no melody, instrumental"),
    ],
)
def test_music_without_words(role, caption):
    request = ask(role=role, lyrics=sing("la la"))
    assert caption_of(request) == caption
    texts = texts_of(request)
    assert texts.lyrics == "# Languages\nunknown\n\n# Lyric\n[Instrumental]<|endoftext|>"
    assert ("- bpm: N/A" in texts.description) == (role == "texture")


def test_a_song_of_several_parts():
    parts = (
        SongPart(section="intro", seconds=10, style="bandoneón alone"),
        SongPart(section="Estrofa 1", seconds=20, mood="sad", style="tango",
                 lyrics=sing("Te busco en la noche")),
        SongPart(section="chorus", seconds=20, mood="playful", style="tango", lyrics=(
            LyricLine(text="We laugh at the  chaos (at the chaos)", directions=("choir",)),
            LyricLine(directions=("handclaps",)))),
        SongPart(section="guitar solo", seconds=10),
        SongPart(section="verse", seconds=10),
    )  # fmt: skip
    request = ask(style="", parts=parts, lyrics=tuple(x for p in parts for x in p.lyrics))
    assert caption_of(request) == "bandoneón alone, tango, playful, smooth male lead"
    assert lyrics_of(request) == (
        "[Intro]\n\n[Verse 1 - sad]\nTe busco en la noche\n\n"
        "[Chorus]\n[choir]\nWe laugh at the chaos (at the chaos)\n[handclaps]\n\n"
        "[Guitar Solo]\n\n[Verse - instrumental]"
    )


@pytest.mark.parametrize(
    ("section", "tag"),
    [("verse", "Verse"), ("pre-chorus", "Pre-Chorus"), ("Estribillo 2", "Chorus 2"),
     ("final chorus", "Final Chorus"), ("Puente", "Bridge"), ("rap", "Rap"), ("", "Verse"),
     ("drop", "Drop"), ("Milonga", "Milonga"), ("Coro final", "Chorus"),
     ("Mum's verse", "Mum's Verse")],
)  # fmt: skip
def test_sections_become_tags(section, tag):
    assert tag_of(section) == tag


@pytest.mark.parametrize(
    ("lines", "language"),
    [
        (["We laugh at the chaos, we play with the luck"], "en"),
        (["Nos reímos del caos", "y jugamos con la suerte", "laughing"], "es"),
        (["君の名は"], "ja"),
        ([], "unknown"),
    ],
)
def test_the_language_of_most_that_is_sung(lines, language):
    assert language_of(ask(lyrics=sing(*lines))) == language


def test_a_language_that_the_sheet_names():
    line = LyricLine(text="Oh la la", language="es-AR")
    assert language_of(ask(lyrics=(line,))) == "es"
    assert language_of(ask(lyrics=(LyricLine(text="abc", language="tlh"),))) == "unknown"


@pytest.mark.parametrize(
    ("time", "fact", "said"),
    [("3/4", "3", False), ("6/8", "6", False), ("2/4", "2", False), ("12/8", "N/A", True)],
)
def test_time_signatures(time, fact, said):
    request = ask(time=time)
    assert f"- timesignature: {fact}\n" in texts_of(request).description
    assert (f"{time} time" in caption_of(request)) == said


def test_a_key_or_tempo_that_the_model_has_no_word_for_is_in_the_caption_or_left_out():
    request = ask(key="D dorian", tempo=20)
    text = texts_of(request).description
    assert "- keyscale: N/A" in text
    assert "- bpm: N/A" in text
    assert "D dorian" in caption_of(request)
    assert "- keyscale: F# minor" in texts_of(ask(key="f# Minor")).description
    assert "- bpm: 123" in texts_of(ask(tempo=122.6)).description


@pytest.mark.parametrize(
    ("task", "track", "instruction"),
    [
        ("repaint", "", "Repaint the mask area based on the given conditions:"),
        ("extend", "", "Repaint the mask area based on the given conditions:"),
        ("cover", "", "Generate audio semantic tokens based on the given conditions:"),
        ("extract", "drums", "Extract the DRUMS track from the audio:"),
        ("extract", "", "Extract the track from the audio:"),
        ("lego", "bass", "Generate the BASS track based on the audio context:"),
        ("complete", "drums, bass", "Complete the input track with DRUMS | BASS:"),
        ("complete", "", "Complete the input track:"),
    ],
)
def test_instructions_are_the_library_s(task, track, instruction):
    from diffusers import AceStepPipeline

    request = ask(edit=Edit(task=task, source="00", track=track))
    assert f"# Instruction\n{instruction}\n" in texts_of(request, task).description
    names = [name.strip() for name in track.split(",")] if track else None
    theirs = AceStepPipeline._get_task_instruction(
        "repaint" if task == "extend" else task, track or None, names
    )
    assert theirs == instruction


@pytest.fixture(scope="module")
def tokenizer(make_ace_step):
    return Path(make_ace_step()) / "tokenizer/tokenizer.json"


def test_what_is_too_long_is_said_with_its_count(tokenizer):
    fits = Texts("z" * 256, "z" * 2048)
    assert not [*text_problems(fits, tokenizer), *text_notes(fits, tokenizer)]
    first, second = text_problems(Texts("z" * 257, "z" * 2049), tokenizer)
    assert "257 tokens, and ACE-Step reads 256" in first.message
    assert "2049 tokens, and ACE-Step reads 2048" in second.message
    assert first.step
    assert second.where == "lyrics"


def test_without_the_tokenizer_it_is_an_estimate_and_no_problem():
    long = Texts("word " * 200, "palabra " * 800)
    assert not [*text_problems(long, None)]
    assert len([*text_notes(long, None)]) == 2
    assert "a take that would lose words is refused" in next(iter(text_notes(long, None)))
    assert not [*text_notes(Texts("word " * 100, ""), None)]


@pytest.mark.parametrize(
    ("seconds", "whole", "step"),
    [(9.9, False, "neighbour"), (600.5, False, "Split"), (700, True, "Shorten the song")],
)
def test_lengths_out_of_range(seconds, whole, step):
    (problem,) = length_problems(seconds, whole)
    assert f"10 s to 600 s at once, not {seconds:g} s" in problem.message
    assert step in problem.step
    assert not [*length_problems(10, whole), *length_problems(600, whole)]
