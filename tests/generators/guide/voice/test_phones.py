import pytest

from milonga.generators.guide.voice.phones import Phone, nuclei


def phones(*symbols_and_words):
    return [
        Phone(symbol, 0.1 * i, 0.1 * (i + 1), word)
        for i, (symbol, word) in enumerate(symbols_and_words)
    ]


@pytest.mark.parametrize(
    ("symbol", "nucleus", "voiced", "plosive"),
    [
        ("ˈeɪ", True, True, False),
        ("A", True, True, False),
        ("ɑː", True, True, False),
        ("n\u0329", True, True, False),
        ("n", False, True, False),
        ("tʃ", False, False, True),
        ("dʒ", False, True, True),
        ("s", False, False, False),
        ("β", False, True, False),
        ("", False, False, False),
    ],
)
def test_classes(symbol, nucleus, voiced, plosive):
    phone = Phone(symbol, 0, 1, 0)
    assert (phone.nucleus, phone.voiced, phone.plosive) == (nucleus, voiced, plosive)


def test_diphthongs_are_held_on_their_first_sound():
    assert Phone("ˈaɪ", 0, 1, 0).diphthong
    assert Phone("O", 0, 1, 0).diphthong
    assert not Phone("ɑː", 0, 1, 0).diphthong


def test_consonants_go_to_the_vowel_after_within_a_word_and_stay_at_its_end():
    found = nuclei(
        phones(("k", 0), ("ˈa", 0), ("n", 0), ("t", 0), ("o", 0), ("s", 0), ("m", 1), ("i", 1))
    )
    parts = [("".join(p.symbol for p in n.onset), "".join(p.symbol for p in n.coda)) for n in found]
    assert parts == [("k", ""), ("nt", "s"), ("m", "")]


def test_a_pause_never_opens_a_syllable():
    found = nuclei(phones(("a", 0), ("", 0), ("", 1), ("b", 1), ("o", 1)))
    assert [p.symbol for p in found[1].onset] == ["b"]


@pytest.mark.parametrize(
    ("symbols", "carrier"), [(("ʃ",), "ʃ"), (("b", "ɹ"), "b"), (("h", "m"), "m")]
)
def test_a_word_without_a_vowel_is_carried_by_its_longest_sound_voiced_if_it_has_one(
    symbols, carrier
):
    found = nuclei(phones(*((symbol, 0) for symbol in symbols), ("a", 1)))
    assert [n.phone.symbol for n in found] == [carrier, "a"]


def test_silence_has_no_syllables():
    assert nuclei([]) == []
    assert nuclei(phones(("", 0))) == []
