"""LoRA: a small file that changes the transformer's weights towards a style or a voice.

The change of a weight is the product of two narrow matrices, and is added once, while the weight is
loaded: nothing is slower afterwards, and no other library is needed.

Source: LoRA (arXiv:2106.09685); the files of PEFT, diffusers and ACE-Step's own trainer.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from milonga import weights
from milonga.errors import GeneratorError, MilongaError
from milonga.generators.base import Licence
from milonga.runtime.progress import Progress
from milonga.weights.cache.hashing import hash_file

if TYPE_CHECKING:
    import torch

_LAYER = re.compile(r"(.+)\.lora_(A|B|down|up)(?:\.default)?\.weight")
_BEFORE = re.compile(r"^(?:base_model\.model\.|transformer\.|diffusion_model\.|decoder\.)+")
_NAMES = (
    (".q_proj", ".to_q"), (".k_proj", ".to_k"), (".v_proj", ".to_v"), (".o_proj", ".to_out.0"),
    ("proj_in.1", "proj_in_conv"), ("proj_out.1", "proj_out_conv"),
)  # fmt: skip
"""Names of ACE-Step's own trainer, and diffusers'."""


@dataclass(frozen=True, slots=True)
class Lora:
    """A LoRA that is on this machine.

    Attributes:
        name: as the user calls it.
        path: its safetensors file.
        scale: how much of it is added.
        hashes: SHA-256 by file name, for the receipt.
    """

    name: str
    path: Path
    scale: float
    hashes: dict[str, str] = field(default_factory=dict)

    @property
    def licence(self) -> Licence:
        """Its terms, which no file of it tells."""
        return Licence(
            what=f"LoRA {self.name}",
            name="unknown",
            commercial_use="conditional",
            note="Look where it came from.",
        )

    def added_to(
        self, tensors: Mapping[str, torch.Tensor], folder: Path
    ) -> dict[str, torch.Tensor]:
        """Add it to the transformer's weights.

        Args:
            tensors: by diffusers' names.
            folder: of the model, for errors.

        Raises:
            GeneratorError: it was made for another model, or is of a kind that isn't known here.
        """
        layers, alphas = _layers(weights.load_checkpoint(self.path), self)
        told = _config(self.path)
        found = dict(tensors)
        for name, pair in layers.items():
            target = f"{name}.weight"
            if target not in tensors or pair.keys() != {"A", "B"}:
                raise self._refused(f"the model has no layer {name}", folder)
            down, up = pair["A"].flatten(1).float(), pair["B"].flatten(1).float()
            weight = tensors[target]
            if up.shape[1] != down.shape[0] or len(up) * down.shape[1] != weight.numel():
                raise self._refused(f"its {name} has another size than the model's", folder)
            rank = len(down)
            alpha = alphas.get(name, told.get("lora_alpha", rank))
            share = alpha / (math.sqrt(rank) if told.get("use_rslora") else rank)
            change = (up @ down).view(weight.shape) * (self.scale * share)
            found[target] = (weight.float() + change).to(weight.dtype)
        if not layers:
            raise self._refused("it holds no layers of a LoRA", folder)
        return found

    def _refused(self, reason: str, folder: Path) -> GeneratorError:
        return GeneratorError(
            f"The LoRA {self.name} doesn't fit: {reason}.",
            where=self.path,
            step=f"Use one that was made for the checkpoint in {folder.parent.name}, or another "
            "checkpoint.",
        )


def find_lora(name: str, scale: float, progress: Progress | None = None) -> Lora | None:
    """Find a LoRA on this machine; with a progress, download it where it isn't here.

    Args:
        name: a safetensors file, a folder with one, or a repository.
        scale: how much of it is added.
        progress: shows the download and the hashing; None to look only.

    Raises:
        MilongaError: there is none of that name, or it can't be read or fetched.
    """
    path, hashes = Path(name).expanduser(), {}
    if path.suffix == ".safetensors" and path.is_file():
        folder, names = path.parent, [path.name]
    elif name.endswith((".bin", ".pt", ".pth", ".ckpt")):
        raise GeneratorError(
            f"{name} may hold code, so it isn't read.",
            where="lora",
            step="Use a LoRA as .safetensors.",
        )
    elif path.suffix == ".safetensors":
        raise GeneratorError(f"There is no file {name}.", where="lora")
    else:
        local = weights.locate(name)
        if local is None and progress is not None:
            local = weights.ensure(name, progress=progress)
        if local is None:
            return None
        folder, hashes = local.folder, dict(local.hashes)
        names = sorted(one.name for one in folder.glob("*.safetensors"))
        if len(names) != 1:
            count = "no" if not names else "more than one"
            raise GeneratorError(
                f"{name} holds {count} safetensors file at its top.",
                where=folder,
                step="Name the file itself." if names else "Use a LoRA as .safetensors.",
            )
    if progress is not None and names[0] not in hashes:
        hashes = {names[0]: hash_file(folder / names[0]).sha256}
    return Lora(name, folder / names[0], scale, hashes)


def _layers(
    tensors: Mapping[str, torch.Tensor], lora: Lora
) -> tuple[dict[str, dict[str, torch.Tensor]], dict[str, float]]:
    """The two matrices of each layer by diffusers' name, and the alphas that the file tells."""
    layers: dict[str, dict[str, torch.Tensor]] = {}
    alphas: dict[str, float] = {}
    for key, value in tensors.items():
        if key.endswith(".alpha"):
            alphas[_named(key.removesuffix(".alpha"))] = float(value)
            continue
        found = _LAYER.fullmatch(key)
        if found is None:
            raise GeneratorError(
                f"The LoRA {lora.name} holds {key}, which milonga can't add.",
                where=lora.path,
                step="Use a plain LoRA, no DoRA and no LoKr.",
            )
        side = {"down": "A", "up": "B"}.get(found[2], found[2])
        layers.setdefault(_named(found[1]), {})[side] = value
    return layers, alphas


def _named(layer: str) -> str:
    name = _BEFORE.sub("", layer)
    for theirs, ours in _NAMES:
        name = name.replace(theirs, ours)
    return name


def _config(path: Path) -> dict[str, float]:
    """What PEFT wrote beside the file."""
    beside = path.parent / "adapter_config.json"
    try:
        found = weights.load_json(beside) if beside.is_file() else {}
        alpha = {"lora_alpha": float(found["lora_alpha"])} if "lora_alpha" in found else {}
        return {**alpha, "use_rslora": bool(found.get("use_rslora"))}
    except (TypeError, ValueError, MilongaError) as error:
        raise GeneratorError(
            f"Its adapter_config.json can't be read: {error}.", where=path
        ) from error
