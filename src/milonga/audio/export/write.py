"""Export: a clip as a file for listening, with tags and a receipt that say how it was made."""

from __future__ import annotations

import math
import os
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import numpy as np

from milonga._version import __version__
from milonga.audio.clip import Clip
from milonga.audio.dither import holds
from milonga.audio.export.receipt import (
    ExportReceipt,
    Provenance,
    Step,
    described,
    embedded_form,
    read_export_receipt,
    receipt_id,
    receipt_path,
    write_export_receipt,
)
from milonga.audio.export.settings import FORMATS, SAMPLE_BYTES, ExportSettings
from milonga.audio.files import read, write
from milonga.audio.limiter import level_to, limit
from milonga.audio.loudness import loudness_lufs
from milonga.audio.resampling import resample
from milonga.audio.space.binaural import Head, SphericalHead, binaural
from milonga.audio.space.stereo import widen
from milonga.audio.tagging.embedding import embed_text
from milonga.audio.tags import Tags
from milonga.errors import AudioError, OutputError, ReceiptError
from milonga.runtime.files import atomic_paths, check_writable, dump_json

_CEILING_DBTP = -1.0
_FULL = 0.999
"""Peak of a sound that was lowered, since it would clip; the rest is for dither."""
_FAR_DEG = 10.0
"""A measured direction farther than this from the one asked for is reported."""


@dataclass(frozen=True, slots=True)
class ExportResult:
    """The result of an export.

    Attributes:
        notes: what the listener should know, a sentence each.
    """

    path: Path
    receipt_path: Path
    receipt: ExportReceipt
    peak_db: float | None
    """Peak of the file as decoded, dBFS; None for silence."""
    notes: tuple[str, ...] = ()

    @property
    def seconds(self) -> float:
        return self.receipt.sound.n_samples / self.receipt.sound.sample_rate

    def to_dict(self) -> dict[str, Any]:
        """For ``--json``."""
        sound = self.receipt.sound
        return {
            "out": str(self.path),
            "receipt": str(self.receipt_path),
            "id": self.receipt.id,
            "seconds": self.seconds,
            "sample_rate": sound.sample_rate,
            "channels": sound.channels,
            "peak_db": self.peak_db,
            "notes": list(self.notes),
        }


def check_target(
    path: str | os.PathLike[str], settings: ExportSettings | None = None, *, force: bool = False
) -> None:
    """Refuse what can be refused before there is any sound to export.

    Raises:
        AudioError: the suffix is unknown or contradicts the settings; the SOFA file can't be used.
        OutputError: the file is there, and ``force`` is not given; or its folder can't be
            written.
        MissingExtraError: a SOFA file, and h5py isn't installed.
    """
    settings = settings or ExportSettings()
    _check_path(Path(path), settings, force)
    check_writable(Path(path).parent)
    if settings.sofa is not None:
        from milonga.audio.space.sofa import read_sofa

        read_sofa(settings.sofa)


def _check_path(path: Path, settings: ExportSettings, force: bool) -> None:
    settings.format_of(path)
    for there in (path, receipt_path(path)):
        if there.exists() and not force and not (there != path and _left_alone(path)):
            raise OutputError(
                "It is already there.", where=there, step="Add --force to replace it."
            )


def _left_alone(path: Path) -> bool:
    """Whether the receipt of a sound that isn't there is what a killed export left."""
    try:
        return read_export_receipt(path).file == path.name
    except ReceiptError:
        return False


