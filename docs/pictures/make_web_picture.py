"""Makes the picture of the page for the README: python docs/pictures/make_web_picture.py SONG

SONG is the folder of a rendered song. Needs Playwright and Debian's chromium. The picture shows
where takes are heard and chosen.
"""

from __future__ import annotations

import argparse
import io
import os
import subprocess
import sys
from pathlib import Path

from PIL import Image
from playwright.sync_api import sync_playwright

HERE = Path(__file__).parent


def make(song: Path, target: Path, width: int, height: int, dark: bool) -> None:
    """Write a picture of the page where the takes of ``song`` are heard."""
    command = [sys.executable, "-m", "milonga", "web", str(song), "--port", "0", "--no-open"]
    server = subprocess.Popen(command, stderr=subprocess.PIPE, text=True)
    assert server.stderr is not None
    try:
        address = server.stderr.readline().split()[3].rstrip("/")
        shot = picture(address, width, height, dark)
    finally:
        server.terminate()
        server.wait()
        server.stderr.close()
    image = Image.open(io.BytesIO(shot)).convert("RGB").quantize(192, dither=Image.Dither.NONE)
    image.save(target, "PNG", optimize=True)


def picture(address: str, width: int, height: int, dark: bool) -> bytes:
    """Take the picture."""
    flags = ["--disable-gpu", "--disable-background-networking"]
    flags += ["--no-sandbox"] if os.geteuid() == 0 else []
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path="/usr/bin/chromium", args=flags)
        view = browser.new_page(
            viewport={"width": width, "height": height},
            device_scale_factor=1.5,
            color_scheme="dark" if dark else "light",
        )
        view.goto(address)
        view.locator(".card .button").first.click()
        view.wait_for_selector("#mix-row .rms[d]")
        held = view.locator(".segment:has(.baseline) .take:not(.baseline) .play")
        (held if held.count() else view.locator(".take .play")).first.click()
        view.locator("#dock-seek").fill("2")
        view.locator("#dock-play").click()
        view.evaluate("document.activeElement.blur()")
        view.evaluate("scrollTo({ top: 0, behavior: 'instant' })")
        view.mouse.move(0, 0)
        # The waveforms in view, and colours that glide.
        view.wait_for_timeout(2500)
        shot = view.screenshot()
        browser.close()
    return shot


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("song", type=Path, help="the folder of a rendered song")
    parser.add_argument("-o", "--output", type=Path, default=HERE / "web.png")
    parser.add_argument("--width", type=int, default=1280)
    parser.add_argument("--height", type=int, default=1215)
    parser.add_argument("--dark", action="store_true")
    given = parser.parse_args()
    make(given.song, given.output, given.width, given.height, given.dark)


if __name__ == "__main__":
    main()
