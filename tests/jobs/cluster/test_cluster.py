"""A real Ray: two nodes of one core on this machine, what is lost on them, and who may join."""

import contextlib
import json
import subprocess
import sys
import tempfile
import time
from collections import Counter

import numpy as np
import pytest
import ray_cluster
from sound_models import small_model

from milonga.audio import read
from milonga.errors import ClusterError
from milonga.jobs.cluster import crew
from milonga.jobs.local.sounds import sound_workers
from milonga.jobs.placing import Place
from milonga.runtime.progress import Progress
from milonga.songs.rendering.render import render_takes
from milonga.weights import ensure_weights

pytestmark = [pytest.mark.slow, pytest.mark.filterwarnings("ignore")]


@pytest.fixture(scope="module")
def nodes():
    with ray_cluster.TwoNodes() as nodes:
        yield nodes


@pytest.fixture(autouse=True)
def token(monkeypatch):
    monkeypatch.setenv("RAY_AUTH_TOKEN", ray_cluster.TOKEN)


@pytest.fixture
def on_nodes(nodes, tones, monkeypatch):
    """Renders takes on the two nodes; returns their outcomes in order."""
    monkeypatch.setattr(crew, "TakeActor", tones.tone.ToneActor)

    def render(takes, progress=None, **options):
        runner, _ = Place(on=nodes.address, **options).runner(takes)
        found = dict(runner(takes, progress or Progress()))
        assert sorted(found) == list(range(len(takes)))
        return [found[number] for number in range(len(takes))]

    return render


@pytest.fixture
def together(monkeypatch):
    """No worker begins before two have started, so that both get something."""
    news = crew.RayCrew.news

    def when_two(self, seconds):
        events, held = news(self, seconds), vars(self).setdefault("held", [])
        held.extend(event for event in events if event.ready)
        others = [event for event in events if not event.ready]
        if len({event.hand.number for event in held}) < 2:
            return others
        ready = [event for event in held if not event.hand.ready]
        return [*others, *ready]

    monkeypatch.setattr(crew.RayCrew, "news", when_two)


def study_file(folder):
    (folder / "song.yaml").write_text(
        "{title: T, tempo: 240, segments: ["
        "{number: 1, name: A, section: verse, seconds: 1, lyrics: Caos, generators: [guide]},"
        "{number: 2, name: B, section: intro, seconds: 0.5, style: tango, generators: [guide]}]}"
    )
    (folder / "study.yaml").write_text("{sheet: song.yaml, generators: [guide], seeds: 20}")
    return folder / "study.yaml"


def takes_of(folder):
    return {
        str(path.relative_to(folder)): json.loads(path.read_text())
        for path in (folder / "takes").rglob("*.json")
    }


def test_a_study_of_forty_takes_over_two_nodes(nodes, together, tmp_path):
    from milonga.workflows.judging.study import plan_study, run_study

    plan = plan_study(study_file(tmp_path), tmp_path / "far")
    runner, note = Place(on=nodes.address).runner(plan.all_takes)
    assert "2 workers" in note
    study = run_study(plan, on=runner)
    assert len(study.rows) == 40
    assert not study.failed
    near = plan_study(tmp_path / "study.yaml", tmp_path / "near")
    dict(render_takes(near.all_takes, Progress()))
    far, near = takes_of(tmp_path / "far"), takes_of(tmp_path / "near")
    assert len(far) == 40
    assert {name: take["sound"]["sha256"] for name, take in far.items()} == {
        name: take["sound"]["sha256"] for name, take in near.items()
    }
    assert len(Counter(take["node"] for take in far.values())) == 2


def test_a_folder_that_only_we_see_gets_its_takes_as_bytes(
    on_nodes, together, tones, hashes, tmp_path, monkeypatch
):
    @contextlib.contextmanager
    def unseen(folder):
        yield {"path": str(tmp_path / "elsewhere"), "word": "", "user": 0}

    seen = []
    told = crew._event
    monkeypatch.setattr(crew, "marked", unseen)
    monkeypatch.setattr(
        crew, "_event", lambda *known: seen.append("sound" in known[2]) or told(*known)
    )
    outcomes = on_nodes(tones(4))
    assert {outcome.status for outcome in outcomes} == {"rendered"}
    assert seen == [True] * 4
    assert len({outcome.receipt.node for outcome in outcomes}) == 2
    monkeypatch.undo()
    dict(render_takes(tones(4, out="near"), Progress()))
    assert hashes("out") == hashes("near")


