"""Syllables and stress by spelling."""

from hypothesis import given
from hypothesis import strategies as st

from milonga.generators.words.syllables import split_syllables, stresses, word_languages

# Divisions after the Real Academia Española's rules.
SPANISH = (
    "su-su-rra con-mi-go co-ra-zón ban-do-ne-ón guar-dián a-ho-ra pa-ís gui-ta-rra a-ve-ri-guar "
    "ci-güe-ña cons-truc-ción trans-por-te pe-rro ca-lle a-é-re-o bú-ho rey re-yes cuyo:cu-yo "
    "hie-lo ciu-dad me-lo-dí-a a-bra-zo ha-blar ins-tru-men-to llu-via qui-zás queso:que-so "
    "noche:no-che Fu-tu-ro có-di-go len-gua poe-ta:po-e-ta te-a-tro i-gual"
)
# Counts after the CMU Pronouncing Dictionary.
ENGLISH = {
    "we": 1, "laugh": 1, "chaos": 2, "luck": 1, "dreams": 1, "synthetic": 3, "imperfect": 3,
    "whisper": 2, "future": 2, "love": 1, "loved": 1, "wanted": 2, "dances": 2, "little": 2,
    "people": 2, "every": 2, "everything": 3, "beautiful": 3, "heaven": 2, "rhythm": 2,
    "going": 2, "flying": 2, "being": 2, "created": 3, "idea": 3, "radio": 3, "quiet": 2,
    "lonely": 2, "sometimes": 2, "movement": 2, "queen": 1, "yesterday": 3, "moments": 2,
    "digital": 3, "electricity": 5, "machine": 2, "guitar": 2, "memories": 3, "handled": 2,
    "don't": 1, "isn't": 2, "magically": 3, "yeah": 1, "oh": 1, "million": 2, "serious": 3,
}  # fmt: skip


def test_spanish_divisions():
    divided = [entry.split(":")[-1].split("-") for entry in SPANISH.split()]
    found = [split_syllables("".join(parts), "es") for parts in divided]
    assert found == [[parts] for parts in divided]


def test_english_counts():
    found = {word: split_syllables(word, "en") for word in ENGLISH}
    assert {word: len(parts) for word, (parts,) in found.items()} == ENGLISH
    assert all("".join(parts) == word for word, (parts,) in found.items())


def test_lines_mix_languages():
    line = "We whisper, susurra conmigo, amor y código"
    tongues = [language for _, language in word_languages(line)]
    assert tongues == ["en", "en", "es", "es", "es", "es", "es"]
    assert [len(word) for word in split_syllables(line)] == [1, 2, 3, 3, 2, 1, 3]
    assert {language for _, language in word_languages(line, "en-GB")} == {"en"}


def test_stress_falls_on_words_that_carry_it():
    marked = stresses("Baila la canción del corazón", "es")
    assert [i for i, stressed in enumerate(marked) if stressed] == [0, 4, 8]
    marked = stresses("We laugh at the chaos", "en")
    assert [i for i, stressed in enumerate(marked) if stressed] == [1, 4]


def test_numbers_are_sung_and_symbols_are_not():
    assert [len(word) for word in split_syllables("808 💔 !!! nights", "en")] == [4, 1]
    assert split_syllables("💔 …", None) == []


@given(st.text(max_size=60), st.sampled_from(["en", "es", "fr", None]))
def test_any_text_divides_into_its_own_letters(text, language):
    words = split_syllables(text, language)
    for (word, _), parts in zip(word_languages(text, language), words, strict=True):
        assert parts
        assert word.isdecimal() or "".join(parts) == word
    assert len(stresses(text, language)) == sum(map(len, words))
