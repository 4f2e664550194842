"""Nobody but our own page gets an answer, and no file but those that it may show."""

import base64
import http.client
import json
import os

import pytest

from milonga.web.guard import POLICY, Door, Guard


@pytest.fixture
def ask(server):
    """Sends a request as it is written, whatever a browser would do."""

    def send(method, path, headers=None, body=None, host=None):
        connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=10)
        connection.putrequest(method, path, skip_host=True)
        connection.putheader("Host", host or f"127.0.0.1:{server.port}")
        for name, value in (headers or {}).items():
            connection.putheader(name, value)
        if body is not None:
            connection.putheader("Content-Length", str(len(body)))
        connection.endheaders(body)
        answer = connection.getresponse()
        found = (answer.status, answer.read(), answer.headers)
        connection.close()
        return found

    return send


@pytest.mark.parametrize(
    ("host", "status"),
    [
        ("127.0.0.1:{port}", 200),
        ("localhost:{port}", 200),
        ("evil.example", 421),
        ("127.0.0.1.evil.example:{port}", 421),
        ("192.168.1.7:{port}", 421),
        ("[::1].evil.example", 421),
    ],
)
def test_a_name_that_is_not_ours_is_refused(ask, server, host, status):
    assert ask("GET", "/", host=host.format(port=server.port))[0] == status


def test_another_site_can_neither_read_nor_change(ask, server, shelf):
    own = f"http://127.0.0.1:{server.port}"
    text = json.dumps({"starter": "loop"}).encode()
    for headers in (
        {"Origin": "https://evil.example"},
        {"Origin": "null"},
        {"Origin": f"http://localhost:{server.port}"},
        {"Origin": f"{own}.evil.example"},
        {},
        {"Sec-Fetch-Site": "cross-site", "Origin": own},
        {"Content-Type": "text/plain", "Sec-Fetch-Site": "same-site"},
    ):
        assert ask("POST", "/api/songs", headers, text)[0] == 403, headers
    assert list(shelf.iterdir()) == []
    embedded = {"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "no-cors"}
    assert ask("GET", "/api/songs", embedded)[0] == 403
    framed = {"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "navigate"}
    assert ask("GET", "/", {**framed, "Sec-Fetch-Dest": "iframe"})[0] == 403
    # A link to the page is no attack.
    assert ask("GET", "/", {**framed, "Sec-Fetch-Dest": "document"})[0] == 200
    assert ask("POST", "/api/songs", {"Origin": own}, text)[0] == 201
    assert ask("POST", "/api/songs", {"X-Milonga": "1"}, text)[0] == 201


def test_every_answer_forbids_what_comes_from_elsewhere(ask):
    for path in ("/", "/nothing", "/static/app.css", "/api/songs/none/board"):
        headers = ask("GET", path)[2]
        assert headers["content-security-policy"] == POLICY, path
        assert headers["x-content-type-options"] == "nosniff"
        assert headers["cross-origin-resource-policy"] == "same-origin"
    assert "http" not in POLICY


def test_only_files_of_the_song_are_served(ask, song, tmp_path):
    out = song / "out"
    secret = tmp_path / "secret.wav"
    secret.write_bytes((out / "song.wav").read_bytes())
    (out / "link.wav").symlink_to(secret)
    (out / "folder").symlink_to(tmp_path)
    (out / ".hidden.wav").write_bytes(b"RIFF")
    (out / "program.py").write_text("print()")
    os.mkfifo(out / "pipe.wav")
    status, found, headers = ask("GET", "/files/noise/song.wav", {"Range": "bytes=0-3"})
    assert (status, found, headers["content-type"]) == (206, b"RIFF", "audio/wav")
    for name in (
        "link.wav", "folder/secret.wav", ".hidden.wav", "program.py", "pipe.wav", "takes",
        "../song.yaml", "..%2Fsong.yaml", "%2e%2e/song.yaml", "takes/../../song.yaml",
        "/etc/passwd", "%2Fetc%2Fpasswd", "..\\song.yaml", "song.wav%00.txt", "",
    ):  # fmt: skip
        assert ask("GET", f"/files/noise/{name}")[0] == 404, name
        assert ask("GET", f"/api/songs/noise/wave?path={name}")[0] == 404, name
    for name in ("..", ".", "%2e%2e", "noise%2f..", "none"):
        assert ask("GET", f"/songs/{name}")[0] in (404, 200), name
        assert ask("GET", f"/api/songs/{name}/board")[0] == 404, name


def test_what_is_too_large_or_no_json_is_refused(ask, song):
    headers = {"X-Milonga": "1"}
    path = "/api/songs/noise/sheet"
    before = (song / "song.yaml").read_text()
    assert ask("PUT", path, headers, b"{" + b" " * (7 << 20))[0] == 413
    assert ask("PUT", path, headers, b"[" * 100_000)[0] == 400
    assert ask("PUT", path, headers, b"[]")[0] == 400
    assert ask("PUT", path, headers, json.dumps({"change": {"op": "burn"}}).encode())[0] == 400
    assert (song / "song.yaml").read_text() == before


def test_a_password_is_asked_for_where_others_reach_the_page():
    door = Door("0.0.0.0", "süß")
    assert not door.local
    assert door.knows("192.168.1.7:8765")
    assert not door.knows("evil.example:8765")
    assert Door("::1").local
    guard = Guard(None, door)

    def refusal(user):
        token = base64.b64encode(user.encode()).decode()
        headers = [(b"host", b"10.0.0.1:8765"), (b"authorization", f"Basic {token}".encode())]
        scope = {"type": "http", "method": "GET", "scheme": "http", "headers": headers}
        from starlette.datastructures import Headers

        found = guard._refusal(scope, Headers(scope=scope))
        return found and found.status_code

    assert refusal("anybody:süß") is None
    assert refusal("anybody:sweet") == 401
    assert refusal("süß") == 401
