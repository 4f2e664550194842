"""Hashes agree with the standard library's, whatever the pieces they come in."""

import hashlib
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from milonga.weights.cache.hashing import BLOCK, Digest, hash_file


def expected(contents):
    git = hashlib.sha1(b"blob %d\0" % len(contents) + contents).hexdigest()
    return hashlib.sha256(contents).hexdigest(), git


@given(st.binary(max_size=5000), st.lists(st.integers(0, 5000), max_size=5))
def test_pieces_make_no_difference(contents, cuts):
    digest = Digest(len(contents), git=True)
    bounds = [0, *sorted(min(cut, len(contents)) for cut in cuts), len(contents)]
    for start, stop in pairwise(bounds):
        digest.update(contents[start:stop])
    found = digest.found()
    digest.close()
    assert (found.sha256, found.git_sha1) == expected(contents)


@given(st.lists(st.binary(min_size=1, max_size=100), max_size=40))
@settings(deadline=None)
def test_in_a_thread_of_its_own(pieces):
    digest = Digest(100 * BLOCK, git=False)
    for piece in pieces:
        digest.update(piece)
    whole = b"".join(pieces)
    assert digest.found().sha256 == hashlib.sha256(whole).hexdigest()
    digest.update(b"more")
    assert digest.found().sha256 == hashlib.sha256(whole + b"more").hexdigest()
    digest.close()


@pytest.mark.parametrize("size", [0, 1, BLOCK - 1, BLOCK, BLOCK + 1, 9 * BLOCK])
def test_files(tmp_path, contents, size):
    path = tmp_path / "file"
    path.write_bytes(contents(size))
    ticks = []
    found = hash_file(path, ticks.append)
    assert (found.sha256, found.git_sha1) == expected(contents(size))
    assert sum(ticks) == size


def test_git_s_name_of_nothing(tmp_path):
    (tmp_path / "file").touch()
    # As printed by: git hash-object /dev/null
    name = "e69de29bb2d1d6434b8b29ae775ad8c2e48c5391"
    assert hash_file(tmp_path / "file").git_sha1 == name
    assert hash_file(tmp_path / "file").agrees(name)
