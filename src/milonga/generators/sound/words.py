"""Style words that move controls."""

from __future__ import annotations

import re

from milonga.runtime.words import plain

_STEP = 1.5
"""In spreads of the corpus: clearly heard, and far from the ends of the controls."""
_MOST = 3.0

_WORDS: dict[tuple[str, int], str] = {
    ("brightness", +1): "bright brilliant crisp shiny brillante claro luminoso",
    ("brightness", -1): "dark dull muffled oscuro opaco apagado",
    ("warmth", +1): "warm deep calido profundo",
    ("warmth", -1): "cold thin frio delgado",
    ("roughness", +1): "rough harsh gritty raw aspero crudo",
    ("roughness", -1): "smooth soft silky suave liso",
    ("tension", +1): "tense dissonant uneasy tenso disonante",
    ("tension", -1): "consonant peaceful serene relajado sereno",
    ("pulse", +1): "pulsing driving rhythmic pulsante ritmico",
    ("pulse", -1): "still static floating drone quieto estatico flotante",
    ("density", +1): "dense busy crowded denso lleno",
    ("density", -1): "sparse minimal empty escaso minimalista vacio",
    ("loudness", +1): "loud fuerte",
    ("loudness", -1): "quiet faint silencioso tenue",
}
_MOVES = {word: move for move, words in _WORDS.items() for word in words.split()}
_NOT = frozenset(["no", "not", "without", "less", "never", "sin", "menos", "nunca"])


def moves_of(*texts: str) -> tuple[dict[str, float], dict[str, str]]:
    """Settings of controls from style words, English or Spanish.

    Each word counts once; a word after "no", "without", "sin" and the like doesn't count.

    Returns:
        Settings by control in spreads, at most 3 either way, and the control of each word
        that was used.
    """
    moves: dict[str, float] = {}
    used: dict[str, str] = {}
    for text in texts:
        before = ""
        for word in re.findall(r"[^\W\d_]+", plain(text)):
            # Spanish adjectives have a gender and a number.
            stems = (word, re.sub(r"as?$", "o", word), re.sub(r"o?s$", "o", word))
            known = next((stem for stem in stems if stem in _MOVES), None)
            if known is not None and known not in used and before not in _NOT:
                control, sign = _MOVES[known]
                moves[control] = moves.get(control, 0.0) + sign * _STEP
                used[known] = control
            before = word
    bounded = {name: max(-_MOST, min(_MOST, value)) for name, value in moves.items() if value}
    return bounded, used
