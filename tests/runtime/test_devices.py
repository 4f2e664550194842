"""Devices: which there are, which work, which is picked."""

import pytest

from milonga.errors import DeviceError
from milonga.runtime.devices import device_names, fault_of, pick_device


def test_the_processor_is_always_there_and_works():
    assert device_names()[-1] == "cpu"
    assert fault_of("cpu") is None
    assert pick_device("cpu") == "cpu"


def test_auto_picks_one_that_works():
    assert fault_of(pick_device()) is None
    assert pick_device() in device_names()


def test_a_device_that_torch_can_not_use_has_a_fault():
    assert fault_of("cuda:99")
    assert fault_of("nonsense")


@pytest.mark.parametrize("name", ["cuda:99", "gpu", "", "tpu"])
def test_a_device_that_is_not_there(name):
    with pytest.raises(DeviceError, match="no device") as caught:
        pick_device(name)
    assert "cpu" in caught.value.step
