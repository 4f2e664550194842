"""Variables of proxies and certificates: a wrong one is named with its fix, a right one works."""

import gc
import socket
import socketserver
import sys
import threading

import pytest

from milonga.errors import DownloadError
from milonga.generators.neural.outlook import access_problem
from milonga.runtime.health import HealthContext
from milonga.weights import health
from milonga.workflows.doctor import run_check
from milonga.workflows.vocoding import vocode

NO_CERTIFICATE = __file__
WRONG = {
    "ALL_PROXY=socks://127.0.0.1:1080": "Write socks5:// in its place, or unset ALL_PROXY",
    "all_proxy=socks4://127.0.0.1:1080": "Write socks5:// in its place, or unset all_proxy",
    "HTTPS_PROXY=ftp://127.0.0.1:1": "unset HTTPS_PROXY",
    "https_proxy=http://127.0.0.1:port": "unset https_proxy",
    "HTTP_PROXY=http://127.0.0.1:99999": "no port 99999",
    "HTTP_PROXY=http://[::1": "unset HTTP_PROXY",
    "HTTPS_PROXY=http://": "it names no host",
    "HTTPS_PROXY=http://my proxy:80": "it names no host",
    "SSL_CERT_FILE=/nowhere.pem": "no such file",
    "SSL_CERT_FILE=/": "is a directory",
    f"SSL_CERT_FILE={NO_CERTIFICATE}": "it holds no certificate",
    "SSL_CERT_DIR=/nowhere": "no such file",
    "SSL_CERT_DIR=/": "it holds no certificate",
    "HF_ENDPOINT=https://": "it names no host",
    "HF_ENDPOINT=https://127.0.0.1:x": "Invalid port",
    "HF_ENDPOINT=ftp://hub": "no web address",
}


@pytest.fixture(params=WRONG, ids=lambda param: param.rpartition("/milonga")[0][:40] or param[:40])
def wrong(request, hub, monkeypatch):
    """A wrong variable: its name, and what is said of it."""
    name, _, value = request.param.partition("=")
    monkeypatch.setenv(name, value)
    return name, WRONG[request.param]


def test_a_wrong_variable_is_named_before_anything_is_asked(hub, bigvgan, quickly, wrong):
    name, words = wrong
    with pytest.raises(DownloadError) as caught:
        quickly()
    assert name in caught.value.message
    assert words in str(caught.value)
    assert hub.requests == []


def test_doctor_and_a_plan_name_it_and_go_on(wrong):
    findings = run_check("network", HealthContext(network=True))
    assert [wrong[0] in finding.message for finding in findings] == [True]
    assert findings[0].status == "problem"
    assert wrong[1] in f"{findings[0].message} {findings[0].step}"
    context = HealthContext(("stable-audio",), network=True)
    assert [finding.status for finding in run_check("access", context)] == ["problem"]
    unreachable, note = access_problem("stable-audio", "stable-audio")
    assert unreachable is None
    assert wrong[0] in note
    assert wrong[1] in note


def test_vocode_goes_on_without_the_model(hub, monkeypatch, log, tmp_path):
    import numpy as np

    from milonga.audio import Clip, write

    write(tmp_path / "in.wav", Clip(np.zeros((1, 4000), np.float32), 16_000))
    monkeypatch.setenv("ALL_PROXY", "socks://127.0.0.1:1080")
    vocode(tmp_path / "in.wav", tmp_path / "out.wav", progress=log)
    assert "griffin-lim stands in for bigvgan. ALL_PROXY is" in log.messages[0]
    assert "Write socks5:// in its place" in log.messages[0]


def test_a_password_is_never_shown(hub, bigvgan, quickly, monkeypatch):
    for address in ("http://me:se#cret@127.0.0.1:9", "socks://me:cret@127.0.0.1:9"):
        monkeypatch.setenv("HTTPS_PROXY", address)
        with pytest.raises(DownloadError, match=r"\*\*\*@127") as caught:
            quickly()
        assert "cret" not in str(caught.value)
        assert "me" not in caught.value.message.split()[2]


def test_wrong_variables_do_not_matter_without_a_proxy(hub, bigvgan, quickly, monkeypatch):
    monkeypatch.setenv("ALL_PROXY", "socks://127.0.0.1:1080")
    monkeypatch.setenv("NO_PROXY", "*")
    assert quickly().folder.is_dir()


@pytest.fixture
def nothing(monkeypatch):
    """An address where nothing answers, and no host that is reached without a proxy."""
    monkeypatch.setenv("NO_PROXY", "")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return f"127.0.0.1:{free.getsockname()[1]}"


