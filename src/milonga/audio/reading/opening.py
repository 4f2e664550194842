"""Recordings opened for reading: checked first, with a header that tells the truth."""

from __future__ import annotations

import errno
import io
import os
import stat
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from milonga.audio.clip import MAX_CHANNELS, check_rate
from milonga.audio.layout import Layout, ogg_layout, usual_layout
from milonga.audio.reading import foreign
from milonga.audio.reading.mpeg import mended_mp3, scan_mp3
from milonga.audio.reading.piped import Patched, mended_flac, mended_wav, missing_sound
from milonga.audio.reading.silence import no_stray_messages
from milonga.audio.reading.standard_input import DASH, LABEL, standard_input
from milonga.errors import AudioError
from milonga.runtime.memory import raise_if_short

if TYPE_CHECKING:
    import soundfile

SUFFIXES = (".wav", ".flac", ".ogg", ".opus", ".mp3", ".aiff", ".aif")
"""File names that ``read`` and ``write`` understand."""
RECORDINGS = (*SUFFIXES, *foreign.FOREIGN_SUFFIXES)
"""File names of recordings, whoever decodes them."""

_MAGIC = (b"RIFF", b"RF64", b"BW64", b"FORM", b"fLaC", b"OggS")
_UNKNOWN = 1 << 62
"""The number of samples that libsndfile gives where a header has none."""

_GET_CHANNEL_MAP, _SET_CHANNEL_MAP = 0x1100, 0x1101
_CHANNEL_MAP = (
    *("", "FC", "FL", "FR", "FC", "FL", "FR", "FC", "BC", "BL", "BR", "LFE", "FLC", "FRC"),
    *("SL", "SR", "TC", "TFL", "TFR", "TFC", "TBL", "TBR", "TBC"),
)
"""libsndfile's numbers for loudspeakers (SF_CHANNEL_MAP in sndfile.h)."""

_OGG_BLOCK = 8192
"""Samples of Vorbis' longest block (Vorbis I specification, 4.2.2)."""

_MIRRORED = bytes(int(f"{byte:08b}"[::-1], 2) for byte in range(256))

_MP3_IN_WAV = b"\x55\0"
_LONGEST_S = 24 * 3600


@contextmanager
def opened(path: str | os.PathLike[str]) -> Iterator[soundfile.SoundFile]:
    """Open a recording whose length is known exactly.

    Raises:
        AudioError: as ``audio.read`` does, but for what only the samples tell.
    """
    import soundfile

    path, given = on_disk(path), Path(path)
    try:
        _check_file(path)
        _check_ogg(path)
        with no_stray_messages(), _sound_file(path) as file:
            _check_header(path, file)
            yield file
    except AudioError as error:
        if given == DASH:
            error.where = LABEL
        raise
    except soundfile.LibsndfileError as error:
        raise_if_short(error)
        reason = error.error_string.strip(" .")
        # It says so of any MP3 whose frames it doesn't find.
        if reason.startswith("File does not exist"):
            reason = ""
        label = LABEL if given == DASH else path
        if path.suffix.lower() == ".flac" and error.code > 40:
            raise truncated(path, "its last blocks can't be decoded") from error
        raise AudioError(
            f"Not a recording that can be read{f' ({reason})' if reason else ''}.",
            where=label,
            step=f"Use one of: {' '.join(SUFFIXES)}.",
        ) from error


def on_disk(path: str | os.PathLike[str]) -> Path:
    """Return the file that holds a recording: of ``-``, what came through standard input."""
    return standard_input() if Path(path) == DASH else Path(path)


def decoder(path: str | os.PathLike[str]) -> str:
    """Name the program that decoded a recording which was read before; "" for milonga itself."""
    return foreign.decoder(on_disk(path))


@contextmanager
def _sound_file(path: Path) -> Iterator[soundfile.SoundFile]:
    import soundfile

    source: Path | io.BufferedIOBase = _source(path)
    try:
        file = soundfile.SoundFile(encoded_name(source) if isinstance(source, Path) else source)
        # Its length would be an estimate.
        other = file.subtype in ("MPEG_LAYER_I", "MPEG_LAYER_II")
    except soundfile.LibsndfileError:
        if not foreign.is_foreign(path):
            raise
        other = True
    if other:
        # The WAV is there as long as this object.
        decoded = foreign.decoded(path)
        file = soundfile.SoundFile(encoded_name(decoded.sound))
    with file:
        yield file


