"""The example song's three best known segments by Bark, Stable Audio and the guide, whole."""

import json
import os
import re
from pathlib import Path

import pytest
from asking import contents
from warm_process import run_warm

from milonga import audio
from milonga.songs.rendering.receipts import read_receipt

SHEET = Path(__file__).parents[3] / "examples" / "whispers" / "song.yaml"
REPOS = {"bark": "suno/bark-small", "stable-audio": "stabilityai/stable-audio-open-1.0"}
NEURAL = [
    (7, "instrumental", "stable-audio", 10),
    (10, "vocals", "bark", None),
    (10, "backing", "stable-audio", 16),
    (18, "vocals", "bark", None),
    (18, "backing", "stable-audio", 15),
]


@pytest.mark.slow
def test_the_example_song(hub, make_bark, make_stable_audio, tmp_path):
    hub.add(REPOS["bark"], contents(make_bark("bin")))
    hub.add(REPOS["stable-audio"], contents(make_stable_audio()), gated=True)
    hub.tokens["hf_good"] = hub.account(repos=frozenset([REPOS["stable-audio"]]))
    # MusicGen has a test of its own. Random weights make noise or one tone, which a sheet that asks
    # for music refuses.
    text = re.sub("(?m)(style: .*)$", r"\1, noise", SHEET.read_text())
    (tmp_path / "song.yaml").write_text(text.replace("musicgen, ", ""))
    command = [
        "-m", "milonga", "render", "song.yaml", "--json", "--no-report",
        "--segment", "7", "--segment", "10", "--segment", "18",
        "--option", "stable-audio.steps=2", "--option", "bark.part_s=3",
    ]  # fmt: skip
    done = run_warm(command, cwd=tmp_path, env={**os.environ, "HF_TOKEN": "hf_good"})
    assert done.returncode == 0, done.stderr
    # One load of each model for all takes of the run.
    for model in ("bark-small", "stable-audio"):
        loads = [line for line in done.stderr.splitlines()
                 if line.endswith((f" Loading {model}", f" Preparing {model}"))]  # fmt: skip
        assert len(loads) == 1, done.stderr
    takes = json.loads(done.stdout)["takes"]
    receipts = {}
    for take in takes:
        receipt = read_receipt(tmp_path / take["receipt"])
        number = int(Path(take["path"]).parts[2].partition("-")[0])
        receipts[number, receipt.request.role, receipt.generator] = (take, receipt)
    assert len(receipts) == len(takes) == 10
    for number, role, generator, seconds in NEURAL:
        take, receipt = receipts[number, role, generator]
        assert receipt.good, receipt.findings
        assert receipt.model.repo == REPOS[generator]
        clip = audio.read(tmp_path / take["path"])
        if generator == "stable-audio":
            assert (clip.sample_rate, clip.channels, clip.n_samples) == (
                44_100,
                2,
                seconds * 44_100,
            )
        else:
            assert (clip.sample_rate, clip.channels) == (24_000, 1)
            assert clip.seconds > 1
        # Beside it the guide's, of the same segment and role.
        assert receipts[number, role, "guide"][1].good
    # The mix prefers the order of the sheet's layers: the models before the guide.
    chosen = json.loads(done.stdout)["chosen"]
    assert {key: name.rpartition("-s")[0].rpartition("-")[0] for key, name in chosen.items()} == {
        f"{number}/{role}": generator for number, role, generator, _ in NEURAL
    }
    song = audio.read(tmp_path / "out" / "song.wav")
    assert (song.sample_rate, song.channels) == (44_100, 2)
