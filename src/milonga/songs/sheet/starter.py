"""The sheet that ``song new`` writes."""

from __future__ import annotations

from milonga.songs.sheet.yaml_writer import quoted

_STARTER = """\
# A song sheet. What it renders: milonga song check FILE
# Render it:                    milonga render FILE --out out

title: {title}
artist: Me
tempo: 96                   # beats per minute; a segment may have its own
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
    seconds: 5

  - number: 2
    name: The corner
    section: verse
    seconds: 10             # or 0:10
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
    seconds: 10
    style: bandoneón solo, reggaetón drums
    # The recording that this segment is compared with, beside this file:
    # baseline: baseline/dance.wav
"""


def starter(title: str = "My first song") -> str:
    """Return a commented sheet of three segments, which renders as it is."""
    return _STARTER.format(title=quoted(title))
