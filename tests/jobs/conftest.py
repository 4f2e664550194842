import pytest

from milonga.jobs import Queue


@pytest.fixture
def queue(tmp_path):
    return Queue(tmp_path / "jobs")
