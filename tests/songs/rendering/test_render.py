import json
import os
import signal
import subprocess
import sys
import textwrap
import time
from pathlib import Path

import numpy as np
import pytest
from warm_process import WarmProcess

from milonga import audio
from milonga.audio.digest import samples_sha256
from milonga.errors import Cancelled, ReceiptError
from milonga.runtime.files import atomic_path
from milonga.runtime.logs import details_hint
from milonga.runtime.progress import Progress
from milonga.songs.rendering.plan import make_plan
from milonga.songs.rendering.planned import Selection
from milonga.songs.rendering.receipts import attempt_seed, intact_clip, read_receipt
from milonga.songs.rendering.render import render
from milonga.songs.rendering.replay import replay_take

HERE = Path(__file__).parent


@pytest.fixture
def run(make_generator, tmp_path):
    def run(song, progress=None, attempts=3, **selection):
        plan = make_plan(song, tmp_path / "out", Selection(**selection), make_generator)
        return render(plan, progress or Progress(), attempts=attempts)

    return run


def test_a_take_and_its_receipt(sheet, run):
    song = sheet({"name": "Uno", "seconds": 1.5, "key": "A minor", "style": "tango"}, tempo=97)
    (outcome,) = run(song, seed=4)
    assert outcome.status == "rendered"
    assert outcome.good
    receipt = read_receipt(outcome.planned.receipt_path)
    assert receipt == outcome.receipt
    assert (receipt.generator, receipt.seed, receipt.attempt, receipt.seed_used) == (
        "tone",
        4,
        1,
        4,
    )
    assert receipt.request.style == "tango"
    assert (receipt.request.tempo, receipt.request.key) == (97, "A minor")
    assert receipt.model.libraries == {"numpy": np.__version__}
    assert receipt.model.licences[0].name == "CC0-1.0"
    assert receipt.duration_s >= 0
    clip = audio.read(outcome.planned.sound_path)
    assert (clip.sample_rate, clip.channels) == (receipt.sound.sample_rate, receipt.sound.channels)
    assert receipt.sound.seconds == clip.seconds == 1.5
    assert receipt.sound.sha256 == samples_sha256(clip)
    assert audio.probe(outcome.planned.sound_path).tags.title == "Test: Uno (instrumental)"
    # What a user sees is plain JSON with the fields that DESIGN names.
    document = json.loads(outcome.planned.receipt_path.read_text())
    assert set(document) == {
        "format_version", "milonga_version", "title", "segment", "name", "generator", "request",
        "model", "seed", "attempt", "seed_used", "length", "python", "system", "started",
        "duration_s", "sound", "findings", "remarks", "notes", "edited", "threads", "node",
    }  # fmt: skip


def test_finished_takes_are_kept(sheet, run, tone_class):
    run(sheet({}, {}))
    assert tone_class.rendered == 2
    assert [o.status for o in run(sheet({}, {}))] == ["kept", "kept"]
    assert tone_class.rendered == 2, "nothing was rendered again"


@pytest.mark.parametrize(
    "change",
    [
        {"seconds": 2.0},
        {"style": "other"},
        {"lyrics": "la la"},
        {"tempo": 90.0},
        {"key": "D minor"},
    ],
)
def test_another_request_is_rendered_again(sheet, run, change):
    run(sheet({"section": "chorus"}))
    (outcome,) = run(sheet({"section": "chorus"} | change))
    assert outcome.status == "rendered"


@pytest.mark.parametrize("damage", ["audio", "receipt", "no receipt", "version", "samples"])
def test_a_damaged_take_is_rendered_again(sheet, run, damage):
    (outcome,) = run(sheet())
    sound, receipt = outcome.planned.sound_path, outcome.planned.receipt_path
    if damage == "audio":
        sound.write_bytes(sound.read_bytes()[:1000])
    elif damage == "receipt":
        receipt.write_text(receipt.read_text()[:100])
    elif damage == "no receipt":
        receipt.unlink()
    elif damage == "version":
        receipt.write_text(
            receipt.read_text().replace('"format_version": 2', '"format_version": 9')
        )
    else:
        audio.write(sound, audio.read(sound).scaled(0.5))
    (again,) = run(sheet())
    assert again.status == "rendered"
    assert intact_clip(read_receipt(receipt), receipt.parent) is not None