@pytest.mark.parametrize("scheme", ["http", "socks5", "socks5h"])
def test_a_dead_proxy_is_named(hub, bigvgan, quickly, monkeypatch, nothing, scheme):
    monkeypatch.setenv("http_proxy", f"{scheme}://me:secret@{nothing}")
    with pytest.raises(DownloadError, match="can't be reached") as caught:
        quickly()
    assert f"through the proxy of http_proxy ({scheme}://***@{nothing})" in caught.value.message
    assert "unset the variable of a proxy that is gone" in caught.value.step
    (finding,) = health.network(HealthContext(network=True))
    assert finding.status == "warning"
    assert f"http_proxy ({scheme}://***@{nothing})" in finding.message


class Socks(socketserver.StreamRequestHandler):
    """A SOCKS5 proxy that connects, refuses, or speaks something else."""

    def handle(self):
        if self.server.answer == "garbage":
            self.wfile.write(b"HTTP/1.1 400 Bad Request\r\n\r\n")
            return
        self.rfile.read(self.rfile.read(2)[1])
        self.wfile.write(b"\x05\x00")
        kind = self.rfile.read(4)[3]
        size = {1: 4, 3: 0}[kind] or self.rfile.read(1)[0]
        host, port = self.rfile.read(size), int.from_bytes(self.rfile.read(2), "big")
        host = socket.inet_ntoa(host) if kind == 1 else host.decode()
        if self.server.answer == "refuse":
            self.wfile.write(b"\x05\x02\x00\x01" + bytes(6))
            return
        with socket.create_connection((host, port)) as far:
            self.wfile.write(b"\x05\x00\x00\x01" + bytes(6))
            self.server.connections += 1
            threading.Thread(target=self.pump, args=(far,), daemon=True).start()
            while block := self.connection.recv(65536):
                far.sendall(block)

    def pump(self, far):
        try:
            while block := far.recv(65536):
                self.connection.sendall(block)
        except OSError:
            return


@pytest.fixture
def socks(monkeypatch):
    with socketserver.ThreadingTCPServer(("127.0.0.1", 0), Socks) as server:
        server.daemon_threads = True
        server.connections, server.answer = 0, "connect"
        threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
        monkeypatch.setenv("NO_PROXY", "")
        monkeypatch.setenv("ALL_PROXY", f"socks5://127.0.0.1:{server.server_address[1]}")
        yield server
        server.shutdown()


def test_socks_works(hub, bigvgan, quickly, socks):
    assert quickly().folder.is_dir()
    assert socks.connections
    (finding,) = health.network(HealthContext(network=True))
    assert finding.message.startswith("the hub is reached through ALL_PROXY (socks5://127")


# What speaks SOCKS leaves the socket of a failure to the garbage collector.
@pytest.mark.filterwarnings("ignore::ResourceWarning")
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
@pytest.mark.parametrize("answer", ["garbage", "refuse"])
def test_a_proxy_that_does_not_do_as_asked_is_named(hub, bigvgan, quickly, socks, answer):
    socks.answer = answer
    text = ""
    try:
        quickly()
    except DownloadError as error:
        text = str(error)
    gc.collect()
    assert "The proxy of ALL_PROXY (socks5:" in text
    assert "NO_PROXY" in text


def test_socks_without_its_library(hub, bigvgan, quickly, monkeypatch):
    monkeypatch.setitem(sys.modules, "socksio", None)
    monkeypatch.setenv("ALL_PROXY", "socks5://127.0.0.1:1080")
    with pytest.raises(DownloadError, match="ALL_PROXY") as caught:
        quickly()
    assert "-m pip install socksio" in str(caught.value)


def test_the_variable_of_other_programs(hub, monkeypatch):
    from milonga.weights.hub.network import certificate_step

    assert "set SSL_CERT_FILE" in certificate_step()
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", "/etc/company.pem")
    assert certificate_step().endswith("export SSL_CERT_FILE=/etc/company.pem")


@pytest.mark.parametrize(
    "value", ["127.0.0.1", "::1,[::1]:8080,10.0.0.0/8", "localhost,*.x,fe80::/10,127.0.0.0/8", "*"]
)
def test_hosts_that_are_reached_without_the_proxy(hub, bigvgan, quickly, monkeypatch, value):
    monkeypatch.setenv("HTTP_PROXY", "127.0.0.1:9")
    monkeypatch.setenv("NO_PROXY", value)
    monkeypatch.setenv("HF_ENDPOINT", f" {hub.endpoint}/ ")
    if "127.0.0" in value or value == "*":
        assert quickly().folder.is_dir()
    else:
        with pytest.raises(DownloadError, match="through the proxy of HTTP_PROXY"):
            quickly()
