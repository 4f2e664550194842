"""The page of a listening test in a real browser: as a listener uses it, up to the answers read."""

import json

import numpy as np
import pytest

from milonga import audio
from milonga.audio import Clip
from milonga.workflows.judging.listening import make_listening_test, read_listening_test

RATE = 48_000


@pytest.fixture(scope="module")
def recordings(tmp_path_factory):
    """Two tones and a noise: unlike levels, mono and stereo, unlike lengths."""
    folder = tmp_path_factory.mktemp("recordings")
    time = np.arange(3 * RATE) / RATE
    noise = np.random.default_rng(0).normal(0, 0.05, (2, 2 * RATE))
    audio.write(folder / "secret-one.wav", Clip(0.5 * np.sin(2 * np.pi * 440 * time), RATE))
    audio.write(folder / "secret-two.wav", Clip(np.tile(0.1 * np.sin(5000 * time), (2, 1)), RATE))
    audio.write(folder / "secret-three.wav", Clip(noise, RATE))
    return sorted(folder.iterdir())


@pytest.fixture(scope="module")
def made(recordings, tmp_path_factory):
    root = tmp_path_factory.mktemp("tests")
    return {
        kind: make_listening_test(
            recordings, root / kind, kind=kind, reference="secret-one" * (kind == "mushra"),
            title="Tones <script>", seed=3,
        )
        for kind in ("ab", "abx", "mushra")
    }  # fmt: skip


def begin(page, name="Ana"):
    page.fill("#listener", name)
    page.click("#begin")
    ready(page)


def ready(page):
    page.wait_for_function("() => !document.getElementById('play').disabled")


def answer_pairs(page, test, choose):
    for trial in test.key.trials:
        for key in "abx"[: len(trial.stimuli)]:
            page.keyboard.press(key)
        page.keyboard.press(choose(trial))
        page.wait_for_function("() => !document.getElementById('next').disabled")
        page.wait_for_timeout(550 if trial is test.key.trials[0] else 0)
        page.click("#next")
        if trial is not test.key.trials[-1]:
            ready(page)


def saved(page, folder):
    with page.expect_download() as download:
        page.click("#save")
    path = folder / download.value.suggested_filename
    download.value.save_as(path)
    return path


def test_a_listener_answers_and_the_key_tells_what_was_meant(visit, made, tmp_path):
    test = made["ab"]
    page = visit(test.page)
    begin(page)
    assert page.locator("#next").is_disabled()
    assert "Listen to each sound first." in page.locator("#missing").inner_text()

    def prefer_one(trial):
        names = [stimulus.condition for stimulus in trial.stimuli]
        return "3" if "secret-one" not in names else str(1 + names.index("secret-one"))

    answer_pairs(page, test, prefer_one)
    path = saved(page, tmp_path)
    assert json.loads(path.read_text()) == json.loads(page.locator("#text").input_value())
    document = json.loads(path.read_text())
    for given in document["answers"]:
        given["seconds"] = max(given["seconds"], 1.0)  # as fast as a machine is, nobody listens
    path.write_text(json.dumps(document))
    result = read_listening_test(path, key=test.page.parent.parent)
    by_pair = {frozenset((p.first, p.second)): p for p in result.pairs}
    two = by_pair[frozenset(("secret-one", "secret-two"))]
    assert {two.first: two.share.value, two.second: 1 - two.share.value}["secret-one"] == 1.0
    assert by_pair[frozenset(("secret-two", "secret-three"))].undecided == 2
    assert "Too few" in two.verdict


def test_no_name_is_in_what_listeners_get(made):
    for test in made.values():
        for path in test.page.parent.rglob("*"):
            assert "secret" not in path.name
            assert path.is_dir() or b"secret" not in path.read_bytes()
        assert "Tones &lt;script&gt;" in test.page.read_text()