def export(
    clip: Clip,
    path: str | os.PathLike[str],
    settings: ExportSettings | None = None,
    *,
    made: Provenance | None = None,
    tags: Tags | None = None,
    force: bool = False,
) -> ExportResult:
    """Write a clip and, beside it, its receipt; both are whole or absent.

    In this order: fewer channels, another rate, more channels (width or a head), level, dither.
    A sound that would clip is lowered, or limited where the settings say so, and a note tells.

    Args:
        clip: any level and rate, one or more channels.
        path: ends in the suffix of a format (``FORMATS``).
        settings: format, rate, channels and so on; by default 24-bit or the format's own, the
            clip's rate and channels.
        made: how the sound was made, for receipt and tags.
        tags: title, artist, and what else there is to say; software, date, licence and how it
            was made are added.
        force: replace a file that is there.

    Raises:
        AudioError: the clip is empty, the format can't hold what is asked for, or the SOFA file
            can't be used.
        OutputError: the file is there, its folder can't be written, the disk is full.
        MissingExtraError: a SOFA file, and h5py isn't installed.
    """
    path, settings, made = Path(path), settings or ExportSettings(), made or Provenance()
    _check_path(path, settings, force)
    name = settings.format_of(path)
    if not clip.n_samples:
        raise AudioError("There is nothing to export: the clip is empty.", where=path)
    _check_json(made, path)
    head, notes = _head(settings, min(clip.channels, 2))
    source = described(clip)
    chain: list[Step] = []
    clip = _shaped(clip, name, settings, head, chain)
    clip = _levelled(clip, name, settings, chain, notes)
    _check_size(clip, path, name, settings)
    subtype = settings.subtype(name)
    dither = None
    if settings.dither and subtype in ("PCM_16", "PCM_24"):
        bits = int(subtype[-2:])
        # Samples that come from such a file are written as they are.
        if not holds(clip.samples, bits):
            dither = np.random.default_rng(settings.dither_seed)
            chain.append(Step(name="dither", details={"bits": bits, "seed": settings.dither_seed}))
    compression = FORMATS[name].compression
    chain.append(Step(name="encode", details={"format": name, "subtype": subtype}))
    libraries = _libraries(settings)
    identity = receipt_id(made, settings, source, tuple(chain), libraries)
    created = datetime.now(UTC).replace(microsecond=0)
    tags = _tags(tags or Tags(), made, identity, created)
    # The receipt first: alone it is known as the leftover of a killed export, a sound is not.
    with atomic_paths(receipt_path(path), path) as (receipt_part, part):
        write(part, clip, subtype=subtype, tags=tags, dither=dither, compression=compression)
        stored = read(part)
        if stored.peak > 1.0:
            kind = "decoded, it" if FORMATS[name].lossy else "it"
            peak = f"{_decibels(stored.peak):+.1f} dBFS"
            notes.append(f"{kind} peaks at {peak}; a player may clip it.")
        receipt = ExportReceipt(
            id=identity,
            libraries=libraries,
            made=made,
            settings=settings,
            source=source,
            chain=tuple(chain),
            created=created,
            file=path.name,
            sound=described(stored),
        )
        write_export_receipt(receipt, receipt_part)
        embed_text(part, embedded_form(receipt))
    peak_db = _decibels(stored.peak) if stored.peak else None
    return ExportResult(path, receipt_path(path), receipt, peak_db, tuple(notes))


def _head(settings: ExportSettings, channels: int) -> tuple[Head | None, list[str]]:
    """The head to render with, and how far its measured directions are off."""
    if settings.channels != "binaural":
        return None, []
    if settings.sofa is None:
        return SphericalHead(), []
    from milonga.audio.space.sofa import read_sofa

    head = read_sofa(settings.sofa)
    half = settings.spread / 2
    angles = [settings.azimuth + a for a in ((0.0,) if channels == 1 else (half, -half))]
    off = max(head.nearest(angle, settings.elevation)[1] for angle in angles)
    if off <= _FAR_DEG:
        return head, []
    return head, [f"the nearest direction in {settings.sofa.name} is {off:.0f} degrees off."]


