"""What a hub, a network or something between them does wrong."""

import re
import socket
import threading
import time

import pytest

from milonga.errors import Cancelled, DownloadError
from milonga.weights import locate
from milonga.weights.hub.retries import Retry

GOOD = 3_000_000
MANY = 50
"""More failures than anybody would wait for, but not endless: a fault in the counting must end."""
WEIGHTS = "bigvgan_generator.pt"


def check(found, repo):
    assert (found.folder / WEIGHTS).read_bytes() == repo.files("main")[WEIGHTS].contents


def test_wrong_bytes_of_the_right_length_once(hub, bigvgan, quickly):
    hub.fault(WEIGHTS, flip_at=1_234_567)
    check(quickly(), bigvgan)


def test_wrong_bytes_of_the_right_length_always(hub, bigvgan, quickly, folder):
    hub.fault(WEIGHTS, flip_at=1_234_567, times=None)
    with pytest.raises(DownloadError, match="arrived wrong twice: its SHA-256 is"):
        quickly()
    assert locate("bigvgan") is None
    assert not (folder / "blobs" / bigvgan.files("main")[WEIGHTS].etag).exists()


def test_wrong_bytes_in_a_small_file(hub, bigvgan, quickly):
    hub.fault("config.json", flip_at=3, times=None)
    with pytest.raises(DownloadError, match=r"config\.json arrived wrong twice"):
        quickly()


def test_too_long_once(hub, bigvgan, quickly):
    hub.fault(WEIGHTS, shorter=-1000)
    check(quickly(), bigvgan)


def test_too_long_always(hub, bigvgan, quickly):
    hub.fault(WEIGHTS, shorter=-1000, times=None)
    with pytest.raises(DownloadError, match="arrived wrong twice"):
        quickly()


def test_too_short_once(hub, bigvgan, quickly):
    hub.fault(WEIGHTS, shorter=1000)
    check(quickly(), bigvgan)


def test_too_short_always(hub, bigvgan, quickly):
    hub.fault(WEIGHTS, shorter=1000, times=MANY)
    with pytest.raises(DownloadError, match="ended early"):
        quickly()


@pytest.mark.parametrize("where", [WEIGHTS, "revision/main"])
def test_503_twice_then_good(hub, bigvgan, quickly, log, where):
    hub.fault(where, status=503, times=2)
    check(quickly(progress=log), bigvgan)
    # The test's waits are of milliseconds.
    assert [re.sub(r"0\.0\d+ s$", "0.0 s", message) for message in log.messages] == [
        "the hub answers 503; trying again in 0.0 s"
    ] * 2


@pytest.mark.parametrize("status", [408, 500, 502, 504])
def test_other_passing_answers(hub, bigvgan, quickly, status):
    hub.fault(WEIGHTS, status=status)
    check(quickly(), bigvgan)


@pytest.mark.parametrize("where", [WEIGHTS, "revision/main"])
def test_503_always(hub, bigvgan, quickly, where):
    hub.fault(where, status=503, times=MANY)
    with pytest.raises(DownloadError, match="6 times in a row: the hub answers 503"):
        quickly()
    asked = [seen.server for seen in hub.requests if seen.path.endswith(where)]
    assert asked.count(asked[-1]) == 6


@pytest.mark.parametrize("headers", [{"Retry-After": "1"}, {"RateLimit": '"api";r=0;t=1'}])
def test_429_waits_as_long_as_asked(hub, bigvgan, quickly, log, headers):
    hub.fault(WEIGHTS, status=429, headers=headers)
    began = time.monotonic()
    check(quickly(progress=log), bigvgan)
    assert time.monotonic() - began >= 1
    assert log.messages == ["the hub answers 429; trying again in 1 s"]


def test_429_that_asks_for_too_long(hub, bigvgan, quickly):
    hub.fault(WEIGHTS, status=429, headers={"Retry-After": "3600"})
    with pytest.raises(DownloadError, match="wait 60 min "):
        quickly()


def test_retry_after_a_date(hub, bigvgan, quickly):
    hub.fault(WEIGHTS, status=503, headers={"Retry-After": "Wed, 21 Oct 2065 07:28:00 GMT"})
    with pytest.raises(DownloadError, match="asks to wait"):
        quickly()


@pytest.mark.parametrize("where", [WEIGHTS, "config.json", "revision/main"])
def test_a_redirect_loop(hub, bigvgan, quickly, where):
    hub.fault(where, loop=True, times=None)
    with pytest.raises(DownloadError, match="lead in a circle"):
        quickly()


@pytest.mark.parametrize("body", [b"{}", b"[]", b"\xff\xfe", b"", b"<html>", b'{"error": [1]}'])
def test_answers_that_no_retry_mends(hub, bigvgan, quickly, body):
    hub.fault(WEIGHTS, status=418, times=None, body=body)
    with pytest.raises(DownloadError, match="answers 418"):
        quickly()
    assert sum(seen.path.endswith(WEIGHTS) for seen in hub.requests if seen.server == "store") == 1


def test_a_file_that_went_away(hub, bigvgan, quickly):
    hub.fault(WEIGHTS, status=404, headers={"X-Error-Code": "EntryNotFound"})
    with pytest.raises(DownloadError, match=r"no file 'bigvgan_generator\.pt'"):
        quickly()


def test_nothing_answers(hub, bigvgan, quickly, monkeypatch):
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    monkeypatch.setenv("HF_ENDPOINT", f"http://127.0.0.1:{port}")
    with pytest.raises(DownloadError, match="can't be reached") as caught:
        quickly()
    assert "HTTPS_PROXY" in str(caught.value)


def test_a_name_that_does_not_exist(hub, bigvgan, quickly, monkeypatch):
    monkeypatch.setenv("HF_ENDPOINT", "http://hub.invalid")
    with pytest.raises(DownloadError, match="can't be reached"):
        quickly()


def test_a_proxy_that_does_not_exist(hub, bigvgan, quickly, monkeypatch):
    monkeypatch.setenv("NO_PROXY", "")
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:9")
    with pytest.raises(DownloadError):
        quickly()


@pytest.mark.parametrize(
    "body", [b"<html>Please log in to this network</html>", b"[]", b'{"sha": "main"}', b"{}"]
)
def test_something_else_answers(hub, bigvgan, quickly, body):
    hub.fault("revision/main", status=200, body=body, times=None)
    with pytest.raises(DownloadError, match="does not speak the hub's protocol"):
        quickly()


def test_a_listing_that_makes_no_sense(hub, bigvgan, quickly):
    hub.fault(f"tree/{bigvgan.commit}", status=200, body=b'[{"type": "file"}]', times=None)
    with pytest.raises(DownloadError, match="does not speak the hub's protocol"):
        quickly()


def test_pages_that_lead_to_another_host(hub, bigvgan, quickly):
    link = {"Link": '<http://127.0.0.1:9/api/models/x/tree/y>; rel="next"'}
    hub.fault(f"tree/{bigvgan.commit}", status=200, body=b"[]", headers=link, times=None)
    with pytest.raises(DownloadError, match="does not speak the hub's protocol"):
        quickly()


@pytest.mark.timeout(60)
def test_who_cancels_does_not_wait_for_a_pause(hub, bigvgan, quickly, log):
    hub.fault(WEIGHTS, status=503, times=None)
    threading.Timer(0.5, log.cancel).start()
    with pytest.raises(Cancelled):
        quickly(progress=log, retry=Retry(first_s=600, longest_s=600))
