import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from milonga.analysis.words.alignment import HeardWord, align, edits, plain, words_of

WORDS = st.sampled_from(["la", "noche", "luz", "we", "laugh", "at"])


def heard_of(text):
    return [HeardWord(word, n, n + 0.5) for n, word in enumerate(text.split())]


def kinds(lines, text):
    return [(w.kind, w.expected, w.heard, w.line) for w in align(lines, heard_of(text))]


def test_each_kind_of_fault_is_named_in_its_line():
    lines = ["We laugh at the chaos,", "we play with the luck"]
    assert kinds(lines, "we laugh the cows yeah we play with the luck") == [
        ("right", "We", "we", 0),
        ("right", "laugh", "laugh", 0),
        ("missing", "at", "", 0),
        ("right", "the", "the", 0),
        ("wrong", "chaos", "cows", 0),
        ("added", "", "yeah", 0),
        ("right", "we", "we", 1),
        ("right", "play", "play", 1),
        ("right", "with", "with", 1),
        ("right", "the", "the", 1),
        ("right", "luck", "luck", 1),
    ]


def test_of_equal_alignments_the_likest_words_meet():
    (first, second) = align(["chaos playing"], heard_of("cows"))
    assert (first.kind, first.heard, second.kind) == ("wrong", "cows", "missing")
    (first, second) = align(["chaos playing"], heard_of("plane"))
    assert (first.kind, second.kind, second.heard) == ("missing", "wrong", "plane")


@settings(max_examples=50)
@given(st.lists(st.lists(WORDS, max_size=5), min_size=1, max_size=4), st.lists(WORDS, max_size=12))
def test_no_word_is_lost_and_the_edits_are_the_fewest(lines, heard):
    texts = [" ".join(line) for line in lines]
    aligned = align(texts, heard_of(" ".join(heard)))
    assert [w.expected for w in aligned if w.expected] == [w for line in lines for w in line]
    assert [w.heard for w in aligned if w.heard] == heard
    assert [w.line for w in aligned] == sorted(w.line for w in aligned)
    times = [w.start_s for w in aligned if w.start_s is not None]
    assert times == sorted(times)
    wrong = sum(w.kind != "right" for w in aligned)
    assert (
        wrong
        == edits([w for line in lines for w in line], heard)
        == _levenshtein([w for line in lines for w in line], heard)
    )


def _levenshtein(a, b):
    table = np.zeros((len(a) + 1, len(b) + 1), int)
    table[:, 0], table[0] = range(len(a) + 1), range(len(b) + 1)
    for i in range(len(a)):
        for j in range(len(b)):
            table[i + 1, j + 1] = min(
                table[i, j] + (a[i] != b[j]), table[i, j + 1] + 1, table[i + 1, j] + 1
            )
    return int(table[-1, -1])


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("Don’t stop, ¡corazón!", ["Don't", "stop", "corazón"]),
        ("東京の夜", ["東", "京", "の", "夜"]),
        ("808 drops -- ok?", ["808", "drops", "ok"]),
        ("...", []),
    ],
)
def test_texts_are_split_into_words(text, words):
    assert words_of(text) == words


def test_case_accents_and_apostrophes_are_no_fault():
    assert plain("Corazón") == plain("CORAZON")
    assert plain("don't") == plain("dont")


def test_a_heard_word_of_several_is_split_in_time():
    found = align(["uno dos"], [HeardWord("uno-dos", 1.0, 2.0)])
    assert [(w.kind, w.start_s, w.end_s) for w in found] == [
        ("right", 1.0, 1.5),
        ("right", 1.5, 2.0),
    ]
