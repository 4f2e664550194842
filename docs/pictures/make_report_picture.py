"""Makes the picture of a report for the README: python docs/pictures/make_report_picture.py PAGE

Needs Playwright and Debian's chromium. The picture shows one segment while its first take plays.
"""

from __future__ import annotations

import argparse
import io
import os
import sys
from pathlib import Path

from PIL import Image
from playwright.sync_api import sync_playwright

HERE = Path(__file__).parent
FLAGS = [
    "--disable-gpu",
    "--disable-background-networking",
    "--autoplay-policy=no-user-gesture-required",
]


def make(page: Path, target: Path, section: str, seconds: float, dark: bool) -> None:
    """Writes a picture of ``section`` at ``seconds`` of its first take, 1280 points wide."""
    flags = FLAGS + (["--no-sandbox"] if os.geteuid() == 0 else [])
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path="/usr/bin/chromium", args=flags)
        view = browser.new_page(
            viewport={"width": 1280, "height": 980},
            device_scale_factor=1.5,
            color_scheme="dark" if dark else "light",
            offline=True,
        )
        view.goto(page.resolve().as_uri())
        deck = view.locator(f"#{section}")
        deck.evaluate("e => e.scrollIntoView({ behavior: 'instant' })")
        takes = deck.locator(".track.take .play")
        (takes.first if takes.count() else deck.locator(".play").first).click()
        view.locator("#dock-seek").fill(str(seconds))
        view.locator("#dock-play").click()
        view.evaluate("document.activeElement.blur()")
        view.mouse.move(0, 0)
        for image in deck.locator("img").all():
            image.evaluate("i => { i.loading = 'eager'; return i.decode(); }")
        # The last frame of the playhead, and colours that glide.
        view.wait_for_timeout(400)
        shot = view.screenshot()
        browser.close()
    picture = Image.open(io.BytesIO(shot)).convert("RGB").quantize(192, dither=Image.Dither.NONE)
    picture.save(target, "PNG", optimize=True)


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("page", type=Path, help="a report's index.html")
    parser.add_argument("-o", "--output", type=Path, default=HERE / "report.png")
    parser.add_argument("--section", default="s1", help="s1 is the first segment")
    parser.add_argument("--seconds", type=float, default=3.4, help="where the playhead stands")
    parser.add_argument("--dark", action="store_true")
    args = parser.parse_args()
    make(args.page, args.output, args.section, args.seconds, args.dark)
    sys.stdout.write(f"{args.output}\n")


if __name__ == "__main__":
    main()
