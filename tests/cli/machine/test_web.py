"""``milonga web``: who may reach the page."""

import os
import re
import socket
from pathlib import Path
from urllib.request import Request, urlopen

from warm_process import WarmProcess

from milonga.cli.main import main

ROOT = Path(__file__).parents[3]


def block(page, language, holds):
    """The first block of a page of the documentation that holds a text."""
    blocks = re.findall(rf"^```{language}\n(.*?)^```$", (ROOT / page).read_text(), re.M | re.S)
    return next(text for text in blocks if holds in text)


def test_the_line_of_the_readme_opens_the_page_and_programs_use_it_as_documented(tmp_path):
    install, line = block("README.md", "console", "milonga web").splitlines()
    assert install == "pip install '.[guide,web]'"
    home = {**os.environ, "MILONGA_HOME": str(tmp_path)}
    with WarmProcess(["-m", *line.split(), "--no-open", "--port", "0"], env=home) as page:
        address = page.stderr.readline().split()[3]
        assert b"There is no song yet" in urlopen(address).read()
        begun = Request(f"{address}api/songs", b'{"starter": "loop"}', {"X-Milonga": "1"})
        assert b'"night-shift"' in urlopen(begun).read()
        program = block("docs/web.md", "python norun", "api/songs")
        found = {}
        exec(program.replace("http://127.0.0.1:8765/", address), found)
        assert (found["sheet"]["values"]["tempo"], found["sheet"]["problems"]) == (96, [])
        sheet = tmp_path / "songs" / "night-shift" / "song.yaml"
        assert "tempo: 96\n" in sheet.read_text()
        page.kill()


def test_another_address_needs_a_password_and_says_why(capsys):
    assert main(["web", "--host", "0.0.0.0", "--no-open"]) == 2
    said = " ".join(capsys.readouterr().err.split())
    assert "everybody who reaches this machine could use the page" in said
    assert "Add --auth" in said


def test_a_port_that_is_taken_is_explained(capsys):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = str(taken.getsockname()[1])
        assert main(["web", "--port", port, "--no-open"]) == 1
    assert "Is another milonga web running?" in capsys.readouterr().err


def test_what_is_no_song_is_refused(tmp_path, capsys):
    assert main(["web", str(tmp_path), "--port", "0", "--no-open"]) == 1
    assert "neither a song sheet nor the folder of a rendered song" in capsys.readouterr().err
