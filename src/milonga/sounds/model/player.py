"""Playing a sound model: a request becomes a mel, and with a vocoder a clip."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from milonga.audio import Clip
from milonga.audio.limiter import limit
from milonga.audio.mel.spec import MelSpec
from milonga.errors import ModelFileError, SoundError, UnknownNameError
from milonga.runtime.memory import raise_if_short
from milonga.runtime.progress import Progress
from milonga.sounds.controls.descriptors import LOUDNESS_CONTEXT_S, NAMES, Descriptors
from milonga.sounds.controls.reach import Reach
from milonga.sounds.controls.report import ControlReport
from milonga.sounds.controls.statistics import column
from milonga.sounds.mel_spec import MEL_SPEC
from milonga.sounds.model.architecture import FACTOR, Architecture
from milonga.sounds.model.header import ModelHeader
from milonga.sounds.model.latents import CorpusLatents, LatentTrack, encode_mel
from milonga.sounds.model.network import BEATS, CARRIERS, NOISES, SoundNet, reach
from milonga.sounds.model.resolved_play import ResolvedPlay
from milonga.sounds.model.walk import LatentWalk, Vectors
from milonga.vocoders import VocoderBase

Floats = NDArray[np.float32]

LIMIT = 4.0
"""Largest setting of a control or an axis, in spreads of the corpus."""
_CHUNK = 256
"""Vectors that are decoded at once: 24 s. Two seconds on either side are decoded for nothing."""
_NOISE_BLOCK = 512
CEILING_DBTP = -1.0
_MOST_GAIN_DB = 40.0
"""Largest change of level that takes back what a control did to the loudness."""
_SCALE_AXES = tuple(f"pca{number}" for number in range(1, 9))


class SoundPlayer:
    """A sound model, ready to be played. Safe to use from several threads.

    Args:
        architecture: of the network, as the model's file holds it.
        controls: by name, likewise.
        tensors: likewise.
        spec: of the mels.
        files: names of the recordings that the model has learnt from.

    Raises:
        ModelFileError: the parts don't fit each other.
    """

    def __init__(
        self,
        architecture: Mapping[str, Any],
        controls: Mapping[str, ControlReport],
        tensors: Mapping[str, Tensor],
        *,
        spec: MelSpec = MEL_SPEC,
        files: Sequence[str] = (),
    ) -> None:
        self.spec, self.controls, self.files = spec, dict(controls), list(files)
        self.place: Path | None = None
        """The model's file, where it was opened from one."""
        shape = Architecture.from_dict(architecture)
        # Making the layers draws numbers, which the tensors then replace.
        with torch.random.fork_rng(devices=[]):
            net = SoundNet(shape, self.spec)
        names = list(net.state_dict())
        missing = [name for name in names if name not in tensors]
        if missing:
            raise ModelFileError(f"The model has no tensor {missing[0]!r}.")
        try:
            net.load_state_dict({name: tensors[name].float() for name in names})
        except RuntimeError as error:
            raise_if_short(error)
            raise ModelFileError("The model's tensors don't fit its architecture.") from None
        self.net = net.eval()
        self.kept = CorpusLatents.from_tensors(tensors)
        if self.kept.latents.shape[1] != shape.latent:
            raise ModelFileError("The model's kept latents don't fit its network.")
        self._std = net.control_std.double().numpy()
        self._mean = net.control_mean.double().numpy()
        self._spread = column(self.controls, "spread") / self._std
        self._reach = Reach.of(self.controls, self._mean, self._std)
        self._measure = Descriptors(self.spec)

    @classmethod
    def of(cls, header: ModelHeader, tensors: Mapping[str, Tensor]) -> SoundPlayer:
        """A player of what a model's file holds.

        Raises:
            ModelFileError: the parts don't fit each other.
        """
        names = [file.name for file in header.corpus.files]
        return cls(header.architecture, header.controls, tensors, spec=header.spec, files=names)

    @property
    def enabled(self) -> tuple[str, ...]:
        """Controls that this model has learnt, in their order."""
        return tuple(name for name in NAMES if self.controls[name].enabled)

    @property
    def learnt(self) -> list[str]:
        """Names of the recordings that it can play by itself: none that were held out."""
        known = sorted(set(self.kept.runs[:, 0].tolist()))
        return [self.files[file] for file in known if file < len(self.files)]

    @property
    def axes(self) -> tuple[str, ...]:
        """Names of the free axes."""
        return _SCALE_AXES[: len(self.kept.axes)]

    def frames(self, request: ResolvedPlay) -> int:
        """Frames of the mel of a request."""
        return math.ceil(self._samples(request) / self.spec.hop)

    def _samples(self, request: ResolvedPlay) -> int:
        if request.seconds is not None:
            return round(request.seconds * self.spec.sample_rate)
        track = self._track(request.start)
        if track is None:
            return 10 * self.spec.sample_rate
        if not isinstance(request.start, str):
            return int(request.start.shape[2]) * self.spec.hop
        return len(track) * FACTOR * self.spec.hop

    def mel(self, request: ResolvedPlay, progress: Progress | None = None) -> Floats:
        """The mel ``[1, bands, T]`` of a request.

        Raises:
            UnknownNameError: no such control, axis or recording.
            SoundError: a setting is out of range or disabled, or the length makes no sense.
            Cancelled: the user stopped it.
        """
        return np.concatenate(list(self.stream(request, progress)), axis=2)

    def stream(self, request: ResolvedPlay, progress: Progress | None = None) -> Iterator[Floats]:
        """The mel in consecutive pieces ``[1, bands, t]``, in memory that doesn't grow with it;
        joined they are what ``mel`` returns."""
        self.check(request)
        return self._pieces(request, progress or Progress())

    def clip(
        self, request: ResolvedPlay, vocoder: VocoderBase, progress: Progress | None = None
    ) -> Clip:
        """The sound of a request: mono, true peaks at most ``CEILING_DBTP``.

        Raises:
            SoundError: as ``mel``, or the vocoder speaks another mel.
        """
        if vocoder.mel_spec.differences(self.spec):
            raise SoundError(
                f"The vocoder {vocoder.name!r} takes mels of another convention.",
                step="Choose a BigVGAN of 44.1 kHz, 128 bands and hop 512, or griffin-lim.",
            )
        wave = vocoder.mel_to_waveform(self.mel(request, progress), progress=progress)[0]
        clip = Clip(wave, self.spec.sample_rate, copy=False).fitted(self._samples(request))
        # A lower gain would undo what the loudness was asked for; the limiter leaves most of it.
        return limit(clip, CEILING_DBTP)

    def check(self, request: ResolvedPlay) -> None:
        """Raise what ``mel`` would, without playing."""
        for name, value in request.controls.items():
            if name not in NAMES:
                raise UnknownNameError("control", name, NAMES)
            if not self.controls[name].enabled:
                raise SoundError(
                    f"This model has no control {name!r}. {self.controls[name].reason or ''}",
                    step=f"It has: {', '.join(self.enabled) or 'none'}.",
                )
            _check_setting(name, value)
        for name, value in request.axes.items():
            if name not in self.axes:
                raise UnknownNameError("axis", name, self.axes)
            _check_setting(name, value)
        if request.seconds is not None and not 0.0 < request.seconds < math.inf:
            raise SoundError(f"{request.seconds:g} s can't be played.")
        if not 0.0 <= request.pace <= 16.0:
            raise SoundError(f"A pace of {request.pace:g} is not between 0 and 16.")
        if not 20.0 <= request.tempo <= 400.0:
            raise SoundError(f"A tempo of {request.tempo:g} is not between 20 and 400.")
        self._track(request.start)
        if request.to is not None:
            self._track(request.to)
        if self._samples(request) < 1:
            raise SoundError(f"{request.seconds:g} s are too short to be played.")

    def _track(self, start: str | Floats) -> LatentTrack | None:
        """The latent track that a start stands for; None for a walk."""
        if not isinstance(start, str):
            mel = np.asarray(start, np.float32)
            if mel.ndim != 3 or mel.shape[:2] != (1, self.spec.n_mels) or not mel.shape[2]:
                raise SoundError(
                    f"A mel of shape {mel.shape} isn't [1, {self.spec.n_mels}, frames]."
                )
            if not np.isfinite(mel).all():
                raise SoundError("The recording's mel holds NaN or infinite values.")
            return encode_mel(self.net, mel, self.spec)
        if start == "walk":
            return None
        kind, _, name = start.partition(":")
        if kind == "corpus":
            if name in self.files:
                found = self.kept.of_file(self.files.index(name))
            else:
                found = self.kept.of_file(int(name)) if name.isdecimal() else None
            if found is not None:
                return found
        known = self.learnt or map(str, sorted(set(self.kept.runs[:, 0].tolist())))
        raise UnknownNameError("recording of this model", name or start, known)

    def _pieces(self, request: ResolvedPlay, progress: Progress) -> Iterator[Floats]:
        total = self.frames(request)
        vectors = -(-total // FACTOR)
        margin = reach(self.net.shape, self.spec)
        if self._compensated(request):
            margin += math.ceil(LOUDNESS_CONTEXT_S * self.spec.frame_rate / FACTOR) + 1
        source = _Buffer(self._vectors(request, vectors))
        with progress.task("Playing", total / self.spec.frame_rate, "s") as task:
            for at in range(0, vectors, _CHUNK):
                first, last = max(0, at - margin), min(vectors, at + _CHUNK + margin)
                mel = self._decode(request, source.window(first, last), first)
                start = (at - first) * FACTOR
                stop = min(total, (at + _CHUNK) * FACTOR) - first * FACTOR
                piece = mel[:, :, start:stop]
                task.advance(piece.shape[2] / self.spec.frame_rate)
                yield piece

    def _vectors(self, request: ResolvedPlay, count: int) -> Iterator[Vectors]:
        """Blocks of at least ``count`` vectors in all."""
        one = self._source(request.start, request, 0)
        if request.to is None:
            yield from one
            return
        first, second = _Buffer(one), _Buffer(self._source(request.to, request, 1))
        for at in range(0, count, _CHUNK):
            stop = min(count, at + _CHUNK)
            part = ((np.arange(at, stop) + 0.5) / count)[:, np.newaxis]
            share = (0.5 - 0.5 * np.cos(np.pi * part)).astype(np.float32)
            pairs = zip(first.window(at, stop), second.window(at, stop), strict=True)
            latents, controls = ((1 - share) * a + share * b for a, b in pairs)
            yield latents, controls

    def _source(self, start: str | Floats, request: ResolvedPlay, number: int) -> Iterator[Vectors]:
        draw = np.random.default_rng([request.seed, 5, number])
        track = self._track(start)
        if track is not None:
            yield _paced(track, request.pace)
        yield from LatentWalk(self.kept, draw, request.pace, track).blocks()

    @torch.no_grad()
    def _decode(self, request: ResolvedPlay, vectors: Vectors, first: int) -> Floats:
        latents, controls = vectors
        for name, value in request.axes.items():
            index = self.axes.index(name)
            offset = value * self.kept.axes_spread[index] * self.kept.axes[index]
            latents = latents + offset.astype(np.float32)
        own = torch.from_numpy(controls.T[None].copy())
        latent = torch.from_numpy(np.ascontiguousarray(latents.T[None], np.float32))
        drive = self._carriers(request, first * FACTOR, len(latents) * FACTOR)

        def made(settings: Mapping[str, float]) -> Tensor:
            # Values stand in the middle of their eight frames.
            asked = self.asked(own, settings)
            track = torch.nn.functional.interpolate(asked, scale_factor=FACTOR, mode="linear")
            return self.net.bounded(self.net.decode(latent, track, drive))

        mel = made(request.controls)
        if kept := self._compensated(request):
            mel = self._as_loud_as(made({n: request.controls.get(n, 0.0) for n in kept}), mel)
        values: Floats = mel.numpy()
        return values

    def _compensated(self, request: ResolvedPlay) -> tuple[str, ...]:
        """Controls that alone may change the loudness; none where no other one is set."""
        others = any(value for name, value in request.controls.items() if name != "loudness")
        return ("loudness",) if others else ()

    def _as_loud_as(self, wanted: Tensor, mel: Tensor) -> Tensor:
        """A mel at the loudness of another one, moment by moment; silence stays silence."""
        gain_db = self._measure.loudness(wanted) - self._measure.loudness(mel)
        gain = gain_db.clamp(-_MOST_GAIN_DB, _MOST_GAIN_DB) * (math.log(10) / 20)
        moved = torch.where(mel > self.net.shape.floor, mel + gain, mel)
        return self.net.bounded(moved)

    def asked(self, controls: Tensor, settings: Mapping[str, float]) -> Tensor:
        """Controls ``[B, 7, T]`` moved by settings, within reach."""
        offset = torch.zeros(len(NAMES))
        for name, value in settings.items():
            index = NAMES.index(name)
            offset[index] = value * self._spread[index]
        return self._reach(controls + offset[:, None])

    def _carriers(self, request: ResolvedPlay, first: int, count: int) -> Tensor:
        out = np.empty((1, CARRIERS, count), np.float32)
        at = first
        while at < first + count:
            block, inside = divmod(at, _NOISE_BLOCK)
            take = min(_NOISE_BLOCK - inside, first + count - at)
            draw = np.random.default_rng([request.seed, 6, block])
            noise = draw.standard_normal((NOISES, _NOISE_BLOCK), dtype=np.float32)
            out[0, :NOISES, at - first : at - first + take] = noise[:, inside : inside + take]
            at += take
        beat = np.arange(first, first + count) / self.spec.frame_rate * request.tempo / 60.0
        out[0, NOISES] = np.sin(2 * np.pi * beat)
        out[0, NOISES + BEATS - 1] = np.cos(2 * np.pi * beat)
        return torch.from_numpy(out)


class _Buffer:
    """Windows over a stream of blocks, in order; only what is still needed is kept."""

    def __init__(self, blocks: Iterator[Vectors]) -> None:
        self._blocks, self._first = blocks, 0
        self._kept: Vectors | None = None

    def window(self, first: int, last: int) -> Vectors:
        """Vectors ``first`` to ``last``; ``first`` never goes back."""
        parts: list[Vectors] = [] if self._kept is None else [self._kept]
        have = self._first + sum(len(part[0]) for part in parts)
        while have < last:
            block = next(self._blocks)
            parts.append(block)
            have += len(block[0])
        joined = [np.concatenate([part[side] for part in parts]) for side in range(2)]
        drop = first - self._first
        self._kept = (joined[0][drop:], joined[1][drop:])
        self._first = first
        return self._kept[0][: last - first], self._kept[1][: last - first]


_LONGEST = 1 << 17
"""Vectors of a track that is read very slowly: hours of sound."""


def _paced(track: LatentTrack, pace: float) -> Vectors:
    """A track read at a pace; at pace 0 it stands at its first vector for its own length."""
    if pace == 1.0:
        return track.latents, track.controls
    length = len(track) if pace == 0 else max(1, round(min(len(track) / pace, _LONGEST)))
    at = np.minimum(np.arange(length) * pace, len(track) - 1.0)
    low = np.floor(at).astype(int)
    high = np.minimum(low + 1, len(track) - 1)
    part = (at - low)[:, np.newaxis].astype(np.float32)

    def read(table: Floats) -> Floats:
        return np.asarray((1 - part) * table[low] + part * table[high], np.float32)

    return read(track.latents), read(track.controls)


def _check_setting(name: str, value: float) -> None:
    if not (math.isfinite(value) and -LIMIT <= value <= LIMIT):
        raise SoundError(f"{name}: {value:g} is not between -{LIMIT:g} and {LIMIT:g}.")
