"""Every page in both widths, light and dark, for everybody."""

import pytest
from playwright.sync_api import expect

PAGES = {
    "songs": "/",
    "sheet": "/songs/noise",
    "render": "/songs/noise/render",
    "listen": "/songs/noise/listen",
    "compare": "/compare",
    "sounds": "/sounds",
    "models": "/models",
    "doctor": "/doctor",
    "jobs": "/jobs",
    "missing": "/songs/nothing-of-this-name",
}


@pytest.mark.parametrize("name", PAGES)
def test_pages_fit_and_are_open_to_everybody(visit, song, check_access, name):
    for width, scheme in ((1280, "light"), (390, "dark")):
        page = visit(PAGES[name], width=width, color_scheme=scheme, expected=("status of 404",))
        expect(page.locator("main")).to_be_visible()
        check_access(page)


def test_help_opens_with_a_key(visit, song):
    page = visit("/songs/noise/listen")
    page.keyboard.press("?")
    expect(page.get_by_role("dialog")).to_contain_text("Listen and choose")
    page.keyboard.press("Escape")
    expect(page.get_by_role("dialog")).to_be_hidden()
