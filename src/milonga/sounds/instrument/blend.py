"""Blends: several sound models played as one.

Each model plays the same request: the same seed, the same settings, the pulse on the same beat. A
setting is in spreads of each model's own recordings, so ``brightness=+2`` is bright for either.
Then one of two things is blended, and the receipt says which:

mels
    For models that know nothing of each other. Their mels are brought to one level (the mean of
    their K-weighted levels in dB), and their logarithms are interpolated band by band and frame by
    frame. A sum of magnitudes would be two sounds at once, and lie nearer to the denser one.

latents
    For models that were trained on from one ancestor (``sound train --add``) and whose encoders
    still agree. The latent tracks are interpolated, each model's decoder plays the result, and
    those mels, which then move together, are interpolated as above.

A model of weight 0 takes no part: ``A:100 B:0`` is A, bit for bit.
"""

from __future__ import annotations

from collections.abc import Sequence
from copy import copy
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from milonga.audio import Clip
from milonga.audio.export.receipt import Provenance
from milonga.errors import SoundError, UnknownNameError
from milonga.runtime.progress import Progress
from milonga.sounds.instrument.blend_mixing import Floats, guided, method_of, mix_mels
from milonga.sounds.instrument.blend_part import BlendPart
from milonga.sounds.instrument.chosen_vocoder import ChosenVocoder, choose_vocoder
from milonga.sounds.instrument.instrument import Instrument, check_audible
from milonga.sounds.library.library import Library, open_model
from milonga.sounds.model.file import read_header, sound_hash
from milonga.sounds.model.play_settings import PlaySettings
from milonga.sounds.model.resolved_play import ResolvedPlay
from milonga.vocoders import VocoderBase

if TYPE_CHECKING:
    from milonga.sounds.model.player import SoundPlayer


MOST = 8
_PEAK = 0.97


def parse_shares(texts: Sequence[str]) -> list[tuple[str, float]]:
    """Parse ``["rain:60", "birds:40"]``: weights come to a sum of 1; without any they are equal.

    Raises:
        SoundError: another form, a weight that is no number from 0, or only zeros.
    """
    found: list[tuple[str, float | None]] = []
    for text in texts:
        name, colon, number = text.rpartition(":")
        try:
            weight = float(number) if colon else None
        except ValueError:
            name, weight = text, None
        if weight is None:
            name = text
        if not name.strip() or (weight is not None and not 0 <= weight < 1e9):
            raise SoundError(f"{text!r} is not MODEL:WEIGHT, as in rain:60.")
        found.append((name, weight))
    if not 2 <= len(found) <= MOST:
        raise SoundError(f"A blend takes 2 to {MOST} models, not {len(found)}.")
    given = [weight for _, weight in found if weight is not None]
    if given and len(given) < len(found):
        raise SoundError("Give every model a weight, or none of them.")
    weights = given or [1.0] * len(found)
    total = sum(weights)
    if total <= 0:
        raise SoundError("All weights are 0.", step="Give one of the models a weight, as rain:60.")
    return [(name, weight / total) for (name, _), weight in zip(found, weights, strict=True)]


@dataclass(frozen=True, slots=True)
class ResolvedBlend:
    """Settings resolved for every part that sounds.

    Attributes:
        plays: by part.
        missing: by control, the models that haven't learnt it and play without.
    """

    plays: tuple[ResolvedPlay, ...]
    missing: dict[str, list[str]]


