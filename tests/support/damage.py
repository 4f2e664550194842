"""Damage to files, the same for the same seed: bytes changed, cut, doubled or put in; and of an
archive members dropped, renamed, or damaged under a checksum that is right."""

from __future__ import annotations

import io
import random
import warnings
import zipfile

NUMBERS = [0, 1, 1 << 31, 1 << 40, 1 << 62, (1 << 64) - 1]


def damaged(whole: bytes, seed: int) -> bytes:
    """The contents of a file, damaged."""
    chance = random.Random(seed)
    if whole[:2] == b"PK" and chance.random() < 0.5:
        return _archive(chance, whole)
    return _bytes(chance, whole)


def _bytes(chance: random.Random, whole: bytes) -> bytes:
    data = bytearray(whole)
    for _ in range(chance.choice([1, 1, 1, 2, 5, 20])):
        if not data:
            break
        # Headers are at the beginning.
        at = chance.randrange(len(data) if chance.random() < 0.5 else min(len(data), 300))
        length, kind = chance.randrange(1, 50), chance.randrange(7)
        if kind == 0:
            data[at] ^= 1 << chance.randrange(8)
        elif kind == 1:
            data[at] = chance.randrange(256)
        elif kind == 2:
            del data[at:]
        elif kind == 3:
            del data[at : at + length]
        elif kind == 4:
            data[at:at] = chance.randbytes(length)
        elif kind == 5:
            data[at : at + length] = data[: chance.randrange(len(data))][-length:]
        else:
            data[at : at + 8] = chance.choice(NUMBERS).to_bytes(8, "little")
    return bytes(data)


def _archive(chance: random.Random, whole: bytes) -> bytes:
    out = io.BytesIO()
    with (
        warnings.catch_warnings(),
        zipfile.ZipFile(io.BytesIO(whole)) as source,
        zipfile.ZipFile(out, "w", chance.choice([zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED])) as to,
    ):
        warnings.simplefilter("ignore")
        names = source.namelist()
        for name in names:
            kind, contents = chance.randrange(6), source.read(name)
            if kind == 0:
                continue
            if kind <= 2:
                contents = _bytes(chance, contents)
            to.writestr(chance.choice(names) if kind == 3 else name, contents)
    return out.getvalue()
