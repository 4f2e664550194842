"""The first use downloads what is needed; every later one finds it, without a connection."""

import json
import shutil
import threading

import pytest

from milonga.errors import (
    CacheError,
    Cancelled,
    DamagedFileError,
    DownloadError,
    NotDownloadedError,
    UnknownNameError,
    WeightsError,
)
from milonga.weights import ensure_bigvgan_weights, ensure_weights, locate

REPO = "nvidia/bigvgan_v2_44khz_128band_512x"
NEEDED = ["bigvgan_generator.pt", "config.json"]

NO_SOCKETS = """
import sys
def refuse(event, args):
    if event.startswith("socket."):
        raise RuntimeError(f"{event} {args}")
sys.addaudithook(refuse)
"""


def test_first_use_downloads_what_is_needed(hub, bigvgan, log):
    folder = ensure_bigvgan_weights(progress=log)
    assert sorted(path.name for path in folder.iterdir()) == NEEDED
    for name in NEEDED:
        assert (folder / name).read_bytes() == bigvgan.files("main")[name].contents
    assert hub.bytes_served == 3_000_000 + len(b'{"num_mels": 128}')
    amounts = [update.done for update in log.updates]
    assert amounts == sorted(amounts)
    last = log.updates[-1]
    assert (last.unit, last.done, last.total, last.finished) == (
        "B",
        hub.bytes_served,
        hub.bytes_served,
        True,
    )


def test_nothing_but_the_download_is_asked_of_the_hub(hub, bigvgan, run_python):
    # Also where the program had imported the client before, with its telemetry on.
    run_python(
        "import huggingface_hub.constants\n"
        "from milonga.weights import ensure_weights; ensure_weights('bigvgan')"
    )
    files = {f"/{REPO}/resolve/{bigvgan.commit}/{name}" for name in NEEDED}
    asked = {seen.path for seen in hub.requests if seen.server == "hub"}
    assert asked == files | {
        f"/api/models/{REPO}/revision/main",
        f"/api/models/{REPO}/tree/{bigvgan.commit}",
    }
    assert all(seen.user_agent.startswith("milonga/") for seen in hub.requests)
    assert not any("torch" in seen.user_agent for seen in hub.requests)


def test_later_uses_open_no_socket(hub, bigvgan, run_python):
    folder = ensure_weights("bigvgan")
    before = len(hub.requests)
    printed = run_python(
        NO_SOCKETS
        + """
from milonga.weights import ensure_weights, load_json, locate
folder = ensure_weights("bigvgan")
assert load_json(folder / "config.json") == {"num_mels": 128}
assert locate("bigvgan").folder == folder
# The library's own telemetry is off from here on, too.
import huggingface_hub.utils
from huggingface_hub.utils import build_hf_headers, send_telemetry
build_hf_headers()
send_telemetry("milonga")
import threading
assert threading.active_count() == 1
print(folder)
"""
    )
    assert printed.strip() == str(folder)
    assert len(hub.requests) == before


def test_the_check_for_sockets_would_find_one(hub, run_python):
    with pytest.raises(AssertionError, match="socket"):
        run_python(NO_SOCKETS + "import socket; socket.socket()")


@pytest.mark.parametrize("variable", ["HF_HUB_OFFLINE", "TRANSFORMERS_OFFLINE", None])
def test_offline_with_nothing_here_fails_at_once(hub, bigvgan, monkeypatch, variable):
    if variable:
        monkeypatch.setenv(variable, "1")
    with pytest.raises(NotDownloadedError) as caught:
        ensure_weights("bigvgan", offline=variable is None)
    assert "milonga weights get bigvgan" in str(caught.value)
    assert hub.requests == []


def test_variables_count_when_they_are_set(hub, bigvgan, monkeypatch, tmp_path):
    # The client reads them once, at its import; here it was imported long ago.
    import huggingface_hub.constants  # noqa: F401

    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path / "elsewhere"))
    assert ensure_weights("bigvgan").is_relative_to(tmp_path / "elsewhere")
    monkeypatch.setenv("HF_HUB_CACHE", "")
    monkeypatch.setenv("HF_HOME", str(tmp_path / "home"))
    assert ensure_weights("bigvgan").is_relative_to(tmp_path / "home" / "hub")
    folder = ensure_weights("bigvgan", cache_dir=tmp_path / "option")
    assert folder.is_relative_to(tmp_path / "option")
    monkeypatch.setenv("HF_ENDPOINT", "not an address")
    with pytest.raises(Exception, match="no web address"):
        ensure_weights("bigvgan", cache_dir=tmp_path / "another")