class Blend:
    """Models with weights, ready to be played.

    Attributes:
        parts: all, also those of weight 0.
        sounding: those that aren't.
        how: what is blended.
        why: the reason, for the user.
    """

    def __init__(self, parts: Sequence[BlendPart], chosen_vocoder: ChosenVocoder) -> None:
        self.parts = tuple(parts)
        self.sounding = tuple(part for part in parts if part.weight > 0)
        self.chosen_vocoder = chosen_vocoder
        self.how, self.why = method_of(self.sounding)

    @property
    def vocoder(self) -> VocoderBase:
        return self.chosen_vocoder.vocoder

    @classmethod
    def open(
        cls,
        shares: Sequence[tuple[str, float]],
        *,
        vocoder: str = "auto",
        device: str = "auto",
        library: Library | None = None,
        progress: Progress | None = None,
    ) -> Blend:
        """Load the models and one vocoder.

        Args:
            shares: as ``parse_shares`` gives them.
            vocoder: as ``choose_vocoder`` takes it. A model's own is for that model alone.

        Raises:
            SoundError: there is no such model, or their mels differ.
            WeightsError, VocoderError: the vocoder can't be had or loaded.
        """
        library = library or Library()
        loaded = []
        for model, weight in shares:
            path = library.model_path(model)
            player = open_model(str(path.absolute()), library)
            loaded.append((model, weight, path, player))
        spec = loaded[0][3].spec
        for model, _, _, player in loaded:
            if spec.differences(player.spec):
                raise SoundError(f"{model!r} speaks mels of another convention than the others.")
        alone = [path for _, weight, path, _ in loaded if weight > 0]
        only = alone[0] if len(alone) == 1 else None
        if vocoder == "own" and only is None:
            raise SoundError(
                "A model's own vocoder knows the sounds of that model alone.",
                step="Leave --vocoder out, or take bigvgan or griffin-lim.",
            )
        chosen = choose_vocoder(vocoder, spec, device, progress, only)
        parts = []
        for model, weight, path, player in loaded:
            instrument = Instrument(player, chosen, read_header(path), sound_hash(path), path)
            parts.append(BlendPart(model, weight, instrument))
        return cls(parts, chosen)

    def weighted(self, weights: Sequence[float]) -> Blend:
        """Return the same models with other weights, nothing loaded or compared anew.

        Args:
            weights: of each part, above 0; they come to a sum of 1.

        Raises:
            SoundError: there are others, or one of the models had no weight before.
        """
        if len(weights) != len(self.parts) or min(weights) <= 0 or self.sounding != self.parts:
            raise SoundError("A blend is weighted anew with a weight above 0 for each model.")
        total = sum(weights)
        made = copy(self)
        made.parts = made.sounding = tuple(
            replace(part, weight=weight / total)
            for part, weight in zip(self.parts, weights, strict=True)
        )
        return made

    def resolve(self, settings: PlaySettings) -> ResolvedBlend:
        """Fit settings to every part.

        A control that one of the models hasn't learnt moves the others alone. Free axes are found
        in each training anew and have no common meaning.

        Raises:
            SoundError: no model has learnt a control, free axes in a blend, a recording or value
                that can't be played.
            UnknownNameError: no such control.
        """
        several = len(self.sounding) > 1
        if settings.axes and several:
            raise SoundError(
                f"{', '.join(settings.axes)}: the free axes of two models have nothing in common.",
                step="Set controls, as brightness=+2: they mean the same for every model.",
            )
        missing: dict[str, list[str]] = {}
        for name in settings.controls:
            if name not in self.sounding[0].player.controls:
                raise UnknownNameError("control", name, self.sounding[0].player.controls)
            lack = [part.model for part in self.sounding if name not in part.player.enabled]
            if lack and several:
                missing[name] = lack
            if len(lack) == len(self.sounding) and several:
                raise SoundError(f"None of these models has learnt the control {name!r}.")
        plays = []
        for part in self.sounding:
            kept = {
                name: value
                for name, value in settings.controls.items()
                if part.model not in missing.get(name, ())
            }
            plays.append(settings.model_copy(update={"controls": kept}).resolve(part.player))
        # Seconds of a recording's own length may differ by a model; the first one's count.
        seconds = settings.seconds
        if seconds is None and several:
            first = self.sounding[0].player
            seconds = first.frames(plays[0]) / first.spec.frame_rate
            plays = [replace(play, seconds=seconds) for play in plays]
        return ResolvedBlend(tuple(plays), missing)

    def mel(self, resolved: ResolvedBlend, progress: Progress | None = None) -> Floats:
        """Make the blended mel ``[1, bands, T]``."""
        players: Sequence[SoundPlayer] = [part.player for part in self.sounding]
        if self.how == "latents":
            players = guided(players, resolved.plays, [part.weight for part in self.sounding])
        mels = [
            player.mel(play, progress) for player, play in zip(players, resolved.plays, strict=True)
        ]
        weights = [part.weight for part in self.sounding]
        return mix_mels(mels, weights, self.sounding[0].player.spec)

    def play(
        self, settings: PlaySettings | ResolvedBlend, progress: Progress | None = None
    ) -> Clip:
        """Play settings: mono, finite, peaks at most 0.97.

        Raises:
            SoundError: it is silent, or the vocoder speaks another mel.
            Cancelled: the user stopped it.
        """
        resolved = self.resolve(settings) if isinstance(settings, PlaySettings) else settings
        if len(self.sounding) == 1:
            return self.sounding[0].instrument.play(resolved.plays[0], progress)
        player, vocoder = self.sounding[0].player, self.vocoder
        if vocoder.mel_spec.differences(player.spec):
            raise SoundError(f"The vocoder {vocoder.name!r} takes mels of another convention.")
        wave = vocoder.mel_to_waveform(self.mel(resolved, progress), progress=progress)[0]
        check_audible(wave, "or choose another seed.")
        peak = float(np.abs(wave).max())
        clip = Clip(wave * np.float32(min(1.0, _PEAK / max(peak, 1e-9))), player.spec.sample_rate)
        seconds = resolved.plays[0].seconds or clip.seconds
        return clip.fitted(round(seconds * clip.sample_rate))

    def provenance(self, settings: PlaySettings, resolved: ResolvedBlend) -> Provenance:
        """Describe how it is made, for a receipt; of one model alone, as that model does."""
        one = self.sounding[0].instrument.provenance(resolved.plays[0])
        if len(self.sounding) == 1:
            return one
        headers = [part.instrument.header for part in self.sounding]
        licences = [header.licence for header in headers]
        if any(licences):
            licences = [each.licence or f"not stated for {each.name}" for each in headers]
        models: list[Any] = [
            {
                "model": part.instrument.header.name,
                "model_sha256": part.instrument.sha256,
                "weight": round(part.weight, 6),
                "licence": part.instrument.header.licence,
                "learnt_from": part.instrument.learnt_from,
            }
            for part in self.parts
        ]
        details = {
            "what": self.how,
            "why": self.why,
            "models": models,
            "without": {name: list(lack) for name, lack in resolved.missing.items()},
        }
        name = " + ".join(f"{each['model']}:{100 * each['weight']:g}" for each in models)
        return one.model_copy(
            update={
                "model": name,
                "model_sha256": None,
                "licence": "; ".join(dict.fromkeys(text for text in licences if text)),
                "settings": {
                    **{key: one.settings[key] for key in one.settings if key != "learnt_from"},
                    "controls": dict(settings.controls),
                    "blend": details,
                },
            }
        )
