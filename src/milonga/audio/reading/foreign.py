"""Recordings that libsndfile doesn't know (M4A, AAC, WMA, the sound of films): by ffmpeg.

The file is hostile until shown otherwise: ffmpeg gets no shell, no network, no playlists or other
formats that name further files, and may take neither for ever nor the whole disk.
"""

from __future__ import annotations

import re
import shlex
import shutil
import subprocess
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from milonga.audio.reading.scratch import Scratch
from milonga.errors import AudioError
from milonga.runtime.files import free_space

FOREIGN_SUFFIXES = (
    *(".m4a", ".m4b", ".mp4", ".mov", ".3gp", ".aac", ".wma", ".webm", ".mka", ".mkv"),
    *(".amr", ".ac3", ".ape", ".wv", ".mp2", ".oga", ".caf", ".w64", ".au"),
)
"""File names that a folder of recordings is searched for, beside those of ``SUFFIXES``: most are
read through ffmpeg."""

_FORMATS = (
    "aac,ac3,aiff,amr,amrnb,amrwb,ape,asf,au,avi,caf,dsf,dts,dtshd,eac3,flac,flv,matroska,mov,"
    "mp3,mpc,mpc8,mpeg,mpegts,ogg,shn,tak,truehd,tta,w64,wav,webm,wv,xwma"
)
"""What ffmpeg may take a file for: all of it is in the file itself."""

_MAGIC = (
    *(b"\x1aE\xdf\xa3", b"0&\xb2u", b"\xff\xf1", b"\xff\xf9", b"\x0bw", b"#!AMR", b"MAC "),
    *(b"wvpk", b"caff", b"TTA1", b"FLV\x01", b"DSD ", b"MPCK", b"MP+", b"ID3"),
)
_OWN_CODECS = (1, 3, 0xFFFE)
"""PCM, float and extensible in WAV: where libsndfile doesn't read these, the file is damaged."""

_PATIENCE_S = 900
_LARGEST = 8 << 30


@dataclass(frozen=True, slots=True)
class Decoded:
    """A recording as a WAV, which is there as long as this object.

    Attributes:
        program: that decoded it, with its version.
    """

    scratch: Scratch
    program: str

    @property
    def sound(self) -> Path:
        return self.scratch.folder / "sound.wav"


_programs: dict[tuple[Path, int, int], str] = {}


def is_foreign(path: Path) -> bool:
    """Tell whether a file that libsndfile doesn't read is a recording of another kind."""
    with open(path, "rb") as handle:
        head = handle.read(64)
    if head[:4] == b"RIFF":
        codec = int.from_bytes(head[20:22], "little")
        return head[8:12] == b"AVI " or (head[8:16] == b"WAVEfmt " and codec not in _OWN_CODECS)
    if head[:4] == b"OggS":
        return any(codec in head for codec in (b"Speex", b"\x7fFLAC", b"theora", b"fishead"))
    known = head.startswith(_MAGIC) or head[4:8] == b"ftyp"
    return known or path.suffix.lower() in FOREIGN_SUFFIXES


def decoded(path: Path) -> Decoded:
    """Decode a recording with ffmpeg.

    Raises:
        AudioError: ffmpeg isn't there, doesn't know the file, finds it damaged, takes too long,
            or the file expands to more than the disk holds.
    """
    program = shutil.which("ffmpeg")
    if program is None:
        raise AudioError(
            "Such a file is read through ffmpeg, which is not installed.",
            where=path,
            step=f"Install ffmpeg, or convert it elsewhere: {conversion(path)}",
        )
    found = _decoded(program, *_identity(path))
    _programs[_identity(path)] = found.program
    return found


def decoder(path: Path) -> str:
    """Name the program that decoded a recording which was read before; "" for milonga itself."""
    return _programs.get(_identity(path), "") if path.exists() else ""


def _identity(path: Path) -> tuple[Path, int, int]:
    """Size and time tell a file from a later one of that name."""
    status = path.stat()
    return path.absolute(), status.st_size, status.st_mtime_ns


def conversion(path: Path) -> str:
    """Make the command that turns any recording into one that can be read."""
    target = path.with_suffix(".wav")
    if target == path:
        target = path.with_name(f"{path.stem}-converted.wav")
    return f"ffmpeg -i {shlex.quote(str(path))} {shlex.quote(str(target))}"


@lru_cache(maxsize=2)
def _decoded(program: str, path: Path, size: int, modified_ns: int) -> Decoded:
    """Decode, unless it is one of the last two."""
    made = Decoded(Scratch(), _version(program))
    largest = min(_LARGEST, (free_space(made.sound.parent) or _LARGEST) // 2)
    command = [program, "-nostdin", "-hide_banner", "-v", "error", "-max_alloc", str(1 << 29)]
    command += ["-protocol_whitelist", "file", "-format_whitelist", _FORMATS]
    command += ["-i", f"file:{path}", "-map", "0:a:0", "-vn", "-sn", "-dn"]
    command += ["-c:a", "pcm_f32le", "-rf64", "auto", "-bitexact", "-fs", str(largest)]
    command += ["-f", "wav", f"file:{made.sound}"]
    try:
        done = subprocess.run(command, capture_output=True, timeout=_PATIENCE_S, check=False)
    except subprocess.TimeoutExpired:
        raise _refused(path, f"ffmpeg was not done with it in {_PATIENCE_S / 60:.0f} min") from None
    except OSError as error:
        raise _refused(path, f"ffmpeg can't be started: {error.strerror}") from error
    said = [_said(line) for line in done.stderr.decode(errors="replace").splitlines()]
    if any("matches no streams" in line for line in said):
        raise _refused(path, "it holds no sound")
    if done.returncode or said:
        reason = said[0] if said else f"exit status {done.returncode}"
        raise AudioError(
            f"ffmpeg can't decode all of it ({reason}).",
            where=path,
            step=f"To keep what can be decoded: {conversion(path)}",
        )
    if made.sound.stat().st_size >= largest - (1 << 20):
        raise _refused(path, f"it expands to more than {largest / 1e9:.1f} GB")
    return made


def _said(line: str) -> str:
    """A line of ffmpeg's without addresses, the file's name and the full stop."""
    line = re.sub(r"\[([\w,]+) @ 0x[0-9a-f]+\]", r"\1:", line.strip())
    return re.sub(r"^file:.*?: (?=[A-Z])", "", line).rstrip(".")


def _refused(path: Path, reason: str) -> AudioError:
    return AudioError(f"Not a recording that can be read ({reason}).", where=path)


@lru_cache(maxsize=2)
def _version(program: str) -> str:
    said = subprocess.run([program, "-version"], capture_output=True, check=False, timeout=60)
    match = re.match(rb"ffmpeg version (\S+)", said.stdout)
    return f"ffmpeg {match[1].decode(errors='replace')}" if match else "ffmpeg"
