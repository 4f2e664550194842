import pytest

from milonga.generators.base import LyricLine
from milonga.generators.words.language import (
    language_code,
    line_languages,
    other_language,
    runs,
)

LINES = {
    "en": (
        "We laugh at the chaos, we play with the luck,",
        "Dreams synthetic but hearts imperfect.",
        "Baby, come back",
        "Electric heart, neon sky",
        "Digital dreams",
        "Hold on, hold on",
        "Ghost in the machine",
        "Never say never",
        "Kiss me slow",
        "Golden hour",
    ),
    "es": (
        "Susurra conmigo en la noche",
        "El futuro nos llama",
        "Caos y suerte",
        "Mi corazón",
        "Baila, baila",
        "Luz de neón",
        "Solo tú",
        "¿Dónde estás?",
        "Sombras del ayer",
        "Besos de sal",
    ),
    "pt": ("Eu não quero saber", "Saudade de você"),
    "fr": ("Je ne regrette rien", "Mon amour, mon cœur"),
    "it": ("Che cosa vuoi da me", "Il mio cuore è tuo"),
    "de": ("Ich liebe dich", "Die Nacht ist kalt und dunkel"),
    "ru": ("Чёрный ворон",),
    "el": ("Τα παιδιά του Πειραιά",),
    "ja": ("さくら さくら", "東京の夜"),
    "zh": ("月亮代表我的心",),
    "ko": ("사랑해요",),
    "ar": ("حبيبي يا نور العين",),
}


@pytest.mark.parametrize(("code", "text"), [(c, t) for c, texts in LINES.items() for t in texts])
def test_a_line_alone(code, text):
    assert line_languages([LyricLine(text=text)]) == [code]


def test_what_the_sheet_says_wins():
    assert line_languages([LyricLine(text="Hold on to me", language="es")]) == ["es"]
    assert line_languages([LyricLine(text="x", language="Español")]) == ["es"]
    assert language_code("es_AR") == "es-ar"


def test_the_rest_of_the_song_decides_what_a_line_leaves_open():
    spanish = [LyricLine(text=text) for text in LINES["es"][:4]]
    assert line_languages([*spanish, LyricLine(text="Solo")])[-1] == "es"
    assert line_languages([*spanish, LyricLine(text="La la la")])[-1] == "es"
    english = [LyricLine(text=text) for text in LINES["en"][:4]]
    assert line_languages([*english, LyricLine(text="La la la")])[-1] == "en"


def test_nothing_known_is_english():
    assert line_languages([LyricLine(text="Zzz")]) == ["en"]
    assert line_languages([LyricLine(text="🔥 808")]) == ["en"]
    assert line_languages([]) == []


@pytest.mark.parametrize(
    ("text", "language", "expected"),
    [
        (
            "Oh my corazón, baila conmigo under the moonlight",
            "en",
            [("en", 2), ("es", 3), ("en", 3)],
        ),
        ("Te quiero baby, come with me", "en", [("es", 2), ("en", 4)]),
        ("Susurra conmigo baby", "es", [("es", 3)]),
        ("Turn down the machines, dejá la luz", "en", [("en", 4), ("es", 3)]),
        ("Hold me", "en", [("en", 2)]),
        ("Oh no, the city of Los Angeles", "en", [("en", 7)]),
        ("", "en", []),
    ],
)
def test_mixed_lines_change_voice_where_two_words_or_more_say_so(text, language, expected):
    found = runs(text.split(), language)
    assert [(code, stop - first) for first, stop, code in found] == expected
    assert sum(stop - first for first, stop, _ in found) == len(text.split())


@pytest.mark.parametrize(
    ("words", "code"),
    [
        ("Ik loop door de nacht\nhet licht is niet meer van ons\nmaar mijn hart", "nl"),
        ("Jag går genom natten\ndet är inte som förut\nmitt hjärta för dig", "sv"),
        ("Jeg går gennem natten\ndet er ikke som før\nmit hjerte for dig", "da"),
        ("Idę przez noc\nto nie jest już tak jak dawniej\nserce tylko dla ciebie", "pl"),
        ("Merg prin noapte\nnu mai este ca înainte\ninima mea pentru tine", "ro"),
        ("Tiro los dados, la noche contesta\nla vida es un sueño", ""),
        ("We laugh at the chaos, we play with the luck", ""),
        ("Je t'aime dans la nuit\nje ne sais pas pourquoi tu pars", ""),
        ("Ich liebe dich in der Nacht\nmein Herz brennt für dich", ""),
        ("Meu coração é teu\nnão vá embora na noite", ""),
        ("oh no no\nla la la", ""),
        ("", ""),
    ],
)
def test_languages_without_a_voice_here_are_named_where_they_are_clear(words, code):
    assert other_language(words.splitlines()) == code