def _shaped(
    clip: Clip, name: str, settings: ExportSettings, head: Head | None, chain: list[Step]
) -> Clip:
    """The clip with the channels and the rate asked for."""
    wanted = settings.channels
    fewer = 1 if wanted == "mono" else clip.channels if wanted == "keep" else min(clip.channels, 2)
    if fewer != clip.channels:
        chain.append(Step(name="channels", details={"from": clip.channels, "to": fewer}))
        clip = clip.with_channels(fewer)
    rate = settings.rate_of(name, clip.sample_rate)
    if rate != clip.sample_rate:
        chain.append(Step(name="resample", details={"from": clip.sample_rate, "to": rate}))
        clip = resample(clip, rate)
    if wanted == "stereo" and clip.channels == 1:
        chain.append(Step(name="channels", details={"made": "width", "width": settings.width}))
        clip = widen(clip, settings.width)
    elif head is not None:
        angles = {key: getattr(settings, key) for key in ("azimuth", "elevation", "spread")}
        details: dict[str, Any] = {"made": "binaural", **angles, "head": "sphere"}
        if settings.sofa is not None:
            details |= {"head": settings.sofa.name, "sha256": getattr(head, "sha256", "")}
        chain.append(Step(name="channels", details=details))
        clip = binaural(clip, head, **angles)
    return clip


def _levelled(
    clip: Clip, name: str, settings: ExportSettings, chain: list[Step], notes: list[str]
) -> Clip:
    if settings.loudness is not None:
        before = loudness_lufs(clip)
        clip = level_to(clip, settings.loudness, ceiling_dbtp=_CEILING_DBTP)
        details: dict[str, Any] = {"lufs": settings.loudness, "ceiling_dbtp": _CEILING_DBTP}
        chain.append(Step(name="loudness", details=details | {"before_lufs": before}))
    if settings.subtype(name) == "FLOAT" or clip.peak <= 1.0:
        return clip
    peak_db = round(_decibels(clip.peak), 3)
    if settings.level:
        details = {"peak_db": peak_db, "ceiling_dbtp": _CEILING_DBTP}
        chain.append(Step(name="limit", details=details))
        return limit(clip, _CEILING_DBTP)
    gain = _FULL / clip.peak
    chain.append(Step(name="gain", details={"peak_db": peak_db, "gain_db": _decibels(gain)}))
    notes.append(
        f"lowered by {-_decibels(gain):.1f} dB so that it does not clip; --level limits its peaks "
        "instead, WAV with 32 bits keeps them."
    )
    return clip.scaled(gain)


def _check_size(clip: Clip, path: Path, name: str, settings: ExportSettings) -> None:
    largest = FORMATS[name].largest
    width = SAMPLE_BYTES.get(settings.subtype(name), 0)
    if largest is not None and clip.n_samples * clip.channels * width > largest - (1 << 16):
        raise AudioError(
            f"{name.upper()} can't hold more than 4 GB.", where=path, step="Write FLAC instead."
        )


def _check_json(made: Provenance, path: Path) -> None:
    try:
        dump_json(made.model_dump(mode="json"))
    except ValueError:
        raise AudioError(
            "Its settings hold NaN or infinite values.", where=path, step="Leave them out."
        ) from None


def _libraries(settings: ExportSettings) -> dict[str, str]:
    import soundfile

    names = ["numpy", "scipy", "soundfile", "soxr"] + (["h5py"] if settings.sofa else [])
    found = {"libsndfile": str(soundfile.__libsndfile_version__)}
    for name in names:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            continue
    return found


def _tags(tags: Tags, made: Provenance, identity: str, created: datetime) -> Tags:
    """The tags of the file; those given win over those known."""
    seed = "" if made.seed is None else f"seed {made.seed}"
    licence = tags.licence or made.licence
    parts = (
        tags.comment,
        f"model {made.model}" if made.model else "",
        seed,
        f"licence {licence}" if licence else "",
        f"receipt {identity}",
    )
    return replace(
        tags,
        software=tags.software or f"milonga {__version__}",
        date=tags.date or f"{created:%Y-%m-%d}",
        licence=licence,
        comment="; ".join(part for part in parts if part),
    )


def _decibels(peak: float) -> float:
    return 20 * math.log10(peak)
