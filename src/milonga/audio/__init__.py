"""Audio in memory and in files: ``Clip``, reading, writing, resampling, loudness."""

from milonga.audio.clip import Clip
from milonga.audio.files import probe, read, write
from milonga.audio.loudness import loudness_lufs, true_peak_dbtp
from milonga.audio.reading.opening import SUFFIXES
from milonga.audio.resampling import resample
from milonga.audio.tags import Tags

__all__ = [
    "SUFFIXES",
    "Clip",
    "Tags",
    "loudness_lufs",
    "probe",
    "read",
    "resample",
    "true_peak_dbtp",
    "write",
]
