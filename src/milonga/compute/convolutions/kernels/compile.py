"""From emitted kernels to callable machine code for this processor."""

from __future__ import annotations

import ctypes
import threading
from collections.abc import Callable, Sequence
from typing import Any

import llvmlite.binding as llvm
from llvmlite import ir

from milonga.compute import processor
from milonga.compute.convolutions.kernels.antialiased import ARGS as ACTIVATION_ARGS
from milonga.compute.convolutions.kernels.antialiased import emit_activation
from milonga.compute.convolutions.kernels.emit import POINTER
from milonga.compute.convolutions.kernels.gemm import ARGS as GEMM_ARGS
from milonga.compute.convolutions.kernels.gemm import Tiling, emit_gemm, gemm_name
from milonga.compute.convolutions.kernels.minimal import Filtering
from milonga.compute.convolutions.kernels.transforms import CONV_ARGS, conv_name, emit_conv

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
        engine = compile_module(str(module))
        self.gemm = kernel_of(engine, gemm_name(tiling), GEMM_ARGS)
        self.activation = kernel_of(engine, "activation", ACTIVATION_ARGS)
        self.convs = {f: kernel_of(engine, conv_name(f), CONV_ARGS) for f in filterings}


def kernel_of(engine: llvm.ExecutionEngine, name: str, args: Sequence[tuple[str, Any]]) -> Kernel:
    """A function of compiled code; it keeps the code alive."""
    kinds = [ctypes.c_void_p if kind is POINTER else ctypes.c_int64 for _, kind in args]
    # A call through ctypes lets other Python threads run meanwhile.
    function: Any = ctypes.CFUNCTYPE(None, *kinds)(engine.get_function_address(name))
    function.engine = engine
    kernel: Kernel = function
    return kernel


def address_of(kernel: Kernel) -> int:
    """Where a function of compiled code lies, for other compiled code to call it."""
    return ctypes.cast(kernel, ctypes.c_void_p).value or 0  # type: ignore[arg-type]


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
    """Machine code of a module of LLVM's language, for this processor."""
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
    features = processor.target()
    if processor.has("avx512vnni"):
        # Else LLVM takes two instructions for it, since their result comes a little sooner.
        features += ",+fast-dpwssd"
    return target.create_target_machine(cpu=processor.name(), features=features, opt=3)
