"""What is said of memory, in processes of their own."""

import platform

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
