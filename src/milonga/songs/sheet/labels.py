"""Labels: the words that people write before a value, and the fields that they mean."""

from __future__ import annotations

import re
from difflib import get_close_matches
from functools import lru_cache

from milonga.runtime.words import plain

_LABELS = {
    "title": "title, song title, song, titulo, titulo de la cancion, cancion, track title, "
    "titre, titel, titolo, nome da musica, название, 歌名, 标题, 曲名, タイトル, 제목",
    "name": "name, segment name, nombre, segment title, song name, nome",
    "artist": "artist, artista, artists, band, performer, interprete, author, autor, "
    "исполнитель, 歌手, アーティスト, 가수",
    "style": "style tags, style, styles, style of music, style prompt, style input, style field, "
    "style description, music style, musical style, genre, genres, tags, prompt, caption, "
    "song description, suno prompt, suno style, sound, instrumentation, estilo, estilos, "
    "etiquetas, etiquetas de estilo, genero, generos, instrumentacion, stil, stile, genere, "
    "стиль, жанр, 风格, 曲风, スタイル, ジャンル, 스타일, 장르",
    "negative": "exclude, negative, negative prompt, negative tags, negative style, excludes, "
    "exclude styles, exclude style, excluded styles, avoid, excluir, estilos excluidos, evitar, "
    "исключить, 排除",
    "mood": "mood, moods, feel, feeling, vibe, emotion, emotions, animo, estado de animo, "
    "atmosfera, emocion, sentimiento, ambiance, stimmung, настроение, 情绪, ムード, 분위기",
    "voice": "voice, voices, vocal, vocals, vocal style, vocal type, singer, lead, lead vocal, "
    "voz, voces, cantante, estilo vocal, голос, 演唱, 人声",
    "tempo": "tempo, bpm, speed, velocidad, andamento, темп, 速度, テンポ, 템포",
    "key": "key, key signature, key scale, keyscale, scale, tonality, tonalidad, tono, escala, "
    "tonalidade, tonalite, tonart, tonalita, тональность, 调, 调性, キー",
    "seconds": "duration, seconds, duration target, target duration, length, target length, "
    "duration seconds, song length, runtime, runtime target, time, duracion, duracion objetivo, "
    "segundos, longitud, tiempo, duracao, duree, dauer, durata, длительность, 时长",
    "bars": "bars, bar count, measures, compases, takte, battute, compassos, mesures",
    "pickup": "pickup, pickup beats, upbeat, anacrusis, anacrusa, auftakt",
    "time": "time signature, timesignature, meter, metre, compas, taktart, tempo signature",
    "chords": "chords, chord progression, progression, harmony, acordes, armonia, akkorde, accordi",
    "lyrics": "lyrics, lyric, words, text, custom lyrics, song lyrics, letra, letras, texto, "
    "paroles, songtext, liedtext, testo, текст, слова, 歌词, 歌詞, 가사",
    "section": "section, song section, part, section type, type, structure, seccion, parte, tipo",
    "language": "language, lang, vocal language, idioma, lengua, langue, sprache, lingua, язык, "
    "语言, 言語, 언어",
    "baseline": "baseline, baselines, reference, reference audio, reference recording, "
    "referencia, audio de referencia",
    "generators": "generators, generator, models, model, engine, modelos, modelo, generadores",
    "options": "options, settings, parameters, opciones, ajustes",
    "number": "number, no, nr, numero, id",
    "role": "role, rol",
    "gain_db": "gain, gain db, volume, level, ganancia, volumen",
    "layers": "layers, layer, tracks, stems, capas",
    "segments": "segments, sections, parts, segmentos, partes",
    "other": "weirdness, style influence, audio influence, style weight, style strength, "
    "persona, version, seed, prompt strength, lyrics strength, lyric strength, clarity, "
    "manual mode, quality, capo, url, "
    "suno url, link, created, date, album, isrc, copyright, credits, producer, produced by, "
    "written by, music by, lyrics by, note, notes, notas, target, status, rating",
}
"""By field; the first label is the one that ``song export`` writes. ``other`` has no field."""
LONGEST = 80
_FIELDS = {plain(label): field for field, line in _LABELS.items() for label in line.split(", ")}


def normalized(label: str) -> str:
    """Return a label as the table has it: plain, without marks and text in brackets."""
    words = re.sub(r"[(\[{].*?[)\]}]", " ", plain(label))
    return " ".join(re.sub(r"[^\w\s]|_", " ", words).split())


def label_of(field: str) -> str:
    """Return the label of a field in Markdown: "Style Tags" for ``style``."""
    return _LABELS[field].partition(",")[0].title()


@lru_cache(4096)
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
