import re

import pytest

from milonga.analysis.words.alignment import HeardWord
from milonga.analysis.words.lrc import lrc_text
from milonga.analysis.words.score import score_words

LINES = ["We laugh at the chaos", "we play with the luck", "dreams synthetic"]


def heard(text, at=10.0):
    return [HeardWord(word, at + n, at + n + 0.5) for n, word in enumerate(text.split())]


def test_errors_are_counted_and_named():
    score = score_words(LINES, heard("we laugh at chaos oh we play with the duck"))
    # Missing: the, dreams, synthetic; wrong: duck; added: oh.
    assert score.word_error == pytest.approx(5 / 12)
    assert score.recognised == pytest.approx(8 / 12)
    assert [line.faults for line in score.lines] == [
        "missing: the; added: oh",
        "wrong: luck -> duck",
        "missing: dreams, synthetic",
    ]
    assert [line.start_s for line in score.lines] == [10.0, 15.0, None]
    assert score.verdict == "8 of 12 words are heard as written."
    document = score.to_dict()
    assert (document["missing"], document["wrong"], document["added"]) == (3, 1, 1)


def test_what_a_recogniser_invents_over_music_is_no_word():
    score = score_words(LINES, heard("thank you for watching the"))
    assert score.no_words
    assert score.verdict == "No words of these lyrics are heard."
    silent = score_words(LINES, [])
    assert silent.no_words
    assert silent.word_error == 1.0


def test_phones_forgive_what_sounds_alike():
    def phones(text):
        return list(text.lower().replace(" ", "").replace("ck", "k").replace("y", "i"))

    score = score_words(["my luck"], heard("mi luk"), phones=phones)
    assert score.word_error == 1.0
    assert score.phone_error == 0.0


def test_lyrics_without_words_are_refused():
    with pytest.raises(ValueError, match="no word"):
        score_words(["...", ""], heard("la"))


def test_lrc_has_a_time_for_every_line_in_order():
    text = lrc_text(
        score_words([*LINES, "and gone"], heard("we laugh at the chaos dreams synthetic and gone")),
        title="One", source="whisper-tiny",
    )  # fmt: skip
    head, *lines = [line for line in text.splitlines() if not line.startswith("[re")]
    assert head == "[ti:One]"
    times = [re.match(r"\[(\d\d):(\d\d\.\d\d)\]", line) for line in lines]
    seconds = [60 * int(t[1]) + float(t[2]) for t in times]
    assert seconds == sorted(seconds)
    # The second line wasn't heard: evenly between its neighbours.
    assert seconds == [10.0, 12.5, 15.0, 17.0]
    assert lines[0] == (
        "[00:10.00]<00:10.00> We <00:11.00> laugh <00:12.00> at <00:13.00> the <00:14.00> chaos"
    )
    assert lines[1] == "[00:12.50]we play with the luck"