def file_layout(file: soundfile.SoundFile) -> Layout:
    """Find the loudspeaker of each channel, in the order of the file."""
    import soundfile

    count = file.channels
    usual = ogg_layout(count) if file.format == "OGG" else usual_layout(count)
    codes = soundfile._ffi.new("int[]", count)
    size = soundfile._ffi.sizeof(codes)
    if count <= 2 or not soundfile._snd.sf_command(file._file, _GET_CHANNEL_MAP, codes, size):
        return usual
    named = tuple(_CHANNEL_MAP[code] if code < len(_CHANNEL_MAP) else "" for code in codes)
    return named if all(named) and len(set(named)) == count else usual


def set_file_layout(file: soundfile.SoundFile, layout: Layout) -> None:
    """Name the channels in the header of a WAVEX file that is written."""
    import soundfile

    codes = soundfile._ffi.new("int[]", [_CHANNEL_MAP.index(place, 2) for place in layout])
    soundfile._snd.sf_command(file._file, _SET_CHANNEL_MAP, codes, soundfile._ffi.sizeof(codes))


def encoded_name(path: Path) -> bytes | str:
    """Return the name as libsndfile takes it: bytes, because it need not be UTF-8."""
    return str(path) if os.name == "nt" else os.fsencode(path)


def _source(path: Path) -> Path | io.BufferedIOBase:
    """Find what to open: the file itself, or one with a better header."""
    with open(path, "rb") as handle:
        start = handle.read(22)
    head = start[:4]
    layer_3 = len(head) > 1 and head[0] == 0xFF and head[1] & 0xE6 == 0xE2
    named_so = path.suffix.lower() == ".mp3" and head not in _MAGIC
    if head == b"RIFF" and start[8:16] == b"WAVEfmt " and start[20:22] == _MP3_IN_WAV:
        return _mp3(path)
    if head == b"BW64":
        # An RF64 of another name (ITU-R BS.2088).
        return Patched(path, {0: b"RF64"})
    if head in (b"RIFF", b"RF64"):
        return mended_wav(path)
    if head == b"fLaC":
        return mended_flac(path)
    if head[:3] == b"ID3" or layer_3 or named_so:
        return _mp3(path)
    return path


def _mp3(path: Path) -> Path | io.BufferedIOBase:
    content = path.read_bytes()
    mp3 = scan_mp3(content)
    if mp3 is None:
        return path
    if mp3.cut:
        found = f"it ends within frame {len(mp3.frames) + 1:,}"
        raise truncated(path, found + (f" of {mp3.promised:,}" if mp3.promised else ""))
    if len(mp3.kinds) > 1:
        raise AudioError(
            "Its sampling rate or its channels change on the way: several files are joined here.",
            where=path,
            step=f"Convert it: {foreign.conversion(path)}",
        )
    return path if mp3.is_exact else mended_mp3(content, mp3)


def _check_file(path: Path) -> None:
    try:
        # To open a named pipe waits until somebody writes into it.
        mode = path.stat().st_mode
        if not (stat.S_ISREG(mode) or stat.S_ISDIR(mode)):
            raise AudioError(
                "This is a pipe or a device, not a file.",
                where=path,
                step="Give - and pipe the sound into the command, or write it into a file first.",
            )
        with open(path, "rb") as handle:
            head = handle.read(16)
            size = os.fstat(handle.fileno()).st_size
    except FileNotFoundError:
        raise AudioError("There is no such file.", where=path) from None
    except IsADirectoryError:
        raise AudioError("This is a folder, not a recording.", where=path) from None
    except ValueError as error:  # a zero byte in its name
        raise AudioError(f"It can't be opened: {error}.", where=path) from None
    except OSError as error:
        raise_if_short(error)
        step = "Check its owner and permissions." if error.errno == errno.EACCES else None
        reason = error.strerror or str(error)
        raise AudioError(f"It can't be opened: {reason}.", where=path, step=step) from None
    if not size:
        raise AudioError("The file is empty (0 bytes).", where=path)
    if path.suffix.lower() == ".raw":
        raise AudioError(
            "Bare samples don't say their rate, channels and format.",
            where=path,
            step="Convert it, for example: ffmpeg -f s16le -ar 44100 -ac 2 -i FILE.raw FILE.wav",
        )
    _check_wav_format(path, head)


def _check_wav_format(path: Path, head: bytes) -> None:
    """Refuse WAV headers that libsndfile turns into a vague error."""
    if head[:4] != b"RIFF" or head[8:12] != b"WAVE" or head[12:16] != b"fmt ":
        return
    with open(path, "rb") as handle:
        handle.seek(20)
        fields = handle.read(8)
    if len(fields) < 8:
        raise truncated(path, "it ends within its header")
    if not int.from_bytes(fields[2:4], "little"):
        raise AudioError("Its header says 0 channels.", where=path, step="Export it again.")
    _check_rate(path, int.from_bytes(fields[4:8], "little"))


