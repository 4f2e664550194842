"""What is here, and making room without taking from anybody else."""

import pytest

from milonga.errors import NotDownloadedError, WeightsError
from milonga.runtime.places import copies_folder, copy_stem
from milonga.weights import CATALOGUE, ensure_weights, locate
from milonga.weights.inventory import copies_to_remove, list_weights, remove_weights

WEIGHTS = "bigvgan_generator.pt"
SIZE = 3_000_000 + len(b'{"num_mels": 128}')


def row(key):
    return next(row for row in list_weights() if row.source.name == key)


def test_every_model_is_listed(hub):
    rows = list_weights()
    assert [each.source.name for each in rows] == list(CATALOGUE)
    assert {(each.status, each.on_disk) for each in rows} == {("missing", 0)}
    assert hub.requests == []


def test_states(hub, bigvgan, folder, quickly):
    hub.fault(WEIGHTS, cut_at=2_000_000, times=50)
    with pytest.raises(WeightsError):
        quickly()
    assert (row("bigvgan").status, row("bigvgan").on_disk) == ("partial", 2_000_000)
    hub.faults.clear()
    found = quickly()
    assert (row("bigvgan").status, row("bigvgan").on_disk) == ("ready", SIZE)
    assert (row("bigvgan").commit, row("bigvgan").folder) == (bigvgan.commit, found.folder)
    (found.folder / "config.json").unlink()
    assert row("bigvgan").status == "damaged"


def test_files_of_other_tools_show(hub, bigvgan, run_python):
    run_python(
        f"from huggingface_hub import snapshot_download; snapshot_download({bigvgan.name!r})"
    )
    assert (row("bigvgan").status, row("bigvgan").on_disk) == ("found", SIZE)


def test_other_repositories_show(hub):
    hub.add("me/tango", {"a.safetensors": b"x" * 2000})
    ensure_weights("me/tango")
    assert (row("me/tango").status, row("me/tango").on_disk) == ("ready", 2000)


def test_removing_frees_everything(hub, bigvgan, folder, quickly, contents):
    quickly()
    bigvgan.push({"config.json": b"[]", WEIGHTS: contents(5000)})
    quickly(update=True)
    copies = [
        copies_folder() / f"{copy_stem(name)}-{'a' * 16}.safetensors"
        for name in ("bigvgan stages", f"{bigvgan.name} decoder", "bigvgan-small stages", "x y")
    ]
    copies_folder().mkdir(parents=True)
    for copy in copies:
        copy.write_bytes(bytes(100))
    assert copies_to_remove("bigvgan") == sorted(copies[:2])
    assert remove_weights("bigvgan") == SIZE + 5000 + 2 + 200
    assert [copy.exists() for copy in copies] == [False, False, True, True]
    assert not folder.exists()
    assert locate("bigvgan") is None
    assert row("bigvgan").status == "missing"
    with pytest.raises(NotDownloadedError, match="nothing to remove"):
        remove_weights("bigvgan")


def test_removing_a_part_of_a_download(hub, bigvgan, folder, quickly):
    hub.fault(WEIGHTS, cut_at=2_000_000, times=50)
    with pytest.raises(WeightsError):
        quickly()
    assert remove_weights("bigvgan") == 2_000_000 + len(b'{"num_mels": 128}')
    assert row("bigvgan").status == "missing"


def test_what_others_need_stays(hub, bigvgan, folder, run_python):
    """Another tool's whole snapshot, of which milonga needs a part."""
    run_python(
        f"from huggingface_hub import snapshot_download; snapshot_download({bigvgan.name!r})"
    )
    ensure_weights("bigvgan")
    remove_weights("bigvgan")
    left = {path.name for path in (folder / "snapshots" / bigvgan.commit).iterdir()}
    assert left == {"bigvgan_discriminator_optimizer.pt", "README.md"}
    assert all(path.read_bytes() for path in (folder / "snapshots").rglob("*") if path.is_file())


def test_contents_that_two_files_share_stay(hub, quickly, contents):
    same = contents(20_000)
    repo = hub.add("me/model", {"a.safetensors": same})
    quickly("me/model")
    repo.push({"config.json": b"{}", "bigvgan_generator.pt": same})
    quickly("me/model", like="bigvgan", update=True)
    first = quickly("me/model", revision=next(iter(repo.commits)))
    assert remove_weights("me/model") == 0
    assert not (first.folder / "a.safetensors").exists()
    kept = quickly("me/model", like="bigvgan", offline=True)
    assert (kept.folder / "bigvgan_generator.pt").read_bytes() == same


def test_without_links(hub, bigvgan, folder, monkeypatch):
    monkeypatch.setenv("HF_HUB_DISABLE_SYMLINKS", "1")
    ensure_weights("bigvgan")
    assert remove_weights("bigvgan") == SIZE
    assert not folder.exists()


def test_a_folder_of_the_user_s_is_not_touched(hub, tmp_path):
    mine = tmp_path / "mine"
    mine.mkdir()
    (mine / "config.json").write_text("{}")
    with pytest.raises(WeightsError, match="a folder of your own"):
        remove_weights(str(mine))
    assert (mine / "config.json").exists()
