"""A folder is shared where its mark is seen."""

import pytest

from milonga.jobs.cluster.shared import marked, sees


def test_a_mark_is_seen_as_long_as_it_is_there(tmp_path):
    with marked(tmp_path / "out") as mark:
        assert sees(mark)
    assert not sees(mark)
    assert not list((tmp_path / "out").iterdir())


@pytest.mark.parametrize("wrong", [{"word": "other"}, {"user": -2}, {"path": "/nowhere/mark"}])
def test_another_folder_or_another_user_is_not_shared(tmp_path, wrong):
    with marked(tmp_path) as mark:
        assert not sees({**mark, **wrong})


def test_a_folder_that_can_only_be_read_is_not_shared(tmp_path, modes_hold):
    with marked(tmp_path) as mark:
        folder = next(tmp_path.iterdir())
        folder.chmod(0o500)
        try:
            assert not sees(mark)
        finally:
            folder.chmod(0o700)