def test_a_node_gets_weights_from_the_head_once(nodes, on_nodes, together, tones, hub, messages):
    hub.add("owner/tiny", {"config.json": b"{}", "model.safetensors": bytes(3_000_000)})
    ensure_weights("owner/tiny", cache_dir=nodes.cache("head"))
    asked = len(hub.requests)
    for out in ("out", "again"):
        outcomes = on_nodes(tones(6, out=out, models="ab", weights="owner/tiny"), messages)
        assert {outcome.status for outcome in outcomes} == {"rendered"}, outcomes
        assert len({outcome.receipt.node for outcome in outcomes}) == 2
    assert sum("comes from the head" in text for text in messages.texts) == 1
    blobs = [
        {path.name for path in nodes.cache(node).glob("models--*/blobs/*")}
        for node in ("head", "second")
    ]
    assert blobs[0] == blobs[1]
    assert len(blobs[0]) == 2
    assert len(hub.requests) == asked


def test_a_batch_of_sounds_over_two_nodes(nodes, tmp_path, monkeypatch):
    from milonga.sounds.library.library import Library
    from milonga.workflows.batches import play_batch

    monkeypatch.setenv("MILONGA_HOME", str(tmp_path / "home"))
    Library().save("tiny", *small_model("tiny"))
    batch = {"seeds": "0-3", "seconds": 0.3, "vocoder": "griffin-lim", "device": "cpu"}
    # One thread, as an actor here has: NumPy's products are rounded otherwise by two.
    near = play_batch("tiny", tmp_path / "near", on=sound_workers(2), **batch)
    for out, mark in (("far", crew.marked), ("bytes", None)):
        if mark is None:
            monkeypatch.setattr(crew, "marked", lambda _: contextlib.nullcontext({"path": "/no"}))
        far = play_batch("tiny", tmp_path / out, on=Place(on=nodes.address).sounds(), **batch)
        assert far.count("made") == 4, far.outcomes
        for one, other in zip(far.outcomes, near.outcomes, strict=True):
            # Rounding, which addresses may change, is grown by Griffin-Lim: two threads in place of
            # one left 0.97. Another seed has 0.2 at most.
            there, here = read(one.path).samples, read(other.path).samples
            assert np.corrcoef(there[0], here[0])[0, 1] > 0.9
    again = play_batch("tiny", tmp_path / "bytes", **batch)
    assert again.count("kept") == 4


def test_a_killed_worker(on_nodes, tones, who):
    (tones.notes / "die-0").touch()
    outcomes = on_nodes(tones(6))
    assert {outcome.status for outcome in outcomes} == {"rendered"}
    assert len(who()) == 7


def test_a_node_killed_in_the_middle(nodes, on_nodes, tones, who, hashes, tmp_path):
    go = tmp_path / "go"

    class Kills(Progress):
        def check(self):
            notes = tones.notes / "who.txt"
            if not go.exists() and notes.exists() and len(who()) == 2:
                nodes.tell("kill")
                go.touch()
            super().check()

    try:
        outcomes = on_nodes(tones(8, wait_for=str(go)), Kills())
    finally:
        nodes.tell("add")
    assert {outcome.status for outcome in outcomes} == {"rendered"}
    dict(render_takes(tones(8, out="near", wait_for=str(go)), Progress()))
    assert hashes("out") == hashes("near")
    assert len(hashes("out")) == 8


