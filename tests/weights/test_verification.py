"""Verifying finds every damage without a network; repairing brings just that."""

import pytest

from milonga.errors import DamagedFileError, DownloadError, NotDownloadedError
from milonga.weights import ensure_weights, locate
from milonga.weights.verification import verify_weights

WEIGHTS = "bigvgan_generator.pt"


def flip(path, at=1_500_000):
    with path.open("r+b") as handle:
        handle.seek(at)
        byte = handle.read(1)[0]
        handle.seek(at)
        handle.write(bytes([byte ^ 1]))


def cut(path):
    with path.open("r+b") as handle:
        handle.truncate(1_000_000)


def grow(path):
    with path.open("ab") as handle:
        handle.write(b"!")


def remove_link(path):
    path.unlink()


def remove_contents(path):
    path.resolve().unlink()


DAMAGES = [
    (flip, "changed"),
    (cut, "wrong size"),
    (grow, "wrong size"),
    (remove_link, "missing"),
    (remove_contents, "missing"),
]


@pytest.fixture
def offline(monkeypatch):
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")


def states(result):
    return {file.path: file.state for file in result.files}


@pytest.mark.parametrize("links", [True, False], ids=["links", "copies"])
@pytest.mark.parametrize(("damage", "state"), DAMAGES)
def test_damage_is_found_offline_and_repaired(hub, bigvgan, monkeypatch, log, damage, state, links):
    if not links:
        monkeypatch.setenv("HF_HUB_DISABLE_SYMLINKS", "1")
    folder = ensure_weights("bigvgan")
    assert verify_weights("bigvgan").faults == ()
    damage(folder / WEIGHTS)
    before, served = len(hub.requests), hub.bytes_served

    with monkeypatch.context() as offline:
        offline.setenv("HF_HUB_OFFLINE", "1")
        result = verify_weights("bigvgan")
        assert states(result) == {WEIGHTS: state, "config.json": "ok"}
        with pytest.raises(NotDownloadedError, match="must be downloaded anew"):
            verify_weights("bigvgan", repair=True)
    assert len(hub.requests) == before

    assert verify_weights("bigvgan", repair=True, progress=log).faults == ()
    expected = bigvgan.files("main")[WEIGHTS].contents
    assert (folder / WEIGHTS).read_bytes() == expected
    # A link that was lost needs no download: the contents are still there.
    lost_link = damage is remove_link and links
    assert hub.bytes_served - served == (0 if lost_link else len(expected))
    totals = {update.total for update in log.updates if update.label == "bigvgan"}
    assert totals == {len(expected)}


def test_sizes_are_checked_on_every_use(hub, bigvgan, offline, monkeypatch):
    monkeypatch.delenv("HF_HUB_OFFLINE")
    folder = ensure_weights("bigvgan")
    cut(folder / WEIGHTS)
    assert locate("bigvgan") is None
    with pytest.raises(NotDownloadedError, match="is damaged here") as caught:
        ensure_weights("bigvgan", offline=True)
    assert "verify bigvgan --repair" in str(caught.value)
    assert ensure_weights("bigvgan") == folder
    assert verify_weights("bigvgan").faults == ()


def test_a_cut_copy_is_not_taken_for_another_tool_s(hub, bigvgan, monkeypatch):
    monkeypatch.setenv("HF_HUB_DISABLE_SYMLINKS", "1")
    folder = ensure_weights("bigvgan")
    cut(folder / WEIGHTS)
    with pytest.raises(NotDownloadedError, match="damaged"):
        ensure_weights("bigvgan", offline=True)


def test_a_repair_keeps_the_commit(hub, bigvgan, contents):
    folder = ensure_weights("bigvgan")
    old = bigvgan.commit
    bigvgan.push({"config.json": b"[]", WEIGHTS: contents(5000)})
    flip(folder / WEIGHTS)
    result = verify_weights("bigvgan", repair=True)
    assert (result.commit, result.faults) == (old, ())


def test_a_repair_that_the_hub_can_not_serve(hub, bigvgan, contents):
    folder = ensure_weights("bigvgan")
    old = bigvgan.commit
    bigvgan.push({"config.json": b"[]", WEIGHTS: contents(5000)})
    del bigvgan.commits[old]
    flip(folder / WEIGHTS)
    with pytest.raises(DownloadError, match="no such revision") as caught:
        verify_weights("bigvgan", repair=True)
    assert "--update" in str(caught.value)


def test_an_older_commit_is_verified_by_its_name(hub, bigvgan, quickly, contents):
    folder = quickly().folder
    old = bigvgan.commit
    bigvgan.push({"config.json": b"[]", WEIGHTS: contents(5000)})
    quickly(update=True)
    flip(folder / WEIGHTS)
    assert verify_weights("bigvgan").faults == ()
    assert [file.path for file in verify_weights("bigvgan", revision=old).faults] == [WEIGHTS]


def test_what_is_not_here(hub, bigvgan):
    with pytest.raises(NotDownloadedError, match="is not on this machine"):
        verify_weights("bigvgan")
    assert hub.requests == []


def test_files_of_other_tools_are_verified(hub, bigvgan, folder, run_python):
    run_python(
        f"from huggingface_hub import snapshot_download; snapshot_download({bigvgan.name!r})"
    )
    assert set(states(verify_weights("bigvgan")).values()) == {"ok"}


def test_a_folder_of_the_user_s(hub, tmp_path):
    mine = tmp_path / "mine"
    mine.mkdir()
    (mine / "config.json").write_text("{}")
    (mine / WEIGHTS).write_bytes(b"x")
    (hub.home / "milonga").mkdir()
    (hub.home / "milonga" / "config.toml").write_text(
        f'[weights.sources.bigvgan]\nfolder = "{mine}"\n'
    )
    assert set(states(verify_weights("bigvgan")).values()) == {"unchecked"}
    (mine / WEIGHTS).unlink()
    with pytest.raises(DamagedFileError, match="lacks"):
        verify_weights("bigvgan")