def test_answers_survive_a_reload(visit, made):
    page = visit(made["abx"].page)
    begin(page, "Bea")
    for key in ("a", "b", "x", "2"):
        page.keyboard.press(key)
    page.click("#next")
    ready(page)
    page.reload()
    assert page.locator("#listener").input_value() == "Bea"
    assert page.locator("#going-on").is_visible()
    begin(page, "Bea")
    assert page.locator("#where").inner_text().startswith("2 of")
    page.click("#back")
    ready(page)
    assert page.locator('#answers [aria-checked="true"]').inner_text() == "X is B (2)"


def test_ratings_with_the_keyboard_alone(visit, made, tmp_path):
    test = made["mushra"]
    page = visit(test.page)
    page.keyboard.press("Tab")
    page.keyboard.type("Cid")
    page.keyboard.press("Enter")
    ready(page)
    widths = page.locator("#stimuli input").evaluate_all("all => all.map((one) => one.offsetWidth)")
    assert len(set(widths)) == 1
    (trial,) = test.key.trials
    for index, stimulus in enumerate(trial.stimuli):
        page.keyboard.press(str(index))
        if not index:
            continue
        page.locator(".rated input").nth(index - 1).focus()
        page.keyboard.press("End" if stimulus.condition == "secret-one" else "Home")
    page.wait_for_timeout(550)
    assert page.locator(".rated .words").first.inner_text() in ("100, excellent", "0, bad")
    page.keyboard.press("Enter")
    page.wait_for_selector("#save", state="visible")
    result = read_listening_test(saved(page, tmp_path), key=test.page.parent.parent)
    assert result.listeners == ("Cid",)
    assert result.ratings["secret-one"].value == 100
    assert result.ratings["low anchor"].value == 0


SWITCHED = """async () => {
  const rate = 48000, seconds = 1.2;
  const context = new OfflineAudioContext(1, rate * seconds, rate);
  const tones = [1, -0.8].map((size) => {
    const buffer = context.createBuffer(1, rate * seconds, rate);
    const data = buffer.getChannelData(0);
    for (let i = 0; i < data.length; i++)
      data[i] = size * 0.5 * Math.sin(2 * Math.PI * 250 * i / rate);
    return buffer;
  });
  const player = new listening.Player(context, tones);
  player.play();
  for (const [at, what] of [[0.3, () => player.select(1)], [0.6, () => player.select(0)],
                            [0.9, () => player.seek(0.0)]])
    context.suspend(at).then(() => { what(); context.resume(); });
  const heard = (await context.startRendering()).getChannelData(0);
  return [...heard];
}"""


def test_switching_is_synchronous_and_without_clicks(visit, made):
    """Two tones of one phase: a jump would be a step larger than the tone's own, a shift would
    show against the sine. A fade takes 8 ms."""
    heard = np.array(visit(made["ab"].page).evaluate(SWITCHED))
    steepest = 0.5 * 2 * np.pi * 250 / RATE + 0.9 / (0.008 * RATE)
    assert np.abs(np.diff(heard)).max() < 1.05 * steepest
    time = np.arange(len(heard)) / RATE
    wave = np.sin(2 * np.pi * 250 * (time - 0.02))
    # Quantum of suspension: 128 samples.
    for start, size in ((0.1, 0.5), (0.4, -0.4), (0.7, 0.5)):
        part = slice(round(start * RATE), round((start + 0.15) * RATE))
        # Float32 sines at a start that lies between two samples.
        np.testing.assert_allclose(heard[part], size * wave[part], atol=2e-3)


@pytest.mark.parametrize("width", [390, 1280])
@pytest.mark.parametrize("kind", ["abx", "mushra"])
def test_it_fits_a_phone(visit, made, kind, width):
    page = visit(made[kind].page, width=width, height=800)
    begin(page)
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    sizes = page.locator("#stimuli button").evaluate_all(
        "all => all.map(b => Math.min(b.offsetWidth, b.offsetHeight))"
    )
    assert min(sizes) >= 44
