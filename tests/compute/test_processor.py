"""What a processor can do, as systems that aren't here tell it."""

import ctypes
import sys

import pytest

from milonga.compute import processor
from milonga.compute.products.precision import why_slow


@pytest.fixture
def arm(monkeypatch):
    """An ARM processor of which LLVM finds what it looks for."""
    import llvmlite.binding as llvm

    monkeypatch.setattr(processor.platform, "machine", lambda: "aarch64")
    monkeypatch.setattr(llvm, "get_host_cpu_features", lambda: {"neon": True, "sve": False})
    processor._host_features.cache_clear()
    yield monkeypatch
    processor._host_features.cache_clear()


def test_linux_names_what_llvm_leaves_out_on_arm(arm, tmp_path):
    # Two kinds of cores: threads go from one to the other.
    told = tmp_path / "cpuinfo"
    told.write_text(
        "processor\t: 0\nFeatures\t: fp asimd asimddp i8mm bf16\nCPU part\t: 0xd49\n\n"
        "processor\t: 1\nFeatures\t: fp asimd asimddp i8mm\nCPU part\t: 0xd46\n"
    )
    arm.setattr(sys, "platform", "linux")
    arm.setattr(processor, "_CPUINFO", told)
    assert processor.target() == "+dotprod,+i8mm,+neon,-sve"
    assert "bfloat16" in str(why_slow("bfloat16"))
    processor._host_features.cache_clear()
    told.write_text(told.read_text().replace("asimddp i8mm\n", "asimddp bf16\n"))
    assert processor.target() == "+bf16,+dotprod,+neon,-sve"
    assert why_slow("bfloat16") is None
    processor._host_features.cache_clear()
    told.unlink()
    assert processor.target() == "+neon,-sve"


def test_a_mac_names_them_one_by_one(arm):
    class System:
        """Of an M1: it knows the name of what it lacks, or not even that."""

        def sysctlbyname(self, name, value, size, new, length):
            there = {b"hw.optional.arm.FEAT_DotProd": 1, b"hw.optional.arm.FEAT_I8MM": 0}
            if name not in there:
                return -1
            ctypes.cast(value, ctypes.POINTER(ctypes.c_int))[0] = there[name]
            return 0

    arm.setattr(sys, "platform", "darwin")
    arm.setattr(ctypes, "CDLL", lambda name: System())
    assert processor.target() == "+dotprod,+neon,-sve"
    assert "Mac" in str(why_slow("bfloat16"))