def test_a_killed_driver_is_resumed(nodes, tmp_path):
    file = study_file(tmp_path)
    code = (
        "from milonga.jobs.placing import Place;"
        "from milonga.workflows.judging.study import plan_study, run_study;"
        f"plan = plan_study({str(file)!r}, {str(tmp_path / 'out')!r});"
        f"run_study(plan, on=Place(on={nodes.address!r}).runner(plan.all_takes)[0])"
    )
    end = time.monotonic() + 120
    with subprocess.Popen([sys.executable, "-W", "ignore", "-c", code]) as process:
        while len(list((tmp_path / "out").rglob("guide*.json"))) < 3:
            assert process.poll() is None
            assert time.monotonic() < end
            time.sleep(0.05)
        process.kill()
    from milonga.workflows.judging.study import plan_study, run_study

    plan = plan_study(file, tmp_path / "out")
    seen = []
    run_study(
        plan, on=Place(on=nodes.address).runner(plan.all_takes)[0],
        on_outcome=lambda outcome: seen.append(outcome.status),
    )  # fmt: skip
    assert len(seen) == len(takes_of(tmp_path / "out")) == 40
    assert seen.count("kept") >= 3


def test_what_no_node_can_do_is_refused_before_the_work(nodes, tones):
    with pytest.raises(ClusterError, match="graphics card"):
        Place(on=nodes.address).runner(tones(1, device="cuda"))


def test_a_wrong_token_is_refused(nodes, tones, monkeypatch):
    monkeypatch.setenv("RAY_AUTH_TOKEN", "f" * 40)
    with pytest.raises(ClusterError, match="refuses the token"):
        Place(on=nodes.address).runner(tones(1))


def test_the_head_s_death_keeps_what_is_finished(nodes, on_nodes, tones, who, hashes, tmp_path):
    class Beheads(Progress):
        def check(self):
            if len(hashes("out")) == 2:
                nodes.tell("behead")
            super().check()

    with pytest.raises(ClusterError, match="is kept"):
        on_nodes(tones(6, work_s=0.5), Beheads())
    finished = hashes("out")
    assert len(finished) >= 2
    outcomes = dict(render_takes(tones(6, work_s=0.5), Progress())).values()
    assert sum(outcome.status == "kept" for outcome in outcomes) == len(finished)
    assert len(hashes("out")) == 6


OWN = """
import json, os, psutil, sys, time
from milonga.jobs.placing import Place
from milonga.workflows.songs import plan_song, render_plan

os.environ["OMP_NUM_THREADS"] = "1"
before, mine = dict(os.environ), psutil.Process()
plan = plan_song("song.yaml", "out", takes=2, report=False)
runner, note = Place(on="ray").runner(plan.takes)
family = mine.children(recursive=True)
listening = [
    each.laddr.ip.removeprefix("::ffff:")
    for process in (*family, mine)
    for each in process.net_connections("tcp")
    if each.status == psutil.CONN_LISTEN
]
folder = next(p for p in os.listdir(os.environ["TMPDIR"]) if p.startswith("milonga-ray-"))
mode = os.stat(os.path.join(os.environ["TMPDIR"], folder)).st_mode & 0o077
inside = {name: os.environ.get(name) for name in ("RAY_AUTH_MODE", "RAY_USAGE_STATS_ENABLED")}
song = render_plan(plan, on=runner, report=False)
psutil.wait_procs(family, 20)
print(json.dumps({
    "listening": sorted(set(listening)), "mode": mode, "inside": inside, "good": song.good,
    "threads": [outcome.receipt.threads for outcome in song.outcomes],
    "left": [process.name() for process in family if process.is_running()],
    "same": all(os.environ.get(n) == before.get(n) for n in (*inside, "RAY_AUTH_TOKEN")),
    "folders": os.listdir(os.environ["TMPDIR"]),
}))
"""


def test_a_cluster_of_ones_own_is_private_and_leaves_nothing(tmp_path, run_python, monkeypatch):
    monkeypatch.delenv("RAY_AUTH_TOKEN")
    study_file(tmp_path)
    with tempfile.TemporaryDirectory(prefix="t", dir="/tmp") as short:
        told = json.loads(run_python(OWN, TMPDIR=short).splitlines()[-1])
    assert told["listening"] == ["127.0.0.1"]
    assert told["mode"] == 0
    assert told["inside"] == {"RAY_AUTH_MODE": "token", "RAY_USAGE_STATS_ENABLED": "0"}
    assert told["good"]
    assert told["threads"] == [1, 1, 1, 1]
    assert told["left"] == []
    assert told["same"]
    assert [name for name in told["folders"] if name.startswith("milonga")] == []
