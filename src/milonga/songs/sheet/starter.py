"""The sheet that ``song new`` writes, and others to begin with."""

from __future__ import annotations

from dataclasses import dataclass

from milonga.errors import UnknownNameError
from milonga.songs.sheet.yaml_writer import quoted

_STARTER = """\
# A song sheet. What it renders: milonga song check FILE
# Render it:                    milonga render FILE --out out

title: {title}
artist: Me
tempo: 96                   # beats per minute; a segment may have its own
time: 4/4                   # or 3/4, 6/8, 2/4, 12/8
key: A minor
style: milonga with bandoneón, piano and soft 808 drums

# What renders each segment. guide is a scratch version that needs no download.
generators: [guide]

# Takes of the whole song in one, which can play the song or a segment of it:
# whole: {{generators: [guide]}}

segments:
  - number: 1               # takes are kept by number: any order, each once
    name: First steps
    section: intro          # or verse, chorus, bridge, breakdown, instrumental, outro
    bars: 2                 # or seconds: 5

  - number: 2
    name: The corner
    section: verse
    bars: 4
    chords: Am Dm E7 Am     # one a bar; leave it out, and the generator finds its own
    mood: nostalgic
    voice: warm female voice
    # Square brackets hold stage directions; what stands in round ones is sung as an answer.
    lyrics: |
      The corner keeps a little light,
      la esquina guarda tu canción. (tu canción)
      [background whispers]
    # More than one voice: a layer each, with its own generators, gain, style.
    layers:
      - role: vocals
      - role: backing       # also: instrumental, texture, song
        gain_db: -6
        style: milonga rhythm, bass and piano

  - number: 3
    name: Dance
    section: instrumental
    bars: 4
    style: bandoneón solo, reggaetón drums
    # The recording that this segment is compared with, beside this file:
    # baseline: baseline/dance.wav
"""


def starter(title: str = "My first song") -> str:
    """Return a commented sheet of three segments, which renders as it is."""
    return _STARTER.format(title=quoted(title))


@dataclass(frozen=True, slots=True)
class Starter:
    """A song to begin with, which renders as it is.

    Attributes:
        title: of the song.
        about: what is in it, one line.
        text: its sheet.
    """

    title: str
    about: str
    text: str


_LOOP = """\
title: Night shift
artist: Me
tempo: 84
key: D minor
style: lo-fi beat with electric piano and soft bass
generators: [guide]

segments:
  - number: 1
    name: Lights on
    section: intro
    seconds: 6

  - number: 2
    name: The long hours
    section: instrumental
    seconds: 12
    mood: calm

  - number: 3
    name: First bus
    section: outro
    seconds: 6
"""

_BOLERO = """\
title: La ventana
artist: Me
tempo: 92
key: G minor
style: bolero with guitar, piano and congas
language: es
generators: [guide]

segments:
  - number: 1
    name: La ventana
    section: verse
    seconds: 12
    voice: warm male voice
    lyrics: |
      La ventana guarda el mar,
      y tu nombre en el cristal.
    layers:
      - role: vocals
      - role: backing
        gain_db: -6

  - number: 2
    name: Vuelve
    section: chorus
    seconds: 12
    voice: warm male voice
    lyrics: |
      Vuelve con la luz, vuelve con la sal,
      vuelve y no te vas. (no te vas)
    layers:
      - role: vocals
      - role: backing
        gain_db: -6
"""

_ROCK = """\
title: Paper engines
artist: Me
tempo: 138
key: E minor
style: rock with electric guitars, bass and drums
generators: [guide]

segments:
  - number: 1
    name: Count in
    section: intro
    seconds: 4

  - number: 2
    name: Paper engines
    section: chorus
    seconds: 10
    voice: strong female voice
    lyrics: |
      Paper engines, fold and fly,
      write your number on the sky!
    layers:
      - role: vocals
      - role: backing
        gain_db: -5

  - number: 3
    name: Landing
    section: breakdown
    seconds: 6
    mood: floating
"""

STARTERS: dict[str, Starter] = {
    "milonga": Starter(
        "My first song", "A milonga with voice and backing, every field explained", starter()
    ),
    "loop": Starter("Night shift", "An instrumental of three parts, lo-fi", _LOOP),
    "bolero": Starter("La ventana", "A bolero in Spanish, verse and chorus", _BOLERO),
    "rock": Starter("Paper engines", "Rock with a sung chorus", _ROCK),
}
"""Songs to begin with, by name."""


def starter_song(name: str) -> Starter:
    """Return a song to begin with.

    Raises:
        UnknownNameError: there is no such.
    """
    if name not in STARTERS:
        raise UnknownNameError("starter song", name, STARTERS)
    return STARTERS[name]
