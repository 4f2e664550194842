"""``milonga weights`` as a user runs it, against a hub on this machine."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

REPO = "nvidia/bigvgan_v2_44khz_128band_512x"
WEIGHTS = "bigvgan_generator.pt"


@pytest.fixture
def repo(hub):
    return hub.add(REPO, {"config.json": b"{}", WEIGHTS: os.urandom(300_000)})


@pytest.fixture
def run(milonga, hub):
    def run(*args, **env):
        return milonga("weights", *args, MILONGA_HOME=str(hub.home / "milonga"), **env)

    return run


def test_list_get_path_verify_remove(hub, repo, run):
    listed = run("list", "--json").json
    row = next(row for row in listed if row["key"] == "bigvgan")
    assert (row["state"], row["size_on_disk"], row["commercial_use"]) == ("missing", 0, "yes")
    assert next(row for row in listed if row["key"] == "stable-audio")["gated"] is True

    assert run("path", "bigvgan").status == 1
    done = run("get", "bigvgan")
    assert done.status == 0
    assert "bigvgan is ready" in done.err
    assert "300 kB of 300 kB" in done.err
    assert done.out == ""

    folder = Path(run("path", "bigvgan").out.strip())
    assert sorted(path.name for path in folder.iterdir()) == [WEIGHTS, "config.json"]
    requests = len(hub.requests)
    again = run("get", "bigvgan", "--json")
    assert again.json[0]["folder"] == str(folder)
    assert again.json[0]["downloaded"] is False
    assert again.json[0]["files"][WEIGHTS]["sha256"] == repo.files("main")[WEIGHTS].sha256
    assert len(hub.requests) == requests

    table = run("list").out
    line = next(line for line in table.splitlines() if line.startswith("bigvgan "))
    assert "300 kB" in line
    assert line.rstrip().endswith("ready")

    assert run("verify").status == 0
    with (folder / WEIGHTS).open("r+b") as handle:
        handle.write(b"changed")
    wrong = run("verify", HF_HUB_OFFLINE="1")
    assert wrong.status == 1
    assert f"{WEIGHTS}: changed" in wrong.out
    assert "milonga weights verify bigvgan --repair" in wrong.err
    as_json = run("verify", "bigvgan", "--json")
    assert (as_json.status, as_json.json[0]["ok"]) == (1, False)
    assert as_json.json[0]["files"][WEIGHTS]["state"] == "changed"
    assert run("verify", "bigvgan", "--repair").status == 0
    assert run("verify", "bigvgan").status == 0

    removed = run("remove", "bigvgan", "--yes", "--json")
    assert removed.json == [{"key": "bigvgan", "freed": 300_002}]
    assert not folder.exists()


def test_update(hub, repo, run):
    first = run("get", "bigvgan", "--json").json[0]
    repo.push({"config.json": b"[]", WEIGHTS: os.urandom(3000)})
    assert run("get", "bigvgan", "--json").json[0]["commit"] == first["commit"]
    updated = run("get", "bigvgan", "--update", "--json").json[0]
    assert updated["commit"] == repo.commit
    assert updated["downloaded"] is True
    old = run("path", "bigvgan", "--revision", first["commit"]).out.strip()
    assert old == first["folder"]


def test_offline(hub, repo, run):
    result = run("get", "bigvgan", "--offline")
    assert result.status == 1
    assert "is not on this machine, and the network is switched off" in result.err
    assert "1. On a machine with a network, run: milonga weights get bigvgan" in result.err
    assert run("get", "bigvgan", "--offline", "--update").status == 2
    assert hub.requests == []


def test_a_gated_model_without_a_token(hub, run):
    hub.add("stabilityai/stable-audio-open-1.0", {"model_index.json": b"{}"}, gated=True)
    hub.repos["stabilityai/stable-audio-open-1.0"].listing_is_public = False
    result = run("get", "stable-audio")
    assert result.status == 1
    assert "is gated" in result.err
    assert "4. Run: hf auth login" in result.err


def test_another_cache(hub, repo, run, tmp_path):
    assert run("get", "bigvgan", "--cache-dir", tmp_path / "mine").status == 0
    assert run("path", "bigvgan").status == 1
    folder = run("path", "bigvgan", "--cache-dir", tmp_path / "mine").out.strip()
    assert folder.startswith(str(tmp_path / "mine"))


def test_removing_asks(hub, repo, run, tmp_path):
    run("get", "bigvgan")
    home = hub.home / "milonga"
    copy = home / "int8" / f"bigvgan-stages-{'0' * 16}.safetensors"
    copy.parent.mkdir(parents=True)
    copy.write_bytes(bytes(2000))
    command = [sys.executable, "-m", "milonga", "weights", "remove", "bigvgan"]
    done = subprocess.run(command, input="n\n", capture_output=True, text=True, cwd=tmp_path,
                          env={**os.environ, "MILONGA_HOME": str(home)})  # fmt: skip
    assert done.returncode == 130
    assert "Remove bigvgan and 1 int8 copy (2 kB)?" in done.stderr
    assert copy.exists()
    assert run("path", "bigvgan").status == 0
    assert run("remove", "bigvgan", "--json").status == 2


@pytest.mark.parametrize(
    ("args", "status", "words"),
    [
        (["get"], 2, "Missing argument 'KEY...'"),
        (["get", "bigvgn"], 1, "There is no model 'bigvgn'"),
        (["verify", "bigvgan"], 1, "milonga weights get bigvgan"),
        (["remove", "bigvgan", "--yes"], 1, "nothing to remove"),
        (["get", "bigvgan", "--revision", "nope"], 1, "no such revision"),
    ],
)
def test_mistakes(hub, repo, run, args, status, words):
    result = run(*args)
    assert result.status == status
    assert words in result.err


def test_nothing_to_verify(hub, run):
    result = run("verify")
    assert (result.status, result.out) == (0, "")
    assert "Nothing is here" in result.err
