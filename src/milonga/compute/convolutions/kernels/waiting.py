"""Threads that wait for each other within compiled code, by looking rather than by sleeping."""

from __future__ import annotations

import ctypes
import os
from typing import Any

import llvmlite.binding as llvm
from llvmlite import ir

from milonga.compute import processor
from milonga.compute.convolutions.kernels.emit import INT, Emitter, Value

_SPINS = 4096
"""Looks before the system may run another thread."""

_YIELD = "milonga_yield"


def emit_wait(e: Emitter, place: Value, least: Value, looks: Value | None = None) -> None:
    """Wait until the 64-bit integer at ``place`` is at least so large.

    The code needs ``provide_yield`` before it is compiled.

    Args:
        e: where it goes.
        place: the address.
        least: what is waited for.
        looks: after how many to give up; never by default.
    """
    b, module = e.b, e.function.module
    before = b.block
    head, wait, after = (e.function.append_basic_block(n) for n in ("await", "wait", "done"))
    b.branch(head)
    b.position_at_end(head)
    spins = b.phi(INT)
    spins.add_incoming(e.index(0), before)
    ready = b.load_atomic(place, "acquire", 8, typ=INT)
    b.cbranch(b.icmp_signed(">=", ready, least), after, wait)
    b.position_at_end(wait)
    _emit_pause(e)
    more = b.add(spins, e.index(1))
    kind = ir.FunctionType(ir.IntType(32), [])
    give_way = module.globals.get(_YIELD) or ir.Function(module, kind, _YIELD)
    with b.if_then(b.icmp_signed(">", more, e.index(_SPINS))):
        b.call(give_way, [])
    spins.add_incoming(more, b.block)
    if looks is None:
        b.branch(head)
    else:
        b.cbranch(b.icmp_signed("<", more, looks), head, after)
    b.position_at_end(after)


def _emit_pause(e: Emitter) -> None:
    arm = processor.machine() == "arm64"
    name = "llvm.aarch64.hint" if arm else "llvm.x86.sse2.pause"
    values = [e.i32(1)] if arm else []
    module = e.function.module
    kind = ir.FunctionType(ir.VoidType(), [value.type for value in values])
    e.b.call(module.globals.get(name) or ir.Function(module, kind, name), values)


def provide_yield() -> None:
    """Let compiled code call the system's function that lets other threads run."""
    library: Any = ctypes
    give_way = (
        library.windll.kernel32.SwitchToThread if os.name == "nt" else ctypes.CDLL(None).sched_yield
    )
    llvm.add_symbol(_YIELD, ctypes.cast(give_way, ctypes.c_void_p).value)