def test_no_take_is_overwritten(sheet, run, tone_class):
    """Each state of the sheet gets a name of its own, and is found again under it."""
    states = [sheet({"tempo": tempo}) for tempo in (120.0, 122.0, 124.0)]
    outcomes = [run(song, takes=2)[0] for song in states]
    assert [o.planned.name for o in outcomes] == ["tone-s0", "tone-s0.2", "tone-s0.3"]
    contents = [o.planned.sound_path.read_bytes() for o in outcomes]
    for outcome, content in zip(outcomes, contents, strict=True):
        receipt = read_receipt(outcome.planned.receipt_path)
        assert receipt == outcome.receipt
        assert outcome.planned.sound_path.read_bytes() == content
    assert tone_class.rendered == 6
    for song, name in zip(states, ("tone-s0", "tone-s0.2", "tone-s0.3"), strict=True):
        again, _ = run(song, takes=2)
        assert (again.planned.name, again.status) == (name, "kept")


def test_a_name_is_not_given_anew_while_later_ones_are_there(sheet, run):
    (first,), (second,) = run(sheet()), run(sheet({"tempo": 90.0}))
    for path in (first.planned.sound_path, first.planned.receipt_path):
        path.unlink()
    (third,) = run(sheet({"tempo": 91.0}))
    assert [second.planned.name, third.planned.name] == ["tone-s0.2", "tone-s0.3"]


def test_a_damaged_take_is_set_aside_and_not_lost(sheet, run):
    for number, mark in enumerate(("", ".2"), 1):
        (outcome,) = run(sheet())
        sound = outcome.planned.sound_path
        edited = audio.read(sound).scaled(0.5 / number)
        audio.write(sound, edited)
        (again,) = run(sheet())
        assert (again.status, again.planned.name) == ("rendered", "tone-s0")
        aside = outcome.planned.folder / "damaged" / f"tone-s0{mark}.wav"
        assert audio.read(aside).peak == pytest.approx(edited.peak, rel=1e-3)
        assert aside.with_suffix(".json").exists()


def test_a_failed_take_is_reported_and_the_others_go_on(sheet, run):
    song = sheet({"style": "explode"}, {"style": "refuse"}, {"style": "nan"}, {})
    first, second, third, fourth = run(song)
    assert (first.status, first.error) == ("failed", "ZeroDivisionError: the model fell over")
    assert "Nothing comes of this prompt" in second.error
    assert third.status == "failed"
    assert "NaN" in third.error
    assert fourth.status == "rendered"
    for outcome in (first, second, third):
        assert not outcome.planned.sound_path.exists()
        assert not outcome.planned.receipt_path.exists()


def test_a_bad_take_is_tried_again_with_another_seed(sheet, run):
    (outcome,) = run(sheet({"style": "first-bad"}))
    receipt = outcome.receipt
    assert outcome.good
    assert (receipt.seed, receipt.attempt) == (0, 2)
    assert receipt.seed_used == attempt_seed(0, 2) != 0


@pytest.mark.parametrize("best", [1, 2])
def test_the_attempt_with_fewest_findings_is_kept(sheet, run, tone_class, best):
    (outcome,) = run(sheet({"style": f"best-{best}"}), attempts=3)
    assert tone_class.rendered == 3
    assert [finding.code for finding in outcome.receipt.findings] == ["wrong_length"]
    assert outcome.receipt.attempt == best
    assert outcome.receipt.seed_used == attempt_seed(0, best)
    assert audio.read(outcome.planned.sound_path).peak > 0.1


@pytest.mark.parametrize(
    ("style", "renderings"), [("explode", 1), ("refuse", 1), ("no luck", 3), ("nan", 3)]
)
def test_only_what_a_seed_can_change_is_tried_again(sheet, run, tone_class, style, renderings):
    (outcome,) = run(sheet({"style": style}), attempts=3)
    assert (outcome.status, tone_class.rendered) == ("failed", renderings)


