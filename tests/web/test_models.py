"""Models on the page, against the hub of this machine; and the doctor."""

import logging
import re
import threading

import pytest
from loopback_hub import Fault
from playwright.sync_api import expect

from milonga.runtime.health import ok, problem
from milonga.web.pages import models

WEIGHTS = b"weights" * 300_000
REPO = "facebook/musicgen-small"
GATED = "stabilityai/stable-audio-open-1.0"
SECRET = "hf_aSecretThatMustNotShow"


@pytest.fixture
def repo(hub):
    """A small model in the place of MusicGen's, of the same files."""
    text = dict.fromkeys(("config.json", "tokenizer.json", "preprocessor_config.json"), b"{}")
    text |= {"generation_config.json": b"{}", "tokenizer_config.json": b"{}"}
    return hub.add(REPO, {**text, "model.safetensors": WEIGHTS})


def card(page, key="musicgen-small"):
    return page.locator(f".model[data-key='{key}']")


@pytest.mark.slow
def test_a_model_is_downloaded_verified_and_removed(visit, hub, repo, check_access):
    page = visit("/models")
    expect(card(page)).to_contain_text("not here")
    expect(card(page)).to_contain_text("licence CC-BY-NC-4.0")
    expect(card(page)).to_contain_text("not for commercial use")
    # The download is stopped in its middle, and goes on from there.
    half, going_on = threading.Event(), threading.Event()
    middle = len(WEIGHTS) // 2

    def wait():
        half.set()
        going_on.wait(60)

    hub.faults.append(Fault("model.safetensors", call_at=middle, call=wait))
    card(page).get_by_role("button", name="Download musicgen-small").click()
    assert half.wait(60)
    bar = card(page).get_by_role("progressbar")
    expect(card(page)).to_contain_text(re.compile(r"\d\.\d MB of 2\.1 MB"))
    expect(bar).to_be_visible()
    with page.expect_response("**/api/models/cancel"):
        card(page).get_by_role("button", name="Stop musicgen-small").click()
    going_on.set()
    expect(card(page)).to_contain_text("Stopped. It goes on where it was.")
    expect(bar).to_be_hidden()
    card(page).get_by_role("button", name="Go on musicgen-small").click()
    expect(card(page)).to_contain_text("on this machine")
    asked = [seen.range for seen in hub.requests if seen.path.endswith("model.safetensors")]
    assert re.fullmatch(r"bytes=[1-9]\d*-.*", asked[-1])
    card(page).get_by_role("button", name="Verify").click()
    expect(card(page)).to_contain_text("Every file is as it was downloaded.")
    check_access(page)
    card(page).get_by_role("button", name="Remove").click()
    card(page).get_by_role("button", name="Remove").click()
    expect(card(page)).to_contain_text("not here")


def test_a_gated_model_needs_a_token_that_is_kept_nowhere(
    visit, hub, caplog, tmp_path, check_access
):
    caplog.set_level(logging.DEBUG)
    texts = ("model_index", "scheduler/scheduler_config", "tokenizer/tokenizer")
    parts = ("transformer", "vae", "projection_model")
    files = {f"{name}.json": b"{}" for name in texts}
    files |= {f"{part}/config.json": b"{}" for part in (*parts, "text_encoder")}
    files |= {f"{part}/diffusion_pytorch_model.safetensors": b"w" * 1000 for part in parts}
    hub.add(GATED, {**files, "text_encoder/model.safetensors": b"w" * 1000}, gated=True)
    hub.tokens[SECRET] = hub.account(repos=frozenset({GATED}))
    page = visit("/models")
    answers = []
    page.on("response", lambda answer: answers.append(answer))
    model = card(page, "stable-audio")
    model.get_by_role("button", name="Download stable-audio", exact=True).click()
    expect(model).to_contain_text("no access token on this machine")
    model.get_by_role("button", name="Download stable-audio with a token").click()
    dialog = page.get_by_role("dialog")
    link = dialog.get_by_role("link", name="the page of the model")
    expect(link).to_have_attribute("href", f"https://huggingface.co/{GATED}")
    dialog.get_by_label("Access token").fill(SECRET)
    dialog.get_by_role("button", name="Download").click()
    expect(model).to_contain_text("on this machine")
    assert SECRET not in page.content()
    assert SECRET not in page.evaluate("JSON.stringify([{...sessionStorage}, {...localStorage}])")
    assert all(SECRET not in answer.text() for answer in answers)
    assert SECRET not in caplog.text
    kept = (path for path in tmp_path.rglob("*") if path.is_file())
    assert not any(SECRET.encode() in path.read_bytes() for path in kept)
    check_access(page)


@pytest.mark.slow
def test_the_doctor_speaks_in_words_and_asks_nobody(visit, hub, check_access):
    page = visit("/doctor")
    # The first tells what is wrong on the machine at hand, the second what is fine.
    heads = page.locator("#findings h2")
    expect(heads).to_have_text(
        [re.compile("Nothing stands in the way|problem|warning"), re.compile("checks are fine")]
    )
    expect(page.locator(".finding", has=page.get_by_text("python", exact=True))).to_contain_text(
        "3."
    )
    assert hub.requests == []
    check_access(page)


def test_the_doctor_names_the_page_that_mends_what_it_finds(visit, monkeypatch):
    def examine(**_):
        step = "Run: milonga weights verify bark --repair"
        return [problem("bark is damaged", step), ok("no models (milonga weights list)")]

    monkeypatch.setattr(models, "examine", examine)
    page = visit("/doctor")
    expect(page.locator(".finding.problem .step")).to_have_text(
        "Run: milonga weights verify bark --repair (Here: the page “Models”.)"
    )
    expect(page.locator("dd")).to_have_text(
        "no models (milonga weights list) (Here: the page “Models”.)"
    )
