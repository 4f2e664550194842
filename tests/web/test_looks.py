"""Pages that no other test looks at, and what all of them have."""

import re
from pathlib import Path

from playwright.sync_api import expect

import milonga


def test_pages_fit_and_are_open_to_everybody(visit, song, check_access):
    page = visit("/", expected=("status of 404",))
    expect(page.locator("main h1")).to_be_visible()
    check_access(page)
    page.goto(page.url + "songs/nothing-of-this-name")
    expect(page.locator("main h1")).to_be_visible()
    check_access(page)


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
