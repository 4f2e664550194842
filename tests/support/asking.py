"""What tests ask generators for, and what their hub holds."""

from milonga.generators.base import Request


def ask(**changes):
    """Half a second of instrumental music."""
    values = {"role": "instrumental", "section": "verse", "style": "trap beats", "seconds": 0.5,
              "tempo": 120, "key": "A minor", "seed": 0} | changes  # fmt: skip
    return Request(**values)


def contents(folder):
    """The files of a folder by their paths, as ``hub.add`` takes them."""
    return {path.relative_to(folder).as_posix(): path.read_bytes()
            for path in folder.rglob("*") if path.is_file()}  # fmt: skip


def two_parts(generator, negative=""):
    """A sheet of two instrumental segments, 1.5 s and 0.77 s."""
    unwanted = f"    negative: {negative}\n" * bool(negative)
    return f"""
title: Two parts
tempo: 122
key: A minor
style: Latin trap
segments:
  - number: 7
    name: Digital Bandoneón
    section: instrumental
    seconds: 1.5
{unwanted}    generators: [{generator}]
  - number: 18
    name: Caos y Suerte
    section: verse
    seconds: 0.77
    generators: [{generator}]
"""