def test_an_unexpected_failure_is_logged_and_says_where(sheet, run, caplog):
    messages = []
    progress = Progress()
    progress.message = messages.append
    with caplog.at_level("ERROR", logger="milonga"):
        first, second = run(sheet({"style": "explode"}, {}), progress)
    assert second.good, "the others go on"
    (record,) = caplog.records
    assert "Part 1" in record.getMessage()
    assert record.exc_info[0] is ZeroDivisionError
    assert details_hint() == first.details
    assert details_hint() in messages[0]
    assert first.to_dict()["error"] == "ZeroDivisionError: the model fell over"


def test_what_stays_bad_is_marked_and_bounded(sheet, run, tone_class):
    (outcome,) = run(sheet({"style": "silent"}), attempts=3)
    assert tone_class.rendered == 3
    assert outcome.status == "rendered"
    assert not outcome.good
    assert "silen" in " ".join(f.code + f.message for f in outcome.receipt.findings).lower()
    assert read_receipt(outcome.planned.receipt_path).findings == outcome.receipt.findings


@pytest.mark.parametrize(
    ("style", "role", "any_sound", "refused"),
    [
        ("rubbish", "instrumental", False, True),
        ("", "vocals", False, True),
        ("rubbish, wind over the pampa", "instrumental", False, False),
        ("rubbish", "instrumental", True, False),
    ],
)
def test_noise_or_a_tone_is_no_music_unless_it_was_asked_for(
    sheet, run, tone_class, monkeypatch, style, role, any_sound, refused
):
    monkeypatch.setattr(tone_class, "any_sound", any_sound)
    messages = []
    progress = Progress()
    progress.message = messages.append
    layers = [{"role": role, "generators": ["tone"]}]
    (outcome,) = run(sheet({"style": style, "seconds": 3.5, "layers": layers}), progress)
    assert tone_class.rendered == (3 if refused else 1)
    assert outcome.good is not refused
    code = "noise" if style else "steady_tone"
    found, noted = ({one.code for one in kind} for kind in _checked(outcome))
    assert code in (found if refused else noted)
    assert code not in (noted if refused else found)
    assert outcome.findings or f"may be meant: {outcome.receipt.doubts[0].message}" in messages[0]


def _checked(outcome):
    return outcome.receipt.findings, outcome.receipt.remarks


def test_a_wrong_length_is_found_where_length_is_exact(sheet, run):
    (outcome,) = run(sheet({"style": "short"}))
    assert "length" in " ".join(f.code + f.message for f in outcome.receipt.findings).lower()
    (natural,) = run(sheet({"generators": ["natural"], "seconds": 2.0}))
    assert natural.good
    assert natural.receipt.sound.seconds == 2.5


def test_a_level_beyond_full_scale_is_lowered_and_said(sheet, run):
    (outcome,) = run(sheet(), options={"tone": {"level": 3.0}})
    # The tone peaks at 3.0, its noise adds at most 0.1 (five standard deviations).
    assert -20 * np.log10(3.1 / 0.999) < outcome.receipt.sound.level_db < -20 * np.log10(3.0)
    assert audio.read(outcome.planned.sound_path).peak <= 1.0


def test_cancelling_keeps_what_is_finished(sheet, run, tone_class):
    class Stops(Progress):
        def check(self):
            if tone_class.rendered == 2:
                self.cancel()
            super().check()

    # Longer than a test may take: it isn't waited for.
    song = sheet({}, {"options": {"tone": {"delay_s": 3600.0}}}, {})
    with pytest.raises(Cancelled):
        run(song, Stops())
    assert tone_class.rendered == 2
    outcomes = run(sheet({}, {}, {}))
    assert [o.status for o in outcomes] == ["kept", "rendered", "rendered"]


