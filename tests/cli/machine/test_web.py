"""``milonga web``: who may reach the page."""

import socket

from milonga.cli.main import main


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
