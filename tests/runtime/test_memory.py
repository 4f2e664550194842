"""Memory: what the system says of it, and how programs say that there is none left."""

import errno
import platform

import numpy as np
import psutil
import pytest

from milonga.errors import GeneratorError
from milonga.runtime.memory import (
    available_memory,
    is_out_of_memory,
    raise_if_short,
    total_memory,
)

LEFT = """
from pathlib import Path
import numpy as np
from milonga.runtime.memory import available_memory, peak_memory, return_freed, total_memory

def held():
    if not Path("/proc/self/statm").exists():
        return 0
    return int(Path("/proc/self/statm").read_text().split()[1]) * 4096

blocks = [np.ones(100_000, np.uint8) for _ in range(1000)]
# The last one stays: what lies under it isn't returned by itself.
kept = blocks.pop()
del blocks
before = held()
return_freed()
print(before - held())
assert kept.sum() == 100_000
assert available_memory() < total_memory()
assert peak_memory() >= 100e6
"""


def test_freed_memory_goes_back_to_the_system(run_python):
    returned = int(run_python(LEFT))
    # 100 MB were freed; other C libraries than glibc have returned them before.
    assert returned > 80e6 if platform.libc_ver()[0] == "glibc" else returned >= 0


def test_memory_is_what_the_system_says():
    machine = psutil.virtual_memory()
    # A container's limit may be below what the machine has; psutil knows only the machine.
    assert 0 < total_memory() <= machine.total
    assert 0 < available_memory() <= machine.total


class RuntimeException(Exception):
    """As ONNX Runtime's, which is no RuntimeError."""


WORDS = [
    # As public bug reports quote them.
    RuntimeError("CUDA out of memory. Tried to allocate 2.00 GiB. GPU 0 has a total capacity of"),
    RuntimeError("CUDA error: out of memory\nCUDA kernel errors might be asynchronously reported"),
    RuntimeError("HIP out of memory. Tried to allocate 20.00 MiB. GPU 0 has a total capacity"),
    RuntimeError(
        "MPS backend out of memory (MPS allocated: 5.56 GB, other allocations: 1.10 GB, max "
        "allowed: 6.80 GB). Tried to allocate 768.00 MB on private pool."
    ),
    RuntimeError("Invalid buffer size: 19.45 GB"),
    RuntimeError(
        r"[enforce fail at ..\c10\core\impl\alloc_cpu.cpp:72] data. DefaultCPUAllocator: not "
        "enough memory: you tried to allocate 26214400 bytes."
    ),
    RuntimeError(
        "[enforce fail at alloc_cpu.cpp:117] err == 0. DefaultCPUAllocator: can't allocate memory: "
        "you tried to allocate 31850496000 bytes. Error code 12 (Cannot allocate memory)"
    ),
    RuntimeError("CUDA error: CUBLAS_STATUS_ALLOC_FAILED when calling `cublasCreate(handle)`"),
    RuntimeError("cuDNN error: CUDNN_STATUS_ALLOC_FAILED"),
    RuntimeError("unable to mmap 23802932552 bytes from file <x>: Cannot allocate memory (12)"),
    RuntimeError("std::bad_alloc"),
    RuntimeError("bad allocation"),
    RuntimeException(
        "[ONNXRuntimeError] : 6 : RUNTIME_EXCEPTION : Non-zero status code returned while running "
        "Conv node. Status Message: Failed to allocate memory for requested buffer of size 643840"
    ),
    OSError("The paging file is too small for this operation to complete. (os error 1455)"),
    OSError("页面文件太小，无法完成操作。 (os error 1455)"),
    OSError(errno.ENOMEM, "Cannot allocate memory"),
    np._core._exceptions._ArrayMemoryError((2**40,), np.dtype("f4")),
    MemoryError(),
]


@pytest.mark.parametrize("error", WORDS, ids=lambda error: str(error)[:40])
def test_lack_of_memory_is_recognised_in_every_wording(error):
    assert is_out_of_memory(error)
    with pytest.raises(MemoryError):
        raise_if_short(error)


def test_lack_of_memory_as_torch_says_it_here():
    import torch

    with pytest.raises(RuntimeError) as caught:
        torch.empty(2**60, dtype=torch.float32)
    assert is_out_of_memory(caught.value)


def test_an_error_of_windows_by_its_number():
    error = OSError("Die Auslagerungsdatei ist zu klein")
    error.winerror = 1455
    assert is_out_of_memory(error)


def test_lack_of_memory_behind_another_error():
    error = OSError("Unable to load weights from pytorch checkpoint file")
    error.__cause__ = RuntimeError("std::bad_alloc")
    assert is_out_of_memory(error)


@pytest.mark.parametrize(
    "error",
    [
        RuntimeError("shapes differ"),
        RuntimeError("PytorchStreamReader failed reading zip archive: failed finding central"),
        OSError(errno.ENOENT, "No such file or directory"),
        ValueError("out of memory"),
        GeneratorError("There is not enough memory for bark."),
    ],
)
def test_other_failures_are_no_lack_of_memory(error):
    assert not is_out_of_memory(error)
    raise_if_short(error)
