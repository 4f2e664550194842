"""English syllables and stress, guessed from spelling.

A count of vowel groups with the known ways in which that count goes wrong (silent e, -ed, -es,
consonant + le, vowels in hiatus, -ism), and a list of common words that break them.
"""

from __future__ import annotations

import re

from milonga.generators.words.spelling import cut, digits, divide, lowered, nuclei_of, words

_ONSETS = frozenset(
    words(
        "bl br ch cl cr dr dw fl fr gl gr kl kn kr ph pl pr qu sc sh sk sl sm sn sp st sw th tr "
        "tw wh wr chr phr sch scr shr spl spr squ str thr"
    )
)
_WEAK_WORDS = frozenset(
    words(
        "a an the and or but nor of to in on at for from by with as is are was were be been am "
        "do does did has have had will would can could shall should may might must that than if "
        "so my your his her its our their i you he she it we they me him us them i'm i'll you're "
        "we're it's we'll they're this"
    )
)
_PREFIXES = frozenset(
    words("a be de re con com ex im in un for to pre pro dis en em sur per se up mis")
)
_STRESSED_FIRST = frozenset(
    words(
        "any after under image inner infant instant into index expert extra empty angel apple "
        "answer ashes only open other ending enter entry engine promise process profit present "
        "prison person perfect desert distance demon rebel reason ready real really comet comic "
        "common comfort concert constant content contact agent acid actor action album alley "
        "army anger ancient absent access second season upper until income insect insight inside "
        "forward fortune forest better being beauty beautiful begging inches recipe record"
    )
)
_KNOWN = {
    word.replace("-", ""): tuple(word.split("-"))
    for word in words(
        # The spelling has more vowels than are sung.
        "ev-ery ev-ery-thing ev-ery-one ev-ery-bod-y ev-ery-where some-thing some-where "
        "some-times some-bod-y some-day some-how some-one some-what none-the-less there-fore "
        "else-where love-ly lone-ly lone-li-ness life-time base-line time-out time-zone "
        "fore-ground fire-light fire-works fire-fly note-book gate-way safe-ty nine-ty "
        "hope-less-ly home-town house-hold stage-coach choc-o-late dif-f'rent bus-i-ness "
        "beau-ti-ful peo-ple aisle queue league tongue vague u-nique ma-chine guide quite are "
        "were gone done none come one once where there here more heart eye eyes friend friends "
        "friend-ly friend-ship goes shoes toes does our your you're we're they're real meant "
        "clean mean gui-tar be-cause mid-dle-aged lan-guage yield field shield al-though "
        "wave-form name-less grace-ful-ly care-ful-ly peace-ful for-give-ness bare-foot "
        "side-walk live-li-hood bride-groom wide-spread spe-cial-ly es-pe-cial-ly i-ni-tial-ly "
        "es-sen-tial-ly so-cial-ly"
        # It has fewer, or hides them.
        "cha-os cha-ot-ic po-et po-et-ry po-em i-de-a i-de-al re-al-ly re-al-i-ty cre-ate "
        "cre-at-ed cre-a-tion cre-a-tor cre-a-tive cru-el du-el fu-el qui-et li-on ri-ot "
        "vi-o-let vi-o-lin ge-ni-us so-ci-e-ty va-ri-e-ty sci-ence a-re-a the-a-ter ra-di-us "
        "eve-ning el-e-ment mem-o-ry e-ven na-ked wick-ed sa-cred hun-dred rug-ged jag-ged "
        "crook-ed be-lov-ed bless-ed kin-dred re-ci-pe ca-fe ka-ra-o-ke fi-an-ce may-be ru-in "
        "ru-ined ne-on ge-om-e-try the-o-ry the-o-rem vid-e-o ro-de-o ster-e-o na-ive be-ing "
        "see-ing flee-ing a-gree-ing cy-an cli-ent di-et o-a-sis du-o tri-o o-bey buoy-ant "
        "co-or-di-nate co-or-di-nates pre-am-ble re-use re-u-nite a-pos-tro-phe hy-per-bo-le "
        "e-pit-o-me a-do-be si-mi-le cha-me-le-on me-te-or beau-te-ous to-ward choir ea-si-er "
        "ea-si-est co-me-di-an"
    )
}
_HIATUS = re.compile(
    r"ia(?!l$|ls$|lly$|n$|ns$|ge|r$|liz)|(?<![cgstx])i(?=al|an|ar)"
    r"|(?<![cgstxln])i(?=o(?!us))|(?<=[nl])i(?=o(?!n|us))|(?<![cgx])i(?=ous)|i(?=um|us)"
    r"|(?<![cgtsx])i(?=en)|eo(?!us|p|n)|(?<=[rlnd])e(?=ous)|(?<![qg])ua(?!r|d)|(?<=d)ua|uo"
    r"|(?<=[^qg])ui(?=n[^e]|ti)|(?<=g)u(?=ity|ous)|iu|(?<=[rlnmdbvhf])ie(?=r$|rs$|st$|ty|t$)"
    r"|[aeoy](?=ing)|ao|eu(?=m)|oe(?=m|t)|ea(?=tio)|ue(?=l|nc|nt)|uy(?=a)|(?<=[rv])ia"
)
_VOWELS = "aeiouy"
_DIGITS = ("ze-ro", "one", "two", "three", "four", "five", "six", "sev-en", "eight", "nine")


