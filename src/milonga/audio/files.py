"""Reading and writing WAV, FLAC, OGG, Opus, MP3 and AIFF through libsndfile (soundfile)."""

from __future__ import annotations

import os
import warnings
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from milonga.audio.clip import Clip, all_finite
from milonga.audio.dither import quantised
from milonga.audio.layout import Layout, ogg_layout, usual_layout, wave_order
from milonga.audio.reading.opening import (
    SUFFIXES,
    decoder,
    encoded_name,
    file_layout,
    opened,
    set_file_layout,
    whole_length,
)
from milonga.audio.tagging.id3 import id3_tag
from milonga.audio.tags import Tags, fitting, tag_fields, tags_of
from milonga.errors import AudioError, OutputError
from milonga.runtime.files import atomic_path, check_writable, output_error
from milonga.runtime.memory import available_memory
from milonga.runtime.words import size_text, time_text

Subtype = Literal["PCM_16", "PCM_24", "PCM_32", "FLOAT", "VORBIS", "OPUS", "MPEG_LAYER_III"]

_FORMATS: dict[str, tuple[str, Subtype]] = {
    ".wav": ("WAV", "PCM_24"),
    ".flac": ("FLAC", "PCM_24"),
    ".ogg": ("OGG", "VORBIS"),
    ".opus": ("OGG", "OPUS"),
    ".mp3": ("MP3", "MPEG_LAYER_III"),
    ".aiff": ("AIFF", "PCM_24"),
    ".aif": ("AIFF", "PCM_24"),
}

_BLOCK = 1 << 16
_ALWAYS_FREE = 1 << 26


@dataclass(frozen=True, slots=True)
class Info:
    """The header of a recording, as ``probe`` finds it without reading the samples.

    Attributes:
        n_samples: of some Ogg files up to a block of 8192 more than ``read`` finds.
        format: libsndfile's name, or the suffix and the program that decoded it.
        subtype: sample format; empty where another program decoded it.
        layout: the loudspeakers, in the order of the file.
    """

    sample_rate: int
    channels: int
    n_samples: int
    format: str
    subtype: str
    tags: Tags
    layout: Layout

    @property
    def seconds(self) -> float:
        return self.n_samples / self.sample_rate


def probe(path: str | os.PathLike[str]) -> Info:
    """Read the header of a recording: rate, channels, length, format and tags.

    Raises:
        AudioError: as ``read`` does, as far as the header tells.

    Examples:
        >>> import numpy as np
        >>> import milonga
        >>> milonga.write("silence.flac", milonga.Clip(np.zeros(8000), 8000))
        >>> info = milonga.audio.probe("silence.flac")
        >>> info.seconds, info.channels, info.format, info.subtype
        (1.0, 1, 'FLAC', 'PCM_24')
    """
    with opened(path) as file:
        by = decoder(path)
        return Info(
            file.samplerate,
            file.channels,
            file.frames,
            f"{Path(path).suffix[1:].upper()} by {by}".strip() if by else file.format,
            "" if by else file.subtype or "",
            tags_of(file),
            file_layout(file),
        )


def read(path: str | os.PathLike[str]) -> Clip:
    """Read a whole recording: WAV, FLAC, OGG, Opus, MP3, AIFF, and by ffmpeg M4A, AAC, WMA.

    ``-`` is standard input. Samples keep their level: a float file that peaks above 1.0 stays so.

    Raises:
        AudioError: the file is missing, unreadable, empty, truncated, not audio, holds NaN or
            infinite values, or has an absurd rate or channel count. It names the file.

    Examples:
        >>> import numpy as np
        >>> import milonga
        >>> milonga.write("quiet.wav", milonga.Clip(np.full((2, 4410), 0.25), 44100))
        >>> milonga.read("quiet.wav")
        Clip(0.100 s, 2 channels, 44100 Hz)
        >>> milonga.read("quiet.mp4")
        Traceback (most recent call last):
        milonga.errors.AudioError: quiet.mp4: There is no such file.
    """
    path = Path(path)
    with opened(path) as file:
        _check_memory(path, file.channels * file.frames * 4, file.frames / file.samplerate)
        samples = np.empty((file.channels, file.frames), dtype=np.float32)
        layout = file_layout(file)
        order = wave_order(layout)
        at = 0
        while at < file.frames:
            # Blocks, because libsndfile interleaves and a transposed copy of an hour is large.
            block = file.read(min(_BLOCK, file.frames - at), dtype="float32", always_2d=True)
            if not len(block):
                break
            samples[:, at : at + len(block)] = block.T[order]
            at += len(block)
        if whole_length(path, file, at) < file.frames:
            samples = samples[:, :at].copy()
        try:
            named = tuple(layout[at] for at in order)
            return Clip(samples, file.samplerate, copy=False, layout=named)
        except AudioError as error:
            raise AudioError(error.message, where=path, step="Export it again.") from None


