"""Labels: the words that people write before a value, and the fields that they mean."""

from __future__ import annotations

import re
from difflib import get_close_matches

from milonga.runtime.words import plain

_LABELS = {
    "title": "title, song title, song, titulo, titulo de la cancion, cancion, track title",
    "name": "name, segment name, nombre, segment title",
    "artist": "artist, artista, artists, band, performer, interprete, author, autor",
    "style": "style tags, style, styles, style of music, style prompt, style input, style field, "
    "music style, musical style, genre, genres, tags, prompt, sound, instrumentation, "
    "estilo, estilos, etiquetas, etiquetas de estilo, genero, generos, instrumentacion",
    "negative": "exclude, negative, negative prompt, negative tags, negative style, excludes, "
    "exclude styles, exclude style, excluded styles, avoid, excluir, estilos excluidos, evitar",
    "mood": "mood, moods, feel, feeling, vibe, emotion, emotions, animo, estado de animo, "
    "atmosfera, emocion, sentimiento",
    "voice": "voice, voices, vocal, vocals, vocal style, vocal type, singer, lead, lead vocal, "
    "voz, voces, cantante, estilo vocal",
    "tempo": "tempo, bpm, speed, velocidad",
    "key": "key, key signature, scale, tonality, tonalidad, tono, escala",
    "seconds": "duration, seconds, duration target, target duration, length, target length, "
    "duration seconds, runtime, runtime target, time, duracion, duracion objetivo, segundos, "
    "longitud, tiempo",
    "lyrics": "lyrics, lyric, words, text, letra, letras, texto",
    "section": "section, song section, part, section type, type, structure, seccion, parte, tipo",
    "language": "language, lang, idioma, lengua",
    "baseline": "baseline, baselines, reference, reference audio, reference recording, "
    "referencia, audio de referencia",
    "generators": "generators, generator, models, model, engine, modelos, modelo, generadores",
    "options": "options, settings, parameters, opciones, ajustes",
    "number": "number, no, nr, numero, id",
    "role": "role, rol",
    "gain_db": "gain, gain db, volume, level, ganancia, volumen",
    "layers": "layers, layer, tracks, stems, capas",
    "segments": "segments, sections, parts, segmentos, partes",
}
"""By field; the first label is the one that ``song export`` writes."""
LONGEST = 80
_FIELDS = {label: field for field, line in _LABELS.items() for label in line.split(", ")}


def normalized(label: str) -> str:
    """Return a label as the table has it: plain, without marks and text in brackets."""
    words = re.sub(r"[(\[{].*?[)\]}]", " ", plain(label))
    return " ".join(re.sub(r"[^\w\s]|_", " ", words).split())


def label_of(field: str) -> str:
    """Return the label of a field in Markdown: "Style Tags" for ``style``."""
    return _LABELS[field].partition(",")[0].title()


def field_of(label: str) -> str | None:
    """Return the field that a label means ("Style Tags" and "Estilo" mean ``style``), or None."""
    return _FIELDS.get(normalized(label)) if len(label) <= LONGEST else None


def nearest_field(word: str, fields: list[str]) -> str | None:
    """Return the field that was probably meant by an unknown one, or None."""
    meant = field_of(word)
    if meant in fields:
        return meant
    if meant == "name" and "title" in fields:
        return "title"
    if meant == "title" and "name" in fields:
        return "name"
    near = get_close_matches(word.lower(), fields, n=1, cutoff=0.6)
    return near[0] if near else None