def _check_rate(path: Path, sample_rate: int) -> None:
    try:
        check_rate(sample_rate)
    except AudioError as error:
        raise AudioError(error.message, where=path, step="Export it again.") from None


def _check_header(path: Path, file: soundfile.SoundFile) -> None:
    _check_rate(path, file.samplerate)
    if not 1 <= file.channels <= MAX_CHANNELS:
        raise AudioError(f"Its header says {file.channels} channels.", where=path)
    if file.format not in ("MP3", "OGG", "FLAC") and (found := missing_sound(path)):
        raise truncated(path, f"{found[0]} of {found[1]} bytes of sound are there")
    if file.format == "FLAC" and file.frames >= _UNKNOWN:
        raise truncated(path, "its last block is not whole")
    if not file.frames:
        raise AudioError("It holds no audio (0 samples).", where=path)
    if file.frames > _LONGEST_S * file.samplerate:
        raise AudioError("Its header says it is longer than a day.", where=path)


def _check_ogg(path: Path) -> None:
    """Refuse an Ogg file that isn't one whole stream, which decoders pass over."""
    with open(path, "rb") as handle:
        if handle.read(4) != b"OggS":
            return
    if not _ogg_ends(path):
        raise _to_be_kept(path, truncated(path, "its last page is missing"))
    begun, last = False, dict[bytes, int]()
    for number, page in enumerate(_ogg_pages(path), 1):
        begins, stream = bool(page[5] & 0x02), page[14:18]
        if begins and begun:
            raise AudioError(
                "Several Ogg streams are joined in this file.",
                where=path,
                step=f"Convert it: {foreign.conversion(path)}",
            )
        begun = begun or not begins
        fault = ""
        if ogg_checksum(page[:22] + bytes(4) + page[26:]) != page[22:26]:
            fault = f"page {number:,} isn't what was written"
        place = int.from_bytes(page[18:22], "little")
        if (lost := place - last.get(stream, place) - 1) > 0:
            fault = f"it lacks {lost:,} of its pages before page {number:,}"
        if fault:
            raise _to_be_kept(path, AudioError(f"The file is damaged: {fault}.", where=path))
        last[stream] = place


def _to_be_kept(path: Path, error: AudioError) -> AudioError:
    """Add how to fix an Ogg file, or to keep what is there: decoders pass over the fault."""
    step = "Copy or download it again. To keep what is there:"
    error.step = f"{step} {foreign.conversion(path)}"
    return error


def _ogg_ends(path: Path) -> bool:
    """Tell whether the last page is whole and carries the end-of-stream flag (RFC 3533, 6)."""
    with open(path, "rb") as handle:
        size = handle.seek(0, os.SEEK_END)
        handle.seek(max(0, size - (1 << 17)))
        tail = handle.read()
    page = tail[max(0, tail.rfind(b"OggS")) :]
    if len(page) < 27 or not page[5] & 0x04:
        return False
    lengths = page[27 : 27 + page[26]]
    return len(page) >= 27 + len(lengths) + sum(lengths)


def _ogg_pages(path: Path) -> Iterator[bytes]:
    """Read the pages (RFC 3533, 6); what lies between or behind them is passed over."""
    with open(path, "rb") as handle:
        while len(page := handle.read(27)) == 27:
            if page[:4] == b"OggS":
                sizes = handle.read(page[26])
                yield page + sizes + handle.read(sum(sizes))
            else:
                more = page[1:] + handle.read(1 << 16)
                found = more.find(b"OggS")
                handle.seek((found if found >= 0 else len(more) - 3) - len(more), os.SEEK_CUR)


def ogg_checksum(page: bytes) -> bytes:
    """Return the checksum of an Ogg page whose own four bytes of it are zero.

    The polynomial is that of zlib, whose bits run the other way.
    """
    mirrored = zlib.crc32(page.translate(_MIRRORED), 0xFFFFFFFF) ^ 0xFFFFFFFF
    return mirrored.to_bytes(4, "big").translate(_MIRRORED)


def whole_length(path: Path, file: soundfile.SoundFile, found: int) -> int:
    """Return how many samples a recording has that was read to its end.

    Some encoders of Ogg promise a part of a block more than they wrote: nothing is missing then.

    Args:
        path: its name.
        file: the recording.
        found: samples that could be read.

    Raises:
        AudioError: its header promises more.
    """
    lacking = file.frames - found
    if lacking <= 0 or (file.format == "OGG" and lacking <= _OGG_BLOCK):
        return found
    raise truncated(path, f"its header promises {file.frames} samples, it holds {found}")


def truncated(path: Path, detail: str) -> AudioError:
    """Return the explained form of a file that ends too early."""
    return AudioError(
        f"The file is truncated: {detail}.", where=path, step="Copy or download it again."
    )
