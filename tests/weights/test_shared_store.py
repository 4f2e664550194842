"""Contents that the client keeps once for all repositories, linked to from each of them.

The client's layout for files that came over Xet: ``blobs/<etag>`` of a repository is a link to
``<cache>/blobs/<2 digits>/<hash>``.
"""

import pytest

from milonga.weights import ensure_weights
from milonga.weights.inventory import remove_weights
from milonga.weights.verification import verify_weights

WEIGHTS = "bigvgan_generator.pt"


@pytest.fixture
def shared(hub, bigvgan, folder, run_python):
    """The file in the shared store, after the client downloaded the repository."""
    run_python(
        f"from huggingface_hub import snapshot_download; snapshot_download({bigvgan.name!r})"
    )
    blob = folder / "blobs" / bigvgan.files("main")[WEIGHTS].etag
    store = hub.cache / "blobs" / "ab" / ("ab" * 32)
    store.parent.mkdir(parents=True)
    blob.rename(store)
    blob.symlink_to(f"../../blobs/ab/{store.name}")
    return store


def test_it_is_used(hub, shared):
    before = len(hub.requests)
    folder = ensure_weights("bigvgan")
    assert (folder / WEIGHTS).resolve() == shared
    assert verify_weights("bigvgan").faults == ()
    assert len(hub.requests) == before


def test_a_repair_leaves_the_store_as_it_is(hub, bigvgan, shared):
    folder = ensure_weights("bigvgan")
    with shared.open("r+b") as handle:
        handle.write(b"damaged")
    damaged = shared.read_bytes()
    assert [file.state for file in verify_weights("bigvgan").faults] == ["changed"]
    assert verify_weights("bigvgan", repair=True).faults == ()
    assert (folder / WEIGHTS).read_bytes() == bigvgan.files("main")[WEIGHTS].contents
    assert shared.read_bytes() == damaged


def test_removing_leaves_the_store_to_the_client(hub, shared):
    folder = ensure_weights("bigvgan")
    size = shared.stat().st_size
    assert remove_weights("bigvgan") < size
    assert not (folder / WEIGHTS).exists()
    assert shared.stat().st_size == size
