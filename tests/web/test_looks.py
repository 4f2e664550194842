"""Pages that no other test looks at, and what all of them have."""

import re
from pathlib import Path

from playwright.sync_api import expect

import milonga
from milonga.errors import PlanError, Problem
from milonga.web.pages import sounds


def test_pages_fit_and_are_open_to_everybody(visit, song, check_access):
    page = visit("/", expected=("status of 404",))
    expect(page.locator("main h1")).to_be_visible()
    check_access(page)
    page.goto(page.url + "songs/nothing-of-this-name")
    expect(page.locator("main h1")).to_be_visible()
    check_access(page)


def test_a_page_that_fails_says_why_in_its_own_words(visit, monkeypatch, check_access):
    page = visit("/sounds/nothing", expected=("status of 400",))
    expect(page.locator("main .step")).to_contain_text(
        "milonga sound list shows your models. (Here: the page “Sounds”.)"
    )
    check_access(page)

    def fails(*_):
        problem = Problem("There is <no> room.", "Segment 1", step="Choose another folder (--out).")
        raise PlanError("It can't be made.", problems=[problem])

    monkeypatch.setattr(sounds, "Library", fails)
    page = visit("/sounds/nothing", expected=("status of 400",))
    expect(page.get_by_role("heading", name="It can't be made.")).to_be_visible()
    expect(page.locator("main li")).to_have_text(
        "Segment 1: There is <no> room. Choose another folder (--out on the command line)."
    )


def test_fields_stand_for_options_that_the_command_line_has():
    def text(folder, kind):
        root = Path(milonga.__file__).parent / folder
        return "".join(path.read_text() for path in root.rglob(kind))

    page = text("web", "*.j2") + text("web", "*.js")
    named = " ".join(re.findall(r'data-option="([^"]+)"', page))
    assert (
        {"with", "no-report"}
        <= set(named.split())
        <= set(re.findall(r'"(?:--[a-z-]+/)?--([a-z-]+)"', text("cli", "*.py")))
    )


def test_the_keyboard_alone_reaches_everything(visit, song):
    page = visit("/songs/noise/listen")
    expect(page.locator("body[data-ready]")).to_be_visible()
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.className") == "skip"
    page.keyboard.press("Enter")
    assert page.evaluate("document.activeElement.id") == "main"
    reached = []
    while len(reached) < 60 and "Use editor-s0 in the mix" not in reached:
        page.keyboard.press("Tab")
        reached.append(
            page.evaluate(
                "(e => e.getAttribute('aria-label') || e.textContent)(document.activeElement)"
            )
        )
    assert {"Mix again", "Play The mix", "Play editor-s0"} <= set(reached)
    page.keyboard.press("Enter")
    expect(page.locator("#s1 .take[data-take='editor-s0']")).to_contain_text("by name")