def blocks(path: str | os.PathLike[str], size: int = _BLOCK) -> Iterator[NDArray[np.float32]]:
    """Read a recording in blocks ``[time, channels]``, channels in the order of the file.

    Raises:
        AudioError: as ``read`` does.
    """
    with opened(path) as file:
        at = 0
        while len(block := file.read(size, dtype="float32", always_2d=True)):
            if not all_finite(block):
                raise AudioError("Samples hold NaN or infinite values.", where=path)
            at += len(block)
            yield block
        whole_length(Path(path), file, at)


def check(path: str | os.PathLike[str]) -> None:
    """Read a recording to its end and keep nothing, to know that ``read`` will do.

    Raises:
        AudioError: as ``read`` does.
    """
    info = probe(path)
    _check_memory(Path(path), info.channels * info.n_samples * 4, info.seconds)
    for _ in blocks(path):
        pass


def _check_memory(path: Path, needed: int, seconds: float) -> None:
    """Refuse what can't be held: a small file may expand to gigabytes, or claim hours."""
    if needed > _ALWAYS_FREE and needed > (free := available_memory()):
        raise AudioError(
            f"By its header it lasts {time_text(seconds)}, which takes "
            f"{size_text(needed)} of memory; {size_text(free)} are free.",
            where=path,
            step="Cut it into shorter files.",
        )


def write(
    path: str | os.PathLike[str],
    clip: Clip,
    *,
    subtype: Subtype | None = None,
    tags: Tags | None = None,
    on_clip: Literal["error", "warn", "level"] = "error",
    dither: np.random.Generator | None = None,
    compression: float | None = None,
) -> None:
    """Write a recording; the format follows from the suffix, the file is whole or absent.

    Args:
        path: ends in one of ``SUFFIXES``.
        clip: any level; only float WAV and AIFF keep samples beyond full scale.
        subtype: sample format; by default 24 bits where the format has them.
        tags: title, artist, and how the sound was made.
        on_clip: what to do when an integer or lossy format would clip: refuse, clip and warn,
            or lower the whole clip to a peak of 0.999.
        dither: adds triangular dither on reduction to 16 or 24 bits (see ``audio.dither``);
            without effect on other sample formats.
        compression: of OGG, Opus and MP3: 0 is the largest file and the best sound, towards 1
            it gets smaller; by default libsndfile's own choice.

    Raises:
        AudioError: the clip is empty or would clip, ``on_clip`` is unknown, the suffix or
            subtype doesn't exist, the format has no such rate or channel count.
        OutputError: the folder can't be written or the disk is full.

    Examples:
        >>> import numpy as np
        >>> import milonga
        >>> loud = milonga.Clip(np.array([0.0, 1.5, -1.5, 0.0]), 44100)
        >>> milonga.write("loud.wav", loud, on_clip="level")
        >>> round(milonga.read("loud.wav").peak, 3)
        0.999
    """
    import soundfile

    path = Path(path)
    if on_clip not in ("error", "warn", "level"):
        raise AudioError(f"on_clip is {on_clip!r}, not 'error', 'warn' or 'level'.")
    check_new_file(path, force=True)
    container, usual = _FORMATS[path.suffix.lower()]
    subtype = subtype or usual
    if not soundfile.check_format(container, subtype):
        raise AudioError(f"{container} files have no sample format {subtype}.", where=path)
    if not clip.n_samples:
        raise AudioError("There is nothing to write: the clip is empty.", where=path)
    if subtype != "FLOAT":
        clip = _within_full_scale(path, clip, on_clip)
    more = {} if compression is None else {"compression_level": compression}
    # Only WAV can name its channels.
    named = container == "WAV" and all(clip.layout) and clip.layout != usual_layout(clip.channels)
    order = list(range(clip.channels))
    if container == "OGG" and all(clip.layout) and clip.layout == usual_layout(clip.channels):
        order = [clip.layout.index(place) for place in ogg_layout(clip.channels)]
    texts = fitting(tags or Tags(), path.suffix.lower())
    bits = {"PCM_16": 16, "PCM_24": 24}.get(subtype)
    with atomic_path(path) as temporary:
        # libsndfile names no reason: what the system refuses is found out by writing.
        temporary.touch()
        try:
            with soundfile.SoundFile(
                encoded_name(temporary),
                "w",
                clip.sample_rate,
                clip.channels,
                subtype,
                format="WAVEX" if named else container,
                **more,
            ) as file:
                if named:
                    set_file_layout(file, clip.layout)
                if container != "MP3":
                    for name, field in tag_fields(container).items():
                        if value := texts[name]:
                            setattr(file, field, value)
                for at in range(0, clip.n_samples, _BLOCK):
                    block = clip.samples[order, at : at + _BLOCK].T
                    file.write(quantised(block, bits, dither) if bits else block)
            _check_whole(path, temporary)
        except soundfile.LibsndfileError as error:
            _check_room(temporary)
            reason = error.error_string.strip(" .")
            raise AudioError(
                f"{container} can't hold {clip.channels} channels at {clip.sample_rate} Hz"
                + (f" ({reason})." if reason else "."),
                where=path,
                step="Resample it, or choose .wav.",
            ) from error
        if container == "MP3" and (head := id3_tag(**texts)):
            temporary.write_bytes(head + temporary.read_bytes())