def test_other_tools_find_it(hub, bigvgan, run_python):
    folder = ensure_weights("bigvgan")
    printed = run_python(
        f"""
from huggingface_hub import hf_hub_download, scan_cache_dir, snapshot_download
path = hf_hub_download({REPO!r}, "bigvgan_generator.pt")
print(path)
print(snapshot_download({REPO!r}, allow_patterns=["config.json", "bigvgan_generator.pt"]))
info = scan_cache_dir()
assert not info.warnings, info.warnings
repo, = info.repos
print(repo.repo_id, sorted(file.file_name for r in repo.revisions for file in r.files))
""",
        HF_HUB_OFFLINE="1",
    )
    assert printed.splitlines() == [
        str(folder / "bigvgan_generator.pt"),
        str(folder),
        f"{REPO} {NEEDED}",
    ]


def test_what_other_tools_downloaded_is_checked_and_used(hub, bigvgan, run_python, log):
    run_python(f"from huggingface_hub import snapshot_download; snapshot_download({REPO!r})")
    before = len(hub.requests)
    folder = ensure_weights("bigvgan", progress=log)
    assert len(hub.requests) == before
    assert log.updates[-1].label == "bigvgan: checking"
    assert locate("bigvgan").hashes["config.json"] == bigvgan.files("main")["config.json"].sha256
    assert (folder / "README.md").is_file()


def test_what_other_tools_left_wrong_is_not_used(hub, bigvgan, folder, run_python):
    run_python(f"from huggingface_hub import snapshot_download; snapshot_download({REPO!r})")
    blob = folder / "blobs" / bigvgan.files("main")["bigvgan_generator.pt"].etag
    with blob.open("r+b") as handle:
        handle.seek(1000)
        handle.write(b"\0\0\0\0")
    with pytest.raises(NotDownloadedError):
        ensure_weights("bigvgan", offline=True)
    found = ensure_weights("bigvgan")
    assert (found / "bigvgan_generator.pt").read_bytes() == (
        bigvgan.files("main")["bigvgan_generator.pt"].contents
    )


def test_half_of_a_snapshot_is_nothing(hub, bigvgan, run_python, quickly):
    run_python(
        f"from huggingface_hub import hf_hub_download; hf_hub_download({REPO!r}, 'config.json')"
    )
    assert locate("bigvgan") is None
    with pytest.raises(NotDownloadedError):
        ensure_weights("bigvgan", offline=True)
    hub.fault("bigvgan_generator.pt", status=500, times=50)
    with pytest.raises(DownloadError):
        quickly()
    assert locate("bigvgan") is None


def test_copies_are_left_alone(hub, contents):
    hub.add(
        "facebook/musicgen-small",
        {
            "config.json": b"{}",
            "preprocessor_config.json": b"{}",
            "tokenizer.json": b"{}",
            "model.safetensors": contents(5000),
            "pytorch_model.bin": contents(5001),
            "state_dict.bin": contents(5002),
        },
    )
    names = {path.name for path in ensure_weights("musicgen-small").iterdir()}
    assert names == {
        "config.json", "preprocessor_config.json", "tokenizer.json", "model.safetensors"
    }  # fmt: skip


def test_a_repository_that_lacks_a_needed_file_is_refused(hub):
    hub.add(REPO, {"config.json": b"{}"})
    with pytest.raises(DownloadError, match=r"lacks bigvgan_generator\.pt"):
        ensure_weights("bigvgan")


def test_the_listing_comes_in_pages(hub, bigvgan):
    hub.page_size = 1
    assert sorted(path.name for path in ensure_weights("bigvgan").iterdir()) == NEEDED


def test_equal_contents_are_fetched_once(hub, contents):
    same = contents(20_000)
    files = {"a.safetensors": same, "b.safetensors": same, "c.json": b"{}", "d.json": b"{}"}
    hub.add("owner/model", files)
    folder = ensure_weights("owner/model")
    assert {name: (folder / name).read_bytes() for name in files} == files
    assert hub.bytes_served == 20_000 + 2


