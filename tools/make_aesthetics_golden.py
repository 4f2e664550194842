"""Write what the authors' program says of a tiny audiobox-aesthetics, for the tests.

    pip download audiobox_aesthetics==0.0.4 --no-deps
    unzip audiobox_aesthetics-0.0.4-py3-none-any.whl -d build/aesthetics
    PYTHONPATH=build/aesthetics:tests/support python tools/make_aesthetics_golden.py

Its network needs torch and huggingface_hub alone; it is neither installed nor imported by milonga.
"""

from __future__ import annotations

import json
import tempfile
from pathlib import Path

import audiobox_aesthetics.model.aes as theirs
import torch
from tiny_aesthetics import GOLDEN, numbers, windows

LENGTHS = (160_000, 159_000, 47_321)
SMALL = {
    "encoder_layers": 2, "encoder_embed_dim": 16, "encoder_ffn_embed_dim": 24,
    "encoder_attention_heads": 2, "num_buckets": 16,
    "conv_feature_layers": "[(8,10,5)] + [(8,3,2)] * 4 + [(8,2,2)] * 2",
}  # fmt: skip


def main() -> None:
    """Write the file."""
    usual = dict(vars(theirs.DEFAULT_AUDIO_CFG))
    theirs.DEFAULT_AUDIO_CFG = theirs.WavLMConfig(usual | SMALL)
    scale = {
        axis: {"mean": 5.0 + number, "std": 1.0 + number / 3}
        for number, axis in enumerate(theirs.AXES_NAME)
    }
    model = theirs.AesMultiOutput(
        proj_num_layer=3, proj_ln=True, nth_layer=3, target_transform=scale
    ).eval()
    shapes = {name: list(tensor.shape) for name, tensor in model.state_dict().items()}
    drawn = {name: torch.from_numpy(array) for name, array in numbers(shapes).items()}
    model.load_state_dict(drawn)
    with tempfile.TemporaryDirectory() as folder:
        model.save_pretrained(folder)
        config = json.loads((Path(folder) / "config.json").read_text())
    waves = torch.from_numpy(windows(LENGTHS))
    there = torch.arange(waves.shape[1])[None] < torch.tensor(LENGTHS)[:, None]
    with torch.no_grad():
        found = model({"wav": waves[:, None], "mask": there[:, None]})
    scores = {
        axis: (found[axis] * scale[axis]["std"] + scale[axis]["mean"]).tolist() for axis in scale
    }
    document = {"config": config, "shapes": shapes, "lengths": LENGTHS, "scores": scores}
    GOLDEN.write_text(json.dumps(document, separators=(",", ":")) + "\n")


if __name__ == "__main__":
    main()
