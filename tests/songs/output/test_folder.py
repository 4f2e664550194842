import json

import numpy as np
import pytest

from milonga import audio
from milonga.errors import MilongaError, PlanError
from milonga.generators.base import Licence
from milonga.runtime.progress import Progress
from milonga.songs.output.folder import OutputFolder
from milonga.songs.output.report import licences, write_song_report
from milonga.songs.rendering.plan import Selection, make_plan
from milonga.songs.rendering.receipts import read_receipt, write_receipt
from milonga.songs.rendering.render import render

LAYERS = {
    "seconds": 2.0,
    "lyrics": "la la",
    "layers": [
        {"role": "vocals", "generators": ["natural", "tone"]},
        {"role": "backing", "generators": ["tone"], "gain_db": -6},
    ],
}


@pytest.fixture
def rendered(sheet, make_generator, tmp_path):
    def build(*segments, takes=1, **fields):
        song, out = sheet(*segments, **fields), tmp_path / "out"
        folder = OutputFolder.begin(out, song)
        plan = make_plan(song, out, Selection(takes=takes), make_generator, need_baselines=False)
        outcomes = render(plan, Progress())
        return folder, outcomes

    return build


def test_the_first_generator_of_the_layer_is_mixed(rendered):
    folder, _ = rendered({}, LAYERS)
    mixed = folder.mix(Progress())
    assert mixed.chosen == {
        "1/instrumental": "tone-s0",
        "2/vocals": "natural-s0",
        "2/backing": "tone-s0",
    }
    assert mixed.seconds == pytest.approx(1.0 + 2.5 - 0.03, abs=0.001)
    assert mixed.loudness_lufs == pytest.approx(-14.0, abs=0.2)
    assert mixed.notes == ()


def test_a_folder_is_enough(rendered):
    folder, _ = rendered({}, LAYERS, takes=2)
    loaded = OutputFolder.load(folder.out)
    assert loaded.sheet == folder.sheet
    assert loaded.mix(Progress()) == folder.mix(Progress())


def test_choices_last_until_chosen_anew(rendered, sheet):
    folder, _ = rendered({}, LAYERS, takes=2)
    folder.choose({"1": "tone-s1", "2/vocals": "tone-s0"})
    folder.save()
    assert OutputFolder.load(folder.out).mix(Progress()).chosen["2/vocals"] == "tone-s0"
    # The sheet lost a segment: its choice goes, the other stays.
    again = OutputFolder.begin(folder.out, sheet({}))
    assert again.choices == {"1/instrumental": "tone-s1"}


def test_every_wrong_choice_is_named(rendered):
    folder, _ = rendered({}, LAYERS)
    with pytest.raises(PlanError) as caught:
        folder.choose({"1": "tone-s7", "2": "tone-s0", "2/texture": "x", "9": "x"})
    text = str(caught.value)
    assert "choice 1: There is no take 'tone-s7'. Takes: tone-s0." in text
    assert "Which layer? Use one of: 2/vocals, 2/backing." in text
    assert "no layer 'texture'" in text
    assert "no segment 9" in text
    assert folder.choices == {}


def test_bad_missing_and_damaged_takes_are_left_out_and_noted(rendered):
    folder, outcomes = rendered(
        {"style": "silent"}, {"style": "explode"}, {}, {"style": "silent", "number": 4}, {}
    )
    outcomes[2].planned.sound_path.write_bytes(b"gone")
    folder.choose({"4": "tone-s0"})
    mixed = folder.mix(Progress())
    assert set(mixed.chosen) == {"4/instrumental", "5/instrumental"}
    notes = "\n".join(mixed.notes)
    assert "segment 1: left out of the mix, no take without findings" in notes
    assert "segment 2: left out of the mix, no take yet" in notes
    assert "segment 3: left out of the mix" in notes
    assert "is not what its receipt says" in notes
    assert "segment 4: the chosen take has findings" in notes


def test_nothing_good_leaves_no_song(rendered):
    folder, _ = rendered({})
    song = folder.mix(Progress()).path
    assert song.exists()
    for receipt in folder.out.rglob("tone-*.json"):
        receipt.unlink()
    mixed = folder.mix(Progress())
    assert mixed.path is None
    assert not song.exists()


