"""A trained vocoder's file: a tensor file of its generator and a header.

A file may come from a stranger: nothing of it runs, and whatever this module would not have written
is refused.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final, Literal

from pydantic import Field, ValidationError

from milonga.audio.mel.spec import MelSpec
from milonga.errors import AudioError, VocoderError, needs_extra
from milonga.runtime.record import Record, first_error
from milonga.runtime.tensor_file import TensorFormat
from milonga.vocoders.bigvgan.config import BigVGANConfig
from milonga.vocoders.training.distances import Distances, Number

if TYPE_CHECKING:
    from torch import Tensor

    from milonga.vocoders.bigvgan.generator import BigVGANGenerator
    from milonga.vocoders.bigvgan.vocoder import BigVGAN, EngineName

FORMAT: Final = "milonga-vocoder"
VERSION: Final = 1
_FILE = TensorFormat(
    FORMAT,
    "trained vocoder",
    VocoderError,
    version=VERSION,
    repair="Copy it again, or train it anew: milonga sound fine-tune-vocoder.",
    origin="Such vocoders are made by milonga sound fine-tune-vocoder.",
)

Text = Annotated[str, Field(max_length=1_000)]


class Duel(Record):
    """This vocoder and the default one on the same mels."""

    own: Distances
    default: Distances

    @property
    def won(self) -> bool:
        """True where both distances of this vocoder are smaller."""
        return self.own.better_than(self.default)


class Evaluation(Record):
    """Distances on recordings that weren't trained on.

    Attributes:
        against: the vocoder that would be taken otherwise.
        seconds: of sound.
        clean: from mels of the recordings.
        model: from mels as the sound model makes them; None without a model.
    """

    against: Text
    seconds: Number
    clean: Duel
    model: Duel | None = None


class VocoderHeader(Record):
    """The header of a vocoder's file.

    Attributes:
        created: date and time, ISO 8601, UTC.
        config: of the generator, as a published ``config.json`` has it.
        mel_spec: fields of the ``MelSpec`` it takes.
        start: what the training began with.
        training: record of it; ``steps`` at least.
        model: hash of the sound model that it was trained for.
        corpus: what it learnt from: names and hashes, and what was missing.
        evaluation: None until it was compared with the default vocoder.
    """

    format: Literal["milonga-vocoder"] = FORMAT
    version: Literal[1] = VERSION
    created: Text
    config: dict[str, Any]
    mel_spec: dict[str, Any]
    start: dict[str, Any] = Field(default_factory=dict)
    training: dict[str, Any] = Field(default_factory=dict)
    model: Text = ""
    corpus: dict[str, Any] = Field(default_factory=dict)
    evaluation: Evaluation | None = None

    @property
    def generator_config(self) -> BigVGANConfig:
        """The generator to build.

        Raises:
            VocoderError: no generator can be built from it, or one beyond reason.
        """
        config = BigVGANConfig.from_dict(self.config)
        if MelSpec.from_dict(self.mel_spec).differences(config.mel_spec):
            raise VocoderError("Its config and its mel spec contradict each other.")
        return config

    @property
    def steps(self) -> int:
        """Steps that it was trained; 0 where the record doesn't say."""
        steps = self.training.get("steps", 0)
        return steps if isinstance(steps, int) else 0


def save(path: Path, header: VocoderHeader, tensors: Mapping[str, Tensor]) -> None:
    """Write a vocoder, whole or not at all.

    Raises:
        VocoderError: the tensors aren't those of its config.
        OutputError: it can't be written.
    """
    _fitting(path, header, tensors)
    _FILE.save(path, header.model_dump(mode="json"), tensors)


def read_header(path: Path) -> VocoderHeader:
    """Read the header alone.

    Raises:
        VocoderError: it isn't there, is damaged, no vocoder of milonga, or of another version.
    """
    return _header(path, _FILE.read_head(path).header)


def load_trained(
    path: Path, name: str, *, device: str = "auto", engine: EngineName = "auto"
) -> BigVGAN:
    """A trained vocoder, ready to be used.

    Args:
        path: its file.
        name: what it is called from now on.
        device: "auto", "cpu", "cuda", "mps".
        engine: as ``BigVGAN`` has it.

    Raises:
        VocoderError: the file is damaged, hostile, no vocoder, or of another version.
        DeviceError: the device isn't there.
        MissingExtraError: torch or safetensors isn't installed.
    """
    with needs_extra("A trained vocoder", "sounds"):
        from milonga.vocoders.bigvgan.vocoder import BigVGAN
    vocoder = BigVGAN(load_generator(path)[1], device, engine=engine, give_up=True)
    vocoder.name = name
    return vocoder


def load_generator(path: Path) -> tuple[VocoderHeader, BigVGANGenerator]:
    """The header, and the generator on the CPU, ready to run.

    Raises:
        VocoderError: as ``load_trained``.
    """
    values, tensors = _FILE.load(path, mapped=True)
    header = _header(path, values)
    return header, _fitting(path, header, tensors).holding(tensors)


def _header(path: Path, values: dict[str, Any]) -> VocoderHeader:
    try:
        header = VocoderHeader.model_validate(values)
        header.generator_config  # noqa: B018
    except ValidationError as error:
        field, message = first_error(error)
        raise _FILE.damaged(path, f"{field} in its header: {message}") from error
    except (AudioError, VocoderError) as error:
        raise _FILE.damaged(path, error.message) from error
    return header


def _fitting(path: Path, header: VocoderHeader, tensors: Mapping[str, Tensor]) -> BigVGANGenerator:
    """The empty generator of a header, to which these tensors must fit."""
    import torch

    from milonga.vocoders.bigvgan.generator import BigVGANGenerator

    generator = BigVGANGenerator.empty(header.generator_config)
    expected = generator.state_dict()
    if expected.keys() != tensors.keys():
        odd = sorted(expected.keys() ^ tensors.keys())
        raise _FILE.damaged(path, f"tensors are missing or unknown, for example {odd[0]!r:.60}")
    for name, value in tensors.items():
        if value.shape != expected[name].shape or value.dtype != torch.float32:
            raise _FILE.damaged(
                path, f"tensor {name!r} has another type or shape than its config says"
            )
        if not bool(torch.isfinite(value).all()):
            raise _FILE.damaged(path, f"tensor {name!r} holds NaN or infinite values")
    return generator
