"""Machine code for processors that aren't here: it is made, though it can't run."""

import re

import llvmlite.binding as llvm
import pytest
from llvmlite import ir

from milonga.compute import processor
from milonga.compute.convolutions import packed
from milonga.compute.convolutions.kernels.factors import emit_factors
from milonga.compute.convolutions.kernels.lstm import emit_lstm
from milonga.compute.convolutions.kernels.minimal import MEDIUM, Filtering
from milonga.compute.convolutions.kernels.sharing import emit_sharing
from milonga.compute.convolutions.kernels.unit import Unit, emit_unit
from milonga.compute.tokens.kernels import Heads
from milonga.compute.tokens.program import emit_program

PROCESSORS = {
    "ARM": ("aarch64-unknown-linux-gnu", "+neon", "fmla"),
    "a Mac": ("arm64-apple-macosx", "+neon", "fmla"),
    "ARM that multiplies bytes": ("aarch64-unknown-linux-gnu", "+neon,+i8mm", "fmla"),
    "AVX2": ("x86_64-unknown-linux-gnu", "+avx2,+fma", "vfmadd"),
    "AVX2 that multiplies bytes": ("x86_64-unknown-linux-gnu", "+avx2,+fma,+avxvnni", "vfmadd"),
}


def decoder_layers():
    tiling = packed.tiling_for(64)
    assert tiling.width == 8
    module = ir.Module("layers")
    emit_unit(module, Unit(7, Filtering(MEDIUM, 7), "snake", "elu", True, 8, tiling, tiling))
    emit_factors(module, Filtering(MEDIUM, 7), 8)
    emit_lstm(module)
    emit_sharing(module)
    return module


def token_steps():
    heads = Heads(64, "bfloat16")
    return emit_program(("float32", "bfloat16", "int8"), heads, 1e-5, wide=False, unroll=2)


@pytest.mark.parametrize("made", [decoder_layers, token_steps])
@pytest.mark.parametrize("where", PROCESSORS)
def test_kernels_compile(where, made, monkeypatch):
    triple, features, product = PROCESSORS[where]
    machine = "x86_64" if triple.startswith("x86") else "arm64"
    there = dict.fromkeys(features.replace("+", "").split(","), True)
    monkeypatch.setattr(processor, "machine", lambda: machine)
    monkeypatch.setattr(processor, "features", lambda: there)
    llvm.initialize_all_targets()
    llvm.initialize_all_asmprinters()
    try:
        target = llvm.Target.from_triple(triple)
    except RuntimeError:
        pytest.skip("this llvmlite makes code for its own processor only")
    module = made()
    module.triple = triple
    parsed = llvm.parse_assembly(str(module))
    parsed.verify()
    text = target.create_target_machine(features=features, opt=3).emit_assembly(parsed)
    assert product in text
    if made is decoder_layers:
        assert bool(re.search("usdot|vpdpbusd", text)) == bool({"i8mm", "avxvnni"} & set(there))
    # A call would be to a function of the C library, which may be slow or not there.
    assert not {"fmaf", "rintf", "expf"} & set(re.findall(r"\w+", text))