KILLED = """
import sys
from pathlib import Path
from conftest import make
from milonga.runtime.files import atomic_path
from milonga.runtime.logs import details_hint
from milonga.runtime.progress import Progress
from milonga.songs.sheet.model import Sheet
from milonga.songs.rendering.plan import make_plan
from milonga.songs.rendering.planned import Selection
from milonga.songs.rendering.render import iter_render

segments = [{{"number": n, "name": f"Part {{n}}", "section": "verse", "seconds": 20.0,
             "generators": ["tone"]}} for n in range(1, 7)]
song = Sheet.model_validate({{"title": "Test", "segments": segments}})
song = song.with_source(Path("song.yaml"))
plan = make_plan(song, Path({out!r}), Selection(), make)
for outcome in iter_render(plan, Progress()):
    print(outcome.status, flush=True)
"""


@pytest.mark.parametrize(
    "after", [0.01, *(pytest.param(after, marks=pytest.mark.slow) for after in (0.0, 0.05, 0.1))]
)
def test_kill_9_at_any_moment_loses_at_most_the_take_in_work(tmp_path, after):
    out = tmp_path / "out"
    command = [sys.executable, "-c", textwrap.dedent(KILLED.format(out=str(out)))]
    paths = [str(HERE.parent), *filter(None, [os.environ.get("PYTHONPATH")])]
    env = {**os.environ, "PYTHONPATH": os.pathsep.join(paths)}
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=env) as process:
        for _ in range(2):
            assert process.stdout.readline() == "rendered\n"
        time.sleep(after)
        process.send_signal(signal.SIGKILL)
        more = process.stdout.read().split()
    finished = 2 + len(more)
    again = subprocess.run(command, capture_output=True, text=True, env=env, check=True)
    statuses = again.stdout.split()
    assert len(statuses) == 6
    assert statuses[:finished] == ["kept"] * finished
    assert statuses.count("kept") - finished in (0, 1)
    assert not list(out.rglob(".part-*"))
    for receipt in out.rglob("*.json"):
        assert intact_clip(read_receipt(receipt), receipt.parent) is not None


def test_two_renders_into_one_folder_lose_nothing(tmp_path):
    code = f"import sys\nsys.path.insert(0, {str(HERE.parent)!r})\n"
    code += textwrap.dedent(KILLED.format(out=str(tmp_path / "out")))
    with WarmProcess(["-c", code]) as one, WarmProcess(["-c", code]) as other:
        statuses = [process.communicate()[0].split() for process in (one, other)]
    assert [len(each) for each in statuses] == [6, 6]
    assert {status for each in statuses for status in each} <= {"rendered", "kept"}
    receipts = list((tmp_path / "out").rglob("*.json"))
    assert len(receipts) == 6, "none was moved away as damaged"
    for receipt in receipts:
        assert intact_clip(read_receipt(receipt), receipt.parent) is not None


@pytest.mark.parametrize("tempo", [97, 120])
def test_a_take_that_another_render_made_meanwhile_stays(
    sheet, run, tone_class, monkeypatch, tempo
):
    """The other one is for the same sheet, or for another state of it."""
    theirs, really = [], tone_class.render

    def meanwhile(generator, request, progress):
        if not theirs:
            theirs.append(None)
            theirs[:] = run(sheet(tempo=tempo))
        return really(generator, request, progress)

    monkeypatch.setattr(tone_class, "render", meanwhile)
    (outcome,) = run(sheet(tempo=97))
    assert read_receipt(theirs[0].planned.receipt_path) == theirs[0].receipt
    name = theirs[0].planned.name
    same = tempo == 97
    assert (outcome.status, outcome.planned.name) == (
        ("kept", name) if same else ("rendered", f"{name}.2")
    )
    assert not (outcome.planned.folder / "damaged").exists()


def test_a_render_leaves_alone_what_another_one_writes(sheet, run):
    """Two renders into one folder: one swept what the other was writing."""
    (first,) = run(sheet())
    with atomic_path(first.planned.folder / "tone-s1.wav") as theirs:
        theirs.write_bytes(b"half a take")
        assert run(sheet(), seed=2)[0].status == "rendered"
        assert theirs.read_bytes() == b"half a take"