def split(word: str) -> list[str]:
    """English syllables by rules and a list of exceptions; at least one a word."""
    if word.isdecimal():
        return digits(word, _DIGITS)
    lower = word.casefold().replace("’", "'")
    bare = lower.removesuffix("'s").removesuffix("'")
    known = _KNOWN.get(lower) or _KNOWN.get(bare)
    if known is None and bare.endswith("s"):
        known = _KNOWN.get(bare[:-1])
    if known is not None:
        return cut(word, known)
    letters = lowered(word, accents=False)
    return divide(word, _nuclei(letters.replace("’", "'")), letters, _ONSETS)


def _nuclei(word: str) -> list[tuple[int, int]]:
    hiatus = {match.start() + 1 for match in _HIATUS.finditer(word)}
    nuclei = nuclei_of(word, _is_vowel, lambda _, index: index in hiatus)
    if len(nuclei) > 1 and _silent_ending(word, nuclei[-1]):
        nuclei.pop()
    heard = [n for n in nuclei if not _silent_inside(word, n, len(nuclei))]
    # The m of "rhythm" and the n of "isn't" are syllables of their own.
    if heard and (match := re.search(r"(?<=th|.s)ms?$|(?<=[ds])n't$", word)):
        heard.append((match.start(), len(word)))
    return heard


def _is_vowel(word: str, index: int) -> bool:
    letter = word[index]
    if letter == "y":
        # A consonant where it opens a syllable: "yes", "beyond".
        following = word[index + 1 : index + 2]
        return not (following in (*"aeiou",) and (index == 0 or word[index - 1] in "aeo"))
    if letter == "u" and index and word[index - 1] == "q":
        return False
    return letter in _VOWELS


def _silent_ending(word: str, nucleus: tuple[int, int]) -> bool:
    start, end = nucleus
    if word[start:end] != "e":
        return False
    tail, before = word[start:], word[:start]
    if tail == "e":
        return not re.search(r"[^aeiouyrlw]l$", before)
    if tail in ("es", "e's"):
        return not re.search(r"([sxz]|[cs]h|[cg]|[^aeiouyrlw]l)$", before)
    if tail == "ed":
        return not re.search(r"([td]|[^aeiouyrlw]l)$", before)
    return False


_SILENT_INSIDE = re.compile(
    r"(?<=[aeiouy][bcdfgklmnprstvz])e(?=(?:ly|less|ness|ment|ful|fully|some|where|thing|time|times"
    r"|light|work|land|man|men|body|back|like|hood|house|bound|head|fully|lessly)s?$)"
    r"|(?<=ic)a(?=lly$)"
)


def _silent_inside(word: str, nucleus: tuple[int, int], count: int) -> bool:
    start = nucleus[0]
    return count > 1 and any(m.start() == start for m in _SILENT_INSIDE.finditer(word))


def stress(word: str, parts: list[str]) -> int | None:
    """The index of the stressed syllable; None for words that carry none."""
    lower = word.casefold().replace("’", "'")
    if lower in _WEAK_WORDS:
        return None
    if len(parts) == 1:
        return 0
    match = re.search(r"(tion|sion|cian|ic|ical|ity|ious|eous|ial|ian)s?$", lower)
    if match and len(parts) > 1:
        back = 3 if match[1] in ("ical", "ity") else 2
        return max(0, len(parts) - back)
    prefixed = parts[0].casefold() in _PREFIXES and lower not in _STRESSED_FIRST
    return 1 if prefixed else 0