def check_new_file(
    path: str | os.PathLike[str],
    *,
    more: Sequence[str] = (),
    force: bool = False,
    step: str = "Add --force to replace it.",
) -> None:
    """Check the name of a recording before the work that makes it.

    Args:
        path: of the file to be written.
        more: suffixes that are known beside ``SUFFIXES``.
        force: it may be there.
        step: what to do where it is there.

    Raises:
        AudioError: no format has its suffix.
        OutputError: it is there, or its folder can't be written.
    """
    path, known = Path(path), (*SUFFIXES, *more)
    if path.suffix.lower() not in known:
        raise AudioError(
            f"No audio format has the suffix {path.suffix!r}.",
            where=path,
            step=f"Use one of: {' '.join(known)}.",
        )
    try:
        there = not force and path.exists()
    except OSError as error:
        raise output_error(error, path) from error
    if there:
        raise OutputError("It is already there.", where=path, step=step)
    check_writable(path.parent)


def _within_full_scale(path: Path, clip: Clip, on_clip: str) -> Clip:
    peak = clip.peak
    if peak <= 1.0:
        return clip
    over = f"Its peak is {20 * np.log10(peak):+.1f} dBFS, so it would clip."
    if on_clip == "level":
        return clip.scaled(0.999 / peak)
    if on_clip == "warn":
        warnings.warn(f"{path}: {over}", stacklevel=3)
        cut = np.clip(clip.samples, -1.0, 1.0)
        return Clip(cut, clip.sample_rate, copy=False, layout=clip.layout)
    raise AudioError(over, where=path, step="Pass on_clip='level', or write 32-bit float WAV.")


def _check_whole(path: Path, temporary: Path) -> None:
    """Look at what was written: libsndfile keeps silent where its last bytes were refused."""
    try:
        with opened(temporary):
            pass
    except AudioError as error:
        _check_room(temporary)
        raise AudioError(f"It was not written whole. {error.message}", where=path) from error


def _check_room(path: Path) -> None:
    """Raise the system's own error where a file can't grow: disk, quota or limit reached."""
    with open(path, "ab") as handle:
        handle.write(bytes(_BLOCK))
        handle.flush()
        os.fsync(handle.fileno())
