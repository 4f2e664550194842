"""Recognise the language of a line of lyrics.

Lyric lines are short and mix languages, so each word votes: by the function words, letters and
endings that only some languages have. Other scripts than Latin tell by themselves.
"""

from __future__ import annotations

import re
import unicodedata
from collections import Counter
from collections.abc import Sequence

from milonga.generators.base import LyricLine
from milonga.runtime.words import plain

DEFAULT = "en"
_USUAL = ("en", "es")
_LEAST = 1.0
"""Evidence that another language than the usual ones needs in a line."""

_WORDS: dict[str, str] = {
    "en": "the a an and or but not of to in on at for from with by as if so i you he she it we "
    "they me my your his her our us them is are was were be been am do does did don't can can't "
    "will would could won't i'm you're it's let's that this there here what when where who why how "
    "all no oh up down out over under again never ever away back come go let take make feel know "
    "want love heart night light fire dream dreams baby rain time life song city little one "
    "through just like into hold run dance tell give say said dancing alone every more",
    "es": "el la los las un una unos unas y o pero no de del al en con por para sin sobre entre mi "
    "tu su mis tus sus me te se nos le lo les yo ella nosotros ellos que quien como cuando donde "
    "porque si es son eres soy somos está estás estoy fue ser hay ven vas voy vamos va quiero "
    "quieres quiere puedo tengo tiene dame dale dime baila bailar bailamos canta cantar susurra "
    "amor corazón corazon noche vida luz fuego cuerpo alma sueño sueños mar sol cielo calle ciudad "
    "caos suerte más mas muy ya hoy siempre nunca nada todo toda solo sólo conmigo contigo ay "
    "eterna cada esta este eso aquí así mami corre desde hasta mano amo vos",
    "pt": "o a os as um uma e ou mas não nao de do da dos das em no na nos com por para sem meu "
    "minha teu tua seu sua me te se eu ele ela nós você voce que quem como quando onde porque é "
    "são sou foi ser há vem vou vai quero coração saudade noite vida luz fogo mar sol céu mais "
    "muito já sempre nunca nada tudo só comigo faz dança",
    "fr": "le la les un une des du de et ou mais ne pas à au aux en dans avec pour par sans sur "
    "mon ma mes ton ta tes son sa ses je j'ai tu il elle nous vous ils c'est qui que quoi où quand "
    "comme si est sont suis es était être amour cœur coeur nuit vie lumière feu rose rien tout "
    "toujours jamais plus moi toi l'amour d'amour danse",
    "it": "il lo la i gli le un una uno e o ma non di del della dei delle a al alla in nel nella "
    "con per da dal su mio mia tuo tua suo sua mi ti si ci vi io lui lei noi che chi cosa come "
    "quando dove perché se è sono sei siamo era essere ho hai ha amore cuore notte vita luce fuoco "
    "mare sole cielo più mai sempre niente tutto solo andare via vuoi me bella",
    "de": "der die das den dem des ein eine einen einem und oder aber nicht kein von zu im in am "
    "auf mit für ohne aus bei mein meine dein deine sein seine ich du er sie es wir ihr mich dich "
    "sich uns ist sind bin bist war sein hab habe hat was wer wie wenn wo weil liebe herz nacht "
    "leben licht feuer traum meer sonne himmel immer nie nur alles nichts kalt dunkel mehr",
}
_SETS = {code: frozenset(words.split()) for code, words in _WORDS.items()}

_SHAPES: tuple[tuple[str, str, float], ...] = (
    ("es", r"[ñ¿¡]", 2.0),
    ("es", r"[áíóú]", 0.6),
    ("es", r"(?:ción|ando|iendo|dad|mente|ill[oa]|it[oa]|eza|anza|[aei]rse|[ae]mos)s?$", 0.7),
    ("es", r"[aeiou]j[aeo]", 0.4),
    ("es", r"(?:ll|rr)[aeiou]|[ao]s?$", 0.15),
    ("pt", r"[ãõ]|ç|nh[aeo]|lh[aeo]|ção$", 1.2),
    ("fr", r"[œèùûîâë]|^[cjldmnst]'|eau|oux?$|ez$", 0.9),
    ("it", r"gli|[cg]hi|zion[ei]$|[àèìòù]$|[lrnt]{2}[aeio]$", 0.6),
    ("de", r"[äöß]|sch|cht|^ge\w+t$|keit$|ung$", 1.0),
    ("en", r"th|sh|wh|ck|gh|oo|ee|w|k|[bcdfgjkpqtvwxyz]$|'(?:s|t|re|ll|m|ve|d)$", 0.5),
    ("en", r"(?:ing|tion|ous|er|ines?)$", 0.5),
)
_TELLING = 0.5
"""Weight from which a shape says something of a word by itself."""