def test_a_folder_of_version_0_1_is_read_and_written_anew(rendered):
    folder, _ = rendered({}, takes=2)
    record = json.loads((folder.out / "song.json").read_text())
    assert record["format_version"] == 2
    (folder.out / "song.json").unlink()
    old = record | {"format_version": 1, "choices": {"1/instrumental": "tone-s1"}}
    (folder.out / "session.json").write_text(json.dumps(old))
    loaded = OutputFolder.load(folder.out)
    assert loaded.sheet == folder.sheet
    assert loaded.mix().chosen == {"1/instrumental": "tone-s1"}
    again = OutputFolder.begin(folder.out, folder.sheet)
    assert again.choices == {"1/instrumental": "tone-s1"}
    assert not (folder.out / "session.json").exists()
    assert OutputFolder.load(folder.out).choices == again.choices


def test_a_choice_that_is_no_segment(rendered):
    folder, _ = rendered({})
    with pytest.raises(PlanError, match="no segment chorus"):
        folder.choose({"chorus": "tone-s0"})


@pytest.mark.parametrize("content", ["", "{}", "[1]", '{"sheet": {}, "source": "x"}', "\x00"])
def test_a_damaged_record_is_explained(tmp_path, content):
    (tmp_path / "song.json").write_text(content)
    with pytest.raises(MilongaError, match="damaged") as caught:
        OutputFolder.load(tmp_path)
    assert "finished takes are kept" in str(caught.value)


def test_comparison_and_page(rendered, tmp_path):
    rng = np.random.default_rng(0)
    audio.write(tmp_path / "base.wav", audio.Clip(0.1 * rng.standard_normal(48000), 24000))
    folder, outcomes = rendered(
        {"baseline": "base.wav"},
        LAYERS | {"baseline": "base.wav"},
        {"style": "explode"},
        takes=2,
        title="<script>alert(1)</script>",
    )
    folder.mix(Progress())
    page = write_song_report(folder, Progress(), outcomes)
    assert page == folder.out / "report" / "index.html"
    document = json.loads((folder.out / "comparison.json").read_text())
    assert document["format_version"] == 2
    first, second, third = document["segments"]
    assert first["baseline"]["path"] == str(tmp_path / "base.wav")
    assert [c["path"] for c in first["candidates"]] == [
        "takes/01-part-1/tone-s0.wav",
        "takes/01-part-1/tone-s1.wav",
    ]
    assert set(first["yardsticks"]) == {"self", "silence", "noise", "shuffled"}
    assert first["candidates"][0]["differences"]["duration_diff_s"] == pytest.approx(-1.0)
    # The layers together come first: that is what the baseline is.
    assert second["labels"][0] == "all layers"
    assert len(second["candidates"]) == 1 + 4 + 2
    assert third["candidates"] == []
    html = page.read_text()
    assert "<script>alert(1)" not in html
    assert "the model fell over" in html
    # A second report finds everything where it was.
    assert write_song_report(folder, Progress()) == page


def test_a_baseline_that_vanished_is_a_warning(rendered, tmp_path):
    folder, _ = rendered({"baseline": "gone.wav"})
    page = write_song_report(folder, Progress())
    assert "no comparison" in page.read_text()
    document = json.loads((folder.out / "comparison.json").read_text())
    assert document["segments"][0]["baseline"] is None


def test_licences_of_the_chosen_takes_strictest_first(rendered):
    folder, outcomes = rendered({}, {})
    strict = Licence(what="model", name="CC-BY-NC-4.0", commercial_use="no")
    receipt = read_receipt(outcomes[1].planned.receipt_path)
    model = receipt.model.model_copy(update={"licences": (*receipt.model.licences, strict)})
    write_receipt(receipt.model_copy(update={"model": model}), outcomes[1].planned.receipt_path)
    assert [licence.name for licence in licences(folder.layers())] == ["CC-BY-NC-4.0", "CC0-1.0"]
