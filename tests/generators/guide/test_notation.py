"""What the guide tells of its music: groups that sum to the take, notes and words in their time."""

import numpy as np
import pytest

import milonga
from milonga import LyricLine, Request

WORDS = (
    LyricLine(text="We laugh at the chaos, we play (with the luck)"),
    LyricLine(text="Only hearts remain", directions=("spoken",)),
)
SUNG = Request(
    role="vocals", section="verse", style="latin trap", seconds=8, tempo=122, key="A minor",
    seed=3, lyrics=WORDS,
)  # fmt: skip
SONG = Request.model_validate(
    {
        **SUNG.model_dump(),
        "role": "song",
        "parts": (
            {"section": "intro", "seconds": 3, "style": "tango with strings"},
            {"section": "verse", "seconds": 8, "lyrics": WORDS},
        ),
    }
)


@pytest.fixture(scope="module")
def guide():
    return milonga.generator("guide")


@pytest.mark.parametrize("request_", [SUNG, SONG], ids=["segment", "song in one take"])
def test_the_groups_of_a_take_sum_to_it(guide, request_):
    groups = guide.groups(request_)
    assert {"drums", "bass", "chords", "voice"} <= set(groups)
    whole = guide.render(request_).samples
    total = sum(group.samples.astype(np.float64) for group in groups.values())
    # Single precision: rounding stays under -120 dBFS; a stem would be off at -90.
    assert np.abs(total - whole).max() < 10 ** (-120 / 20)
    assert all(np.abs(group.samples).max() > 0.01 for group in groups.values())


def test_the_notes_are_those_of_the_score(guide):
    notation, score = guide.notation(SUNG), guide.score(SUNG)
    played = {part.name.partition(":")[0]: part for part in notation.parts}
    # A kit is one instrument.
    assert set(played) == {*score.parts, "voice"} - {"kick"}
    for name, part in played.items():
        if name == "voice":
            continue
        names = ("kick", "drums") if part.drums else (name,)
        written = [note for name in names for note in score.parts[name].notes]
        assert [(n.start_s, n.pitch) for n in part.notes] == [(n.start_s, n.pitch) for n in written]
        assert (part.program, part.drums) == (score.parts[name].program, name == "drums")
    # What is spoken has no notes.
    assert "".join(note.syllable for note in played["voice"].notes).split() == [
        "We", "laugh", "at", "the", "chaos", "we", "play", "with", "the", "luck",
    ]  # fmt: skip


def test_words_have_their_marks_and_times_and_spoken_lines_only_a_start(guide):
    sung, spoken = guide.notation(SUNG).lines
    assert [text for text, _, _ in sung.words] == [
        "We", "laugh", "at", "the", "chaos,", "we", "play", "(with", "the", "luck)",
    ]  # fmt: skip
    starts = [start for _, start, _ in sung.words]
    assert starts == sorted(starts)
    assert sung.start_s <= starts[0]
    assert spoken.text == "Only hearts remain"
    assert spoken.words == ()
    assert sung.start_s < spoken.start_s < 8


def test_a_song_in_one_take_has_its_segments_one_after_the_other(guide):
    alone, song = guide.notation(SUNG), guide.notation(SONG)
    assert song.seconds == 11
    assert [line.start_s for line in song.lines] == pytest.approx(
        [3 + line.start_s for line in alone.lines]
    )
    voice = next(part for part in song.parts if part.name == "voice")
    assert min(note.start_s for note in voice.notes) >= 3


def test_a_voice_that_answers_is_written_where_it_sings(guide):
    duet = SUNG.model_copy(update={"voice": "duet", "lyrics": (WORDS[0], WORDS[0])})
    notes = next(part for part in guide.notation(duet).parts if part.name == "voice").notes
    half = max(line.start_s for line in guide.notation(duet).lines)
    # The second line is a man's, lower by the distance of the ranges.
    first = [n.pitch for n in notes if n.start_s < half - 1e-6]
    assert np.mean(first) - np.mean([n.pitch for n in notes if n.start_s >= half - 1e-6]) > 5