_PATTERNS = tuple((code, re.compile(shape), weight) for code, shape, weight in _SHAPES)

_NAMES = {
    "english": "en",
    "ingles": "en",
    "spanish": "es",
    "espanol": "es",
    "castellano": "es",
    "castilian": "es",
    "portuguese": "pt",
    "portugues": "pt",
    "french": "fr",
    "frances": "fr",
    "italian": "it",
    "italiano": "it",
    "german": "de",
    "deutsch": "de",
    "aleman": "de",
}

_SCRIPTS = {
    "CYRILLIC": "ru",
    "GREEK": "el",
    "HIRAGANA": "ja",
    "KATAKANA": "ja",
    "CJK": "zh",
    "HANGUL": "ko",
    "ARABIC": "ar",
    "HEBREW": "he",
    "DEVANAGARI": "hi",
    "BENGALI": "bn",
    "TAMIL": "ta",
    "GEORGIAN": "ka",
    "ARMENIAN": "hy",
    "THAI": "th",
    "TELUGU": "te",
    "GUJARATI": "gu",
    "KANNADA": "kn",
    "MALAYALAM": "ml",
    "GURMUKHI": "pa",
    "SINHALA": "si",
    "KHMER": "km",
    "LAO": "lo",
    "MYANMAR": "my",
    "ETHIOPIC": "am",
}

_CODES = {
    "en": "English", "es": "Spanish", "pt": "Portuguese", "fr": "French", "it": "Italian",
    "de": "German", "ru": "Russian", "el": "Greek", "ja": "Japanese", "zh": "Chinese",
    "ko": "Korean", "ar": "Arabic", "he": "Hebrew", "hi": "Hindi", "bn": "Bengali", "ta": "Tamil",
    "ka": "Georgian", "hy": "Armenian", "th": "Thai", "pl": "Polish", "tr": "Turkish",
    "nl": "Dutch", "sv": "Swedish", "da": "Danish or Norwegian", "fi": "Finnish", "cs": "Czech",
    "hu": "Hungarian", "ro": "Romanian", "vi": "Vietnamese", "id": "Indonesian",
}  # fmt: skip

_OTHERS: dict[str, str] = {
    "nl": "het een niet ik jij je dat wij zij van maar ook naar voor met mijn jouw nog waar hoe "
    "alles geen zonder als hart liefde nacht dans weer wil kan ben bent heb hebt ons",
    "sv": "jag du och inte är det som på för med att en ett vi har kan ska mig dig min din hjärta "
    "kärlek natt när där här nu aldrig alltid utan vill",
    "da": "jeg du og ikke er det som på for med at et vi har kan skal meg mig deg dig min din "
    "hjerte kjærlighet kærlighed natt nat når der her nå aldri aldrig alltid altid uten uden vil",
    "fi": "minä sinä ja ei on se että kun niin mutta vain mun sun sinun minun rakkaus sydän yö "
    "olen olet kanssa ilman aina koskaan tule",
    "pl": "ja ty i nie jest to że się na do ze jak ale już tylko mnie ciebie mój twój serce miłość "
    "noc gdy tam nigdy zawsze bez jestem",
    "cs": "já ty a není je to že se na do jak ale už jen mě tebe můj tvůj srdce láska noc když tam "
    "nikdy vždy bez jsem jsi",
    "hu": "én te és nem az egy hogy van volt csak már meg ha mint szív szerelem éjszaka soha "
    "mindig vagyok vagy velem nélkül",
    "ro": "eu tu și nu este că să în pe cu dar mai doar mine tine meu tău inima inimă dragoste "
    "noapte când niciodată mereu fără sunt ești",
    "tr": "ben sen ve değil bir bu şu için ama çok gibi kadar beni seni benim senin kalp aşk gece "
    "ne zaman asla her yok var",
    "vi": "tôi anh em và không là của có trong đi yêu tình đêm trái tim người với một những cho",
    "id": "aku kamu dan tidak yang di ini itu untuk dengan cinta hati malam kita dari selalu bila "
    "kau takkan jangan",
}
"""Common words of languages that are only named: no voice here follows from them."""
_OTHER_SETS = {code: frozenset(words.split()) for code, words in _OTHERS.items()}

_NONSENSE = re.compile(r"\b(la|na|da|do|no|oh|ah|hey|sha|du)(?:\W+\1)+\b")
"""Syllables that are sung in any language."""

_WORD = re.compile(r"[^\W\d_]+(?:['’][^\W\d_]+)*")


def language_code(said: str) -> str:
    """The code for what a sheet says: "es", "es_AR" (as es-ar), "Spanish" or "español"."""
    name = plain(said).strip().replace("_", "-")
    return _NAMES.get(name, name)


