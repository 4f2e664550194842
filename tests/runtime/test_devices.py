"""Devices: which there are, which work, which is picked."""

import pytest
import torch

from milonga.errors import DeviceError
from milonga.runtime.devices import device_names, fault_of, in_chunks, is_refused, pick_device


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


REFUSALS = [
    # As public bug reports quote them.
    NotImplementedError("Output channels > 65536 not supported at the MPS device."),
    NotImplementedError(
        "The operator 'aten::_fft_r2c' is not currently implemented for the MPS device. If you "
        "want this op to be added in priority during the prototype phase of this feature,"
    ),
    RuntimeError(
        "Output size of the matrix multiplication is larger than currently supported by the MPS "
        "backend: 72250,72250, needs to be less than 2**32 elements."
    ),
    TypeError(
        "Cannot convert a MPS Tensor to float64 dtype as the MPS framework doesn't support float64."
    ),
    RuntimeError("Expected canUse32BitIndexMath(input) && canUse32BitIndexMath(output) to be true"),
    RuntimeError("cuDNN error: CUDNN_STATUS_NOT_SUPPORTED. This error may appear if you passed in"),
]


@pytest.mark.parametrize("error", REFUSALS, ids=lambda error: str(error)[:30])
def test_what_a_device_refuses(error):
    assert is_refused(error)


@pytest.mark.parametrize(
    "error",
    [
        RuntimeError("MPS backend out of memory (MPS allocated: 5.56 GB)"),
        NotImplementedError("a subclass says this"),
        ValueError("MPS"),
    ],
)
def test_what_is_no_refusal(error):
    assert not is_refused(error)


@pytest.mark.parametrize(("limit", "counts"), [(65_536, True), (10, False)])
def test_a_device_counts_though_it_refuses_long_convolutions(mac, monkeypatch, limit, counts):
    mac.on, mac.limit, moved = False, limit, torch.Tensor.to

    def to(tensor, device):
        # What isn't moved is the reference, on the processor.
        mac.on = True
        return moved(tensor, "cpu")

    def randn(*args, **kwargs):
        mac.on = False
        return made(*args, **kwargs)

    made = torch.randn
    monkeypatch.setattr(torch.Tensor, "to", to)
    monkeypatch.setattr(torch, "randn", randn)
    fault_of.cache_clear()
    fault = fault_of("mps")
    fault_of.cache_clear()
    assert mac.refused
    assert (fault is None) == counts
    assert counts or "Output channels > 65536" in fault


def test_a_device_that_gets_long_convolutions_wrong_does_not_count(monkeypatch):
    from torch.nn import functional

    right = functional.conv1d
    calls = []

    def wrong(signal, kernel):
        calls.append(signal.shape[-1])
        return right(signal, kernel) * (1 if len(calls) < 4 else 2)

    monkeypatch.setattr(functional, "conv1d", wrong)
    fault_of.cache_clear()
    assert fault_of("cpu") == "it computes wrong results"
    assert calls[-1] > 65_536
    fault_of.cache_clear()


def test_the_processor_refuses_nothing_and_its_memory_ends(messages):
    def fail(error):
        def compute(start, stop):
            raise error

        return list(in_chunks(8, 8, 2, compute, lambda: "cpu", lambda: None, messages))

    with pytest.raises(NotImplementedError):
        fail(NotImplementedError("Output channels > 65536 not supported at the MPS device."))
    assert messages.texts == []
    with pytest.raises(MemoryError):
        fail(MemoryError())
    assert [text.split()[-2] for text in messages.texts] == ["4", "2"]
    with pytest.raises(ZeroDivisionError):
        fail(ZeroDivisionError())
