"""Nobody but our own page gets an answer, and no file but those that it may show."""

import asyncio
import base64
import http.client
import json
import os

import pytest

from milonga.web.guard import POLICY, Door, Guard
from milonga.web.patience import FORGOTTEN_S, FREE, LONGEST_IN_ALL_S, Patience


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


def test_a_baseline_is_served_from_where_the_sheet_says_but_not_to_other_machines(
    ask, server, song, tmp_path, request
):
    secret, link, text = tmp_path / "secret.aiff", tmp_path / "link.aiff", tmp_path / "text.wav"
    secret.write_bytes((song / "first.aiff").read_bytes())
    link.symlink_to(secret)
    text.write_text("root:x:0:0")

    def heard(baseline):
        record = json.loads((song / "out" / "song.json").read_text())
        record["sheet"]["segments"][0]["baseline"] = str(baseline)
        record["source"] = str(song / "song.yaml")
        (song / "out" / "song.json").write_text(json.dumps(record))
        wave = ask("GET", "/api/songs/noise/wave?baseline=1")[0]
        status, found, headers = ask("GET", "/files-of-baselines/noise/1")
        assert (status == 200) == (wave == 200)
        return status, headers["content-type"], found[:4]

    flac = (200, "audio/flac", b"fLaC")
    assert heard("first.aiff") == heard(secret) == flac
    for hidden, status in ((link, 404), (tmp_path, 404), (text, 400), ("none.wav", 404)):
        assert heard(hidden)[0] == status, hidden
    for number in ("2", "9", "../1", "x"):
        assert ask("GET", f"/files-of-baselines/noise/{number}")[0] == 404
    request.addfinalizer(lambda door=server.state.door: setattr(server.state, "door", door))
    server.state.door = Door("0.0.0.0", "secret")
    assert heard("first.aiff") == flac
    assert heard(secret)[0] == 404
    assert heard("../../secret.aiff")[0] == 400  # no sheet may say that


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
    ask = visitor(door)
    assert ask("anybody:süß")[0] == 200
    assert ask("anybody:sweet")[0] == 401
    assert ask("süß")[0] == 401


def visitor(door):
    """Asks for a page behind a password, without a network: status and headers of the answer."""

    async def page(scope, receive, send):
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b""})

    guard = Guard(page, door)

    def ask(user, address="10.0.0.9", cookie=""):
        token = base64.b64encode(user.encode()).decode()
        headers = [(b"host", b"10.0.0.1:8765"), (b"cookie", cookie.encode())]
        headers += [(b"authorization", f"Basic {token}".encode())] if user else []
        scope = {"type": "http", "method": "GET", "scheme": "http", "headers": headers,
                 "client": (address, 5)}  # fmt: skip
        sent = []

        async def send(message):
            sent.append(message)

        asyncio.run(guard(scope, None, send))
        return sent[0]["status"], {
            name.decode(): value.decode() for name, value in sent[0]["headers"]
        }

    ask.guard = guard
    return ask


def test_who_guesses_passwords_waits_longer_each_time_and_nobody_else():
    now = [1000.0]
    ask = visitor(Door("0.0.0.0", "right"))
    ask.guard.patience = Patience(lambda: now[0])
    inside = ask("me:right")[1]["set-cookie"].partition(";")[0]
    assert [ask("me:wrong")[0] for _ in range(FREE)] == [401] * FREE
    waits = []
    for _ in range(12):
        status, headers = ask("me:right")  # too early even if it is right: a guess isn't looked at
        assert status == 429
        waits.append(int(headers["retry-after"]))
        now[0] += waits[-1]
        assert ask("me:wrong")[0] == 401
    assert waits == [1, 2, 4, 8, 16, 32, 64, 128, 256, *[300] * 3]
    # Others, and a browser that was in before, even from the same address.
    assert ask("you:right", "10.0.0.8")[0] == 200
    assert ask("me:right", cookie=f"a=b; {inside}")[0] == 200
    assert ask("me:wrong", cookie="milonga-in=x")[0] == 429
    assert ask("")[0] == 401
    now[0] += 300
    assert ask("me:right")[0] == 200
    assert ask("me:wrong")[0] == 401


def test_guesses_from_many_addresses_slow_each_other_and_fill_no_memory():
    now = [0.0]
    patience = Patience(lambda: now[0])
    for number in range(10_000):
        patience.wrong(f"2001:db8:{number:x}::1")
    assert len(patience) <= 2_000
    # A household of IPv6 is one visitor.
    for number in range(FREE):
        patience.wrong(f"fe80::{number:x}%eth0")
    now[0] += 1.5
    assert patience.wait_s("fe80::ffff") == pytest.approx(LONGEST_IN_ALL_S - 1.5)
    assert patience.wait_s("192.0.2.7") == pytest.approx(LONGEST_IN_ALL_S - 1.5)
    patience.right("::ffff:192.0.2.8")
    assert patience.wait_s("192.0.2.8") == 0
    now[0] += FORGOTTEN_S
    patience.wrong("192.0.2.7")
    assert patience.wait_s("192.0.2.7") == 0