def test_without_links_files_lie_in_the_snapshot(hub, bigvgan, folder, monkeypatch, contents):
    monkeypatch.setenv("HF_HUB_DISABLE_SYMLINKS", "1")
    same = contents(20_000)
    hub.add("owner/model", {"a.safetensors": same, "b.safetensors": same})
    for key in ("bigvgan", "owner/model"):
        found = ensure_weights(key)
        assert not any(path.is_symlink() for path in found.iterdir())
        assert ensure_weights(key, offline=True) == found
    assert not (folder / "blobs").exists() or not any((folder / "blobs").iterdir())


def test_the_commit_stays_until_an_update(hub, bigvgan, quickly, contents):
    first = quickly()
    old = bigvgan.commit
    kept = bigvgan.files("main")["bigvgan_generator.pt"].contents
    bigvgan.push({"config.json": b'{"num_mels": 100}', "bigvgan_generator.pt": kept})
    assert quickly().commit == old
    served = hub.bytes_served
    second = quickly(update=True)
    assert second.commit == bigvgan.commit != old
    # The weights did not change, so only the config was fetched.
    assert hub.bytes_served - served == len(b'{"num_mels": 100}')
    assert quickly(offline=True).folder == second.folder
    assert quickly(revision=old, offline=True).folder == first.folder


def test_a_revision_is_kept_apart(hub, bigvgan, quickly, contents):
    quickly()
    bigvgan.push({"config.json": b"{}", "bigvgan_generator.pt": contents(2000)}, "v2")
    found = quickly(revision="v2")
    assert found.commit == bigvgan.refs["v2"]
    assert quickly().commit == bigvgan.refs["main"]
    with pytest.raises(DownloadError, match="no such revision"):
        quickly(revision="v3")


def test_more_files_are_taken_from_the_commit_that_is_there(hub, bigvgan, quickly, folder):
    first = quickly()
    # As after an update of milonga that needs other files: no record matches any more.
    for record in (folder / ".milonga").glob("main-*.json"):
        record.rename(record.with_name("main-0123456789ab.json"))
    bigvgan.push({"config.json": b"[]", "bigvgan_generator.pt": b"x" * 2000})
    assert quickly().commit == first.commit


@pytest.mark.parametrize(
    ("settings", "name"),
    [('repo = "me/other"', "me/other"), ('repo = "me/other"\nrevision = "v2"', "me/other")],
)
def test_the_configuration_points_a_key_elsewhere(hub, contents, quickly, settings, name):
    repo = hub.add(name, {"config.json": b"{}", "bigvgan_generator.pt": contents(4000)})
    repo.push({"config.json": b"[1]", "bigvgan_generator.pt": contents(4000)}, "v2")
    (hub.home / "milonga").mkdir()
    (hub.home / "milonga" / "config.toml").write_text(f"[weights.sources.bigvgan]\n{settings}\n")
    found = quickly()
    assert found.repo == name
    assert found.commit == repo.refs["v2" if "v2" in settings else "main"]


def test_a_folder_is_used_as_it_is(hub, tmp_path, quickly):
    mine = tmp_path / "mine"
    mine.mkdir()
    (mine / "config.json").write_text("{}")
    with pytest.raises(DamagedFileError, match=r"lacks bigvgan_generator\.pt"):
        ensure_weights(str(mine), like="bigvgan")
    (mine / "bigvgan_generator.pt").write_bytes(b"x")
    assert ensure_weights(str(mine), like="bigvgan") == mine
    (hub.home / "milonga").mkdir()
    text = f'[weights.sources.bigvgan]\nfolder = "{mine}"\n'
    (hub.home / "milonga" / "config.toml").write_text(text)
    found = quickly()
    assert (found.folder, found.commit, found.hashes) == (mine, None, {})
    with pytest.raises(WeightsError, match="no revisions"):
        quickly(revision="v2")
    assert hub.requests == []


def test_a_repository_is_named_directly(hub, contents, quickly):
    repo = hub.add("me/tango", {"config.json": b"{}", "bigvgan_generator.pt": contents(4000)})
    commit = repo.push({"config.json": b"[]", "bigvgan_generator.pt": contents(4000)}, "v2")
    assert quickly("me/tango@v2", like="bigvgan").commit == commit
    assert quickly("me/tango", like="bigvgan").commit == repo.commit


