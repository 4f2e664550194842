"""From emitted kernels to callable machine code for this processor."""

from __future__ import annotations

import ctypes
import threading
from collections.abc import Callable, Sequence
from typing import Any

import llvmlite.binding as llvm
from llvmlite import ir

from milonga.compute import processor
from milonga.compute.convolutions.antialiased import ARGS as ACTIVATION_ARGS
from milonga.compute.convolutions.antialiased import emit_activation
from milonga.compute.convolutions.emit import POINTER
from milonga.compute.convolutions.gemm import ARGS as GEMM_ARGS
from milonga.compute.convolutions.gemm import Tiling, emit_gemm
from milonga.compute.convolutions.minimal import Filtering
from milonga.compute.convolutions.transforms import CONV_ARGS, conv_name, emit_conv

Kernel = Callable[..., None]
_LOCK = threading.Lock()


class Kernels:
    """The kernels of one tiling.

    Args:
        tiling: of the matrix product.
        filterings: one for each convolution.
    """

    def __init__(self, tiling: Tiling, filterings: Sequence[Filtering]) -> None:
        self.tiling = tiling
        module = ir.Module("milonga")
        gemm = emit_gemm(module, tiling)
        emit_activation(module, tiling.width)
        for filtering in filterings:
            emit_conv(module, gemm, filtering, tiling)
        self._engine = compile_module(str(module))
        self.gemm = self._kernel("gemm", GEMM_ARGS)
        self.activation = self._kernel("activation", ACTIVATION_ARGS)
        self.convs = {f: self._kernel(conv_name(f), CONV_ARGS) for f in filterings}

    def _kernel(self, name: str, args: Sequence[tuple[str, Any]]) -> Kernel:
        kinds = [ctypes.c_void_p if kind is POINTER else ctypes.c_int64 for _, kind in args]
        # A call through ctypes lets other Python threads run meanwhile.
        function: Kernel = ctypes.CFUNCTYPE(None, *kinds)(self._engine.get_function_address(name))
        return function


def why_not() -> str | None:
    """Explain why the kernels can't be used on this processor; None if they can."""
    machine = processor.machine()
    if machine not in ("x86_64", "arm64"):
        return f"no kernels for {machine}"
    if machine == "x86_64" and not processor.has("fma"):
        return "the processor has no fused multiply-add"
    return None


def describe() -> str:
    """Name the processor and the vectors that are used."""
    return f"{processor.name()}, vectors of {16 if has_wide_vectors() else 8}"


def has_wide_vectors() -> bool:
    """Check if the processor has AVX-512: vectors of 16 floats, 32 registers."""
    return processor.has("avx512f")


def compile_module(text: str) -> llvm.ExecutionEngine:
    """Machine code for this processor, or for what ``processor.without`` leaves of it."""
    with _LOCK:
        llvm.initialize_native_target()
        llvm.initialize_native_asmprinter()
        module = llvm.parse_assembly(text)
        module.verify()
        options = llvm.create_pipeline_tuning_options(speed_level=2)
        # The kernels are vectors already, and unrolled as far as the registers go.
        options.loop_vectorization = options.slp_vectorization = options.loop_unrolling = False
        builder = llvm.create_pass_builder(_machine(), options)
        builder.getModulePassManager().run(module, builder)
        engine = llvm.create_mcjit_compiler(module, _machine())
        engine.finalize_object()
        return engine


def _machine() -> llvm.TargetMachine:
    # A new one every time: an engine owns the one that it gets.
    target = llvm.Target.from_default_triple()
    signs = (f"{'+' if there else '-'}{name}" for name, there in processor.features().items())
    return target.create_target_machine(
        cpu=processor.name(), features=",".join(sorted(signs)), opt=3
    )