def language_name(code: str) -> str:
    """The English name of a language's code, as far as it is known."""
    return _CODES.get(code, code)


def other_language(texts: Sequence[str]) -> str:
    """The code of a language that ``line_languages`` can't tell, if the words are clearly of one.

    Three different common words that none of its languages has, and as many of that language as
    of any of those.
    """
    words = {word for text in texts for word in _WORD.findall(text.casefold())}
    usual = set().union(*_SETS.values())
    counts = {code: len(words & (members - usual)) for code, members in _OTHER_SETS.items()}
    best = max(counts, key=lambda code: (counts[code], len(words & _OTHER_SETS[code])))
    most = max(len(words & members) for members in _SETS.values())
    return best if counts[best] >= 3 and len(words & _OTHER_SETS[best]) >= most else ""


def line_languages(lines: Sequence[LyricLine]) -> list[str]:
    """A language code for every line: what the sheet says, else what its words say, else that
    of most other lines, else English."""
    scores = [{} if line.language else _scores(line.text) for line in lines]
    own = [
        language_code(line.language) if line.language else _best(score)
        for line, score in zip(lines, scores, strict=True)
    ]
    usual = Counter(code for code in own if code)
    found = []
    for code, score in zip(own, scores, strict=True):
        if len(score) > 1:
            # What the song is in elsewhere tips close calls ("Solo", "No more").
            tipped = {c: v + 0.25 * usual[c] / len(lines) for c, v in score.items()}
            code = _best(tipped)
        found.append(code or (usual.most_common(1)[0][0] if usual else DEFAULT))
    return found


def runs(words: Sequence[str], language: str) -> list[tuple[int, int, str]]:
    """A line's words in stretches of one language: (first, behind the last, code).

    Only two words or more of clear evidence, next to each other, leave the line's language.
    """
    if not words:
        return []
    possible = [_possible(word) for word in words]
    codes, base = [language] * len(words), language.split("-")[0]
    start = 0
    while start < len(words):
        end = start
        while end < len(words) and possible[end] and base not in possible[end]:
            end += 1
        votes = Counter(code for found in possible[start:end] for code in found)
        # Among equals, the order of the table.
        best = max(sorted(votes, key=_rank), key=lambda code: votes[code], default="")
        if votes[best] >= 2:
            codes[start:end] = [best] * (end - start)
        start = end + 1
    edges = [i for i in range(len(words)) if i == 0 or codes[i] != codes[i - 1]]
    return [(a, b, codes[a]) for a, b in zip(edges, [*edges[1:], len(words)], strict=True)]


def _scores(text: str) -> dict[str, float]:
    script = _script(text)
    if script:
        return {script: 5.0}
    total: dict[str, float] = {"es": 2.0} if "¿" in text or "¡" in text else {}
    for word in _WORD.findall(_NONSENSE.sub(" ", unicodedata.normalize("NFC", text).casefold())):
        for code, vote in _votes(word.replace("’", "'")).items():
            total[code] = total.get(code, 0.0) + vote
    # A spelling that only looks foreign isn't enough.
    return {code: value for code, value in total.items() if code in _USUAL or value >= _LEAST}


def _votes(word: str) -> dict[str, float]:
    votes: dict[str, float] = {}
    members = [code for code, words in _SETS.items() if word in words]
    for code in members:
        votes[code] = 1.0 / len(members)
    if not members:
        for code, pattern, weight in _PATTERNS:
            if pattern.search(word):
                votes[code] = votes.get(code, 0.0) + weight
    return votes


def _possible(word: str) -> frozenset[str]:
    """The languages that have a word among their commonest, or else its telling letters."""
    lower = word.casefold().replace("’", "'").strip('.,;:!?¡¿…"()')
    script = _script(lower)
    if script:
        return frozenset((script,))
    known = frozenset(code for code, members in _SETS.items() if lower in members)
    return known or frozenset(
        code for code, pattern, weight in _PATTERNS if weight >= _TELLING and pattern.search(lower)
    )


def _rank(code: str) -> int:
    return list(_SETS).index(code) if code in _SETS else len(_SETS)


def _best(score: dict[str, float]) -> str:
    """The code with the most evidence (among equals, the order of the table), or nothing."""
    ranked = sorted((code for code in _SETS if code in score), key=lambda code: -score[code])
    return next(iter([*ranked, *score]), "")


def _script(text: str) -> str:
    counts: Counter[str] = Counter()
    for letter in text:
        if letter.isalpha():
            counts[unicodedata.name(letter, "").split(" ")[0].split("-")[0]] += 1
    if not counts:
        return ""
    if counts["HIRAGANA"] + counts["KATAKANA"]:
        return "ja"
    name = counts.most_common(1)[0][0]
    return _SCRIPTS.get(name, "")
