"""What a sound costs before it is played: time and memory, by its vocoder and its length."""

from __future__ import annotations

_WORK_S = 0.4
"""For each second of sound, by Griffin-Lim."""

# Peaks of processes that played 1, 10, 60 and 300 s: 280, 366, 572 and 637 MB by Griffin-Lim, which
# works on stretches of about a minute; 1.5 to 1.8 GB by BigVGAN (docs/benchmarks.md). A second of
# sound, its mel and what is written take half a megabyte.
_SOUND, _GRIFFIN_LIM, _BIGVGAN = 500_000, 6_000_000, 1_500_000_000
_PROCESS, _STRETCH_S = 300_000_000, 60.0


def playing_time(vocoder: str, seconds: float) -> float | None:
    """Estimate the time that seconds of sound take; None for networks, which nobody measured on
    this machine."""
    return _WORK_S * seconds if vocoder == "griffin-lim" else None


def playing_memory(vocoder: str, seconds: float) -> int:
    """Estimate the bytes of a process that plays sounds, each of so many seconds.

    Args:
        vocoder: "griffin-lim", "bigvgan", or "own", which is at most as large as BigVGAN.
        seconds: of a sound.
    """
    network = _GRIFFIN_LIM * min(seconds, _STRETCH_S) if vocoder == "griffin-lim" else _BIGVGAN
    return round(_PROCESS + network + _SOUND * seconds)