def test_an_unknown_name_lists_the_known_ones(hub):
    with pytest.raises(UnknownNameError, match=r"bark.*musicgen-small"):
        ensure_weights("nonsense")


@pytest.mark.parametrize("path", ["../evil.json", "/evil.json", "a/../../evil.json", "a\\b.json"])
def test_a_listing_can_not_leave_the_folder(hub, path, tmp_path):
    hub.add("owner/model", {"model.safetensors": b"x" * 2000, path: b"evil"})
    with pytest.raises(DownloadError, match="outside its folder"):
        ensure_weights("owner/model")
    assert not list(tmp_path.rglob("*evil*"))


def test_space_is_checked_before_the_download(hub, bigvgan):
    bigvgan.files("main")["bigvgan_generator.pt"].size = 10**15
    with pytest.raises(CacheError, match=r"needs 1000000\.0 GB"):
        ensure_weights("bigvgan")
    assert hub.bytes_served == 0


def test_a_cancelled_download_goes_on_next_time(hub, bigvgan, log, quickly):
    hub.fault("bigvgan_generator.pt", call_at=2 * 1024 * 1024, call=log.cancel)
    with pytest.raises(Cancelled):
        quickly(progress=log)
    assert locate("bigvgan") is None
    quickly()
    start = int(hub.requests[-1].range.removeprefix("bytes=").rstrip("-"))
    assert 1024 * 1024 <= start <= 3 * 1024 * 1024


def test_two_processes_download_once(hub, bigvgan, start_python):
    hub.fault("bigvgan_generator.pt", bytes_per_s=2_000_000)
    code = """
import sys
from milonga.runtime.progress import LineProgress
from milonga.weights import ensure_weights
print(ensure_weights("bigvgan", progress=LineProgress()))
"""
    processes = [start_python(code) for _ in range(2)]
    results = [process.communicate(timeout=60) for process in processes]
    assert [process.returncode for process in processes] == [0, 0], results
    assert results[0][0] == results[1][0]
    assert hub.bytes_served == 3_000_000 + len(b'{"num_mels": 128}')
    assert sum("Another process is downloading" in error for _, error in results) == 1


def test_threads_of_one_process_download_once(hub, bigvgan, quickly):
    hub.fault("bigvgan_generator.pt", bytes_per_s=5_000_000)
    found = []
    threads = [threading.Thread(target=lambda: found.append(quickly())) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len({each.folder for each in found}) == 1
    assert hub.bytes_served == 3_000_000 + len(b'{"num_mels": 128}')


def test_many_small_files_come_whole(hub):
    files = {f"embeddings/{index}.json": b"%d" % index for index in range(120)}
    hub.add("owner/model", {**files, "model.safetensors": b"x" * 2000})
    folder = ensure_weights("owner/model")
    assert {name: (folder / name).read_bytes() for name in files} == files


def test_the_record_says_what_is_there(hub, bigvgan, folder):
    ensure_weights("bigvgan")
    record = json.loads(next((folder / ".milonga").glob("main-*.json")).read_text())
    blobs = bigvgan.files("main")
    assert record["commit"] == bigvgan.commit
    assert record["files"] == {
        name: {"size": blobs[name].size, "sha256": blobs[name].sha256, "etag": blobs[name].etag}
        for name in NEEDED
    }


@pytest.mark.parametrize("text", ["", "{", "[]", '{"format": 99}', '{"format": 1, "files": {}}'])
def test_a_damaged_record_is_made_anew(hub, bigvgan, folder, text):
    found = ensure_weights("bigvgan")
    for record in (folder / ".milonga").glob("*.json"):
        record.write_text(text)
    assert ensure_weights("bigvgan", offline=True) == found
    assert locate("bigvgan").commit == bigvgan.commit


def test_a_folder_moved_to_another_machine_works_offline(
    hub, bigvgan, folder, tmp_path, monkeypatch
):
    ensure_weights("bigvgan")
    shutil.copytree(folder, tmp_path / "other" / "hub" / folder.name, symlinks=True)
    monkeypatch.setenv("HF_HOME", str(tmp_path / "other"))
    assert ensure_weights("bigvgan", offline=True).is_relative_to(tmp_path / "other")