def test_replay_identical_close_and_different(sheet, run, make_generator):
    (outcome,) = run(sheet(), options={"tone": {"level": 0.3}})
    receipt, folder = outcome.receipt, outcome.planned.folder
    same = replay_take(receipt, folder, make_generator("tone", {"level": 0.3}), Progress())
    assert (same.verdict, same.difference_db, same.changes) == ("identical", None, ())
    more = receipt.model_copy(update={"threads": receipt.threads + 1})
    threads = replay_take(more, folder, make_generator("tone", {"level": 0.3}), Progress())
    assert threads.changes == (f"threads: {more.threads} then, {receipt.threads} now",)
    close = replay_take(receipt, folder, make_generator("tone", {"level": 0.3003}), Progress())
    assert close.verdict == "close"
    # A gain of 1.001 on the tone differs by -60 dB of it.
    assert close.difference_db == pytest.approx(-60.0, abs=0.5)
    other = replay_take(receipt, folder, make_generator("tone", {"level": 0.2}), Progress())
    assert other.verdict == "different"
    assert other.difference_db == pytest.approx(20 * np.log10(1 / 3), abs=0.2)
    outcome.planned.sound_path.unlink()
    alone = replay_take(receipt, folder, make_generator("tone", {"level": 0.3}), Progress())
    assert alone.verdict == "identical", "the receipt's hash is enough"
    unknown = replay_take(receipt, folder, make_generator("tone", {"level": 0.31}), Progress())
    assert (unknown.verdict, unknown.difference_db) == ("different", None)
    assert "gone" in unknown.reason


def test_a_receipt_of_version_1_is_read(sheet, run, make_generator):
    (outcome,) = run(sheet())
    path = outcome.planned.receipt_path
    document = json.loads(path.read_text())
    assert document["format_version"] == 2
    sound = document["sound"]
    sound["frames"], sound["rate"] = sound.pop("n_samples"), sound.pop("sample_rate")
    path.write_text(json.dumps(document | {"format_version": 1}))
    assert read_receipt(path) == outcome.receipt
    assert [o.status for o in run(sheet())] == ["kept"]
    result = replay_take(read_receipt(path), path.parent, make_generator("tone", {}))
    assert result.verdict == "identical"


def test_replay_uses_the_seed_of_the_good_attempt(sheet, run, make_generator):
    (outcome,) = run(sheet({"style": "first-bad"}))
    result = replay_take(
        outcome.receipt, outcome.planned.folder, make_generator("tone", {}), Progress()
    )
    assert result.verdict == "identical"


def test_replay_says_what_changed(sheet, run, make_generator):
    (outcome,) = run(sheet())
    model = outcome.receipt.model.model_copy(
        update={"libraries": {"numpy": "1.0", "gone": "2"}, "device": "cuda"}
    )
    receipt = outcome.receipt.model_copy(update={"model": model})
    result = replay_take(receipt, outcome.planned.folder, make_generator("tone", {}), Progress())
    assert result.verdict == "identical"
    assert "device: cuda then, cpu now" in result.changes
    assert f"version of numpy: 1.0 then, {np.__version__} now" in result.changes
    assert "version of gone: 2 then, absent now" in result.changes


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (None, "can't be read"),
        ("", "not a receipt"),
        ("[1, 2]", "not a receipt"),
        ("{}", "format version is None"),
        ('{"format_version": 3}', "format version is 3"),
        ('{"format_version": true}', "format version is True"),
        ('{"format_version": 2}', "damaged"),
        ('{"format_version": 1}', "damaged"),
        ('{"format_version": 1, "sound": [1]}', "damaged"),
        ("[" * 100_000, "not a receipt"),
        ("\x00\xff", "not a receipt"),
    ],
)
def test_receipts_that_are_none(tmp_path, content, words):
    path = tmp_path / "x.json"
    if content is not None:
        path.write_text(content, encoding="latin-1")
    with pytest.raises(ReceiptError, match=words) as caught:
        read_receipt(path)
    assert str(path) in str(caught.value)
