"""The page on a server of this process, and a browser that may talk to nothing else."""

import shutil
import socket
import threading
from pathlib import Path
from types import SimpleNamespace
from urllib.parse import urlsplit

import axe_playwright_python
import numpy as np
import pytest
import uvicorn
from playwright.sync_api import expect

from milonga import audio
from milonga.errors import MilongaError
from milonga.generators.registry import GENERATORS, KnownGenerator
from milonga.web.app import make_app
from milonga.web.guard import Door, is_local
from milonga.web.serve import bind
from milonga.web.shelf import Shelf
from milonga.workflows.songs import render_song

# On a machine that does other work, too.
expect.set_options(timeout=60_000)
AXE = (Path(axe_playwright_python.__file__).parent / "axe.min.js").read_text()
ABOUT = {"editor": "noise that can be edited", "loud": "the same, louder"}
SHEET = """\
# Kept as it is.
title: Noise
tempo: 120  # as always
generators: [editor, loud]
segments:
  - number: 1
    name: First
    section: intro
    seconds: 8
    style: plain
    baseline: first.aiff
  - number: 2
    name: Second
    section: verse
    seconds: 2
    style: {style}
    lyrics: |
      One line
    layers:
      - role: vocals
      - role: instrumental
"""


@pytest.fixture(autouse=True)
def generators(monkeypatch):
    """Two generators that need nothing."""
    for name, about in ABOUT.items():
        target = f"editors:{name.capitalize()}"
        monkeypatch.setitem(GENERATORS, name, KnownGenerator(target, "", about))


@pytest.fixture(autouse=True)
def home(tmp_path, monkeypatch):
    """A data folder of the test's own."""
    monkeypatch.setenv("MILONGA_HOME", str(tmp_path / "home"))
    return tmp_path / "home"


@pytest.fixture(autouse=True)
def stays_here(monkeypatch):
    """The server, too, talks to nobody but this machine."""
    connect, strayed = socket.socket.connect, []

    def connect_here(self, address):
        if self.family in (socket.AF_INET, socket.AF_INET6) and not is_local(address[0]):
            strayed.append(address)
            raise OSError("no network in this test")
        return connect(self, address)

    monkeypatch.setattr(socket.socket, "connect", connect_here)
    yield
    assert strayed == []


@pytest.fixture(scope="session")
def rendered(tmp_path_factory):
    """A rendered song: two takes for each layer, and stale ones in the second segment."""
    root = tmp_path_factory.mktemp("shelf") / "noise"
    root.mkdir()
    # Of a kind that no browser plays, and louder than the takes.
    sine = 0.9 * np.sin(2 * np.pi * 220 * np.arange(8 * 8000) / 8000)
    audio.write(root / "first.aiff", audio.Clip(sine, 8000))
    with pytest.MonkeyPatch.context() as patch:
        for name, about in ABOUT.items():
            target = f"editors:{name.capitalize()}"
            patch.setitem(GENERATORS, name, KnownGenerator(target, "", about))
        for style in ("early", "late"):
            (root / "song.yaml").write_text(SHEET.format(style=style))
            render_song(root / "song.yaml", root / "out", report=False)
    return root


@pytest.fixture(scope="session")
def server(tmp_path_factory):
    """A server of the page, its address, and the shelf of its songs."""
    door, shelf = Door(), Shelf(tmp_path_factory.mktemp("songs"))
    taken = bind(door, 0)
    app = make_app(shelf, door)
    config = uvicorn.Config(app, log_level="error", ws="none", lifespan="off", proxy_headers=False)
    running = uvicorn.Server(config)
    thread = threading.Thread(target=running.run, kwargs={"sockets": [taken]}, daemon=True)
    thread.start()
    port = taken.getsockname()[1]
    yield SimpleNamespace(
        address=f"http://127.0.0.1:{port}", port=port, shelf=shelf, state=app.app.state
    )
    running.should_exit = True
    thread.join(10)
    taken.close()


@pytest.fixture
def shelf(server, tmp_path):
    """The folder of the songs, the test's own: what a test before left running disturbs nothing."""
    server.shelf.root = tmp_path / "songs"
    server.shelf.root.mkdir()
    return server.shelf.root


@pytest.fixture
def song(shelf, rendered):
    """The rendered song on the shelf."""
    shutil.copytree(rendered, shelf / "noise")
    return shelf / "noise"


@pytest.fixture
def visit(chromium, server):
    """Opens a page; nothing may be logged, and no request may leave this server."""
    contexts, logged, strayed = [], [], []

    def open_page(path, *, width=1280, height=900, expected=(), context=None, **options):
        if context is None:
            context = chromium.new_context(viewport={"width": width, "height": height}, **options)
            contexts.append(context)
        page = context.new_page()

        def log(text):
            if not any(part in text for part in expected):
                logged.append(text)

        def look(request):
            parts = urlsplit(request.url)
            ours = parts.netloc == f"127.0.0.1:{server.port}"
            if not ours and parts.scheme not in ("data", "blob"):
                strayed.append(request.url)

        page.on("console", lambda message: log(f"{message.type}: {message.text}"))
        page.on("pageerror", lambda error: log(str(error)))
        page.on("request", look)
        page.goto(server.address + path)
        return page

    yield open_page
    for context in contexts:
        context.close()
    assert logged == []
    assert strayed == []


@pytest.fixture
def check_access():
    """Finds no serious fault for people who can't see or point (axe-core), and no page that is
    wider than its window; in both widths, light and dark. At the end of a test."""

    def check(page):
        page.evaluate(AXE)
        for width, scheme in ((1280, "light"), (390, "dark")):
            page.set_viewport_size({"width": width, "height": 800})
            page.emulate_media(color_scheme=scheme)
            found = page.evaluate("axe.run({resultTypes: ['violations']})")["violations"]
            faults = {
                each["id"]: [node["target"] for node in each["nodes"]]
                for each in found
                if each["impact"] in ("serious", "critical")
            }
            assert (width, faults) == (width, {})
            assert page.evaluate("document.documentElement.scrollWidth - innerWidth") <= 0

    return check


@pytest.fixture
def here(monkeypatch):
    """Jobs are worked on in this process, which knows the generators of these tests."""
    from milonga.jobs.kinds import work_of
    from milonga.jobs.queue import Queue
    from milonga.runtime.progress import Progress
    from milonga.web.pages import jobs

    threads = []

    def work(queue):
        for job in queue.ready():
            started = queue.start(job.id)
            try:
                work = work_of(job.kind, job.version, job.arguments)
                result = work.run(Progress(), lambda path: None)
                started.keep_result(result)
            except MilongaError as error:
                queue.finish(started, "failed", str(error))
            else:
                queue.finish(started, "done")

    def start(queue=None):
        threads.append(threading.Thread(target=work, args=(queue or Queue(),), daemon=True))
        threads[-1].start()

    monkeypatch.setattr(jobs, "start_runner", start)
    yield
    for thread in threads:
        thread.join(20)
